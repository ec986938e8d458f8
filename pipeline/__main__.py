"""The command line: `python -m pipeline [--workspace DIR] VERB`.

Answers go to stdout, everything else (progress, errors) to stderr. A request that cannot be met ends with its
sentence and status 2. `--json` prints one JSON document (`predict`: one line an input) and nothing else.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands import data, handing_on, queue, reading, review, runs, sweeps, training
from pipeline.errors import user_errors
from pipeline.jobs import JobStopped, JobStore
from pipeline.storage import explained
from pipeline.workspace import Workspace

app = typer.Typer(
    name="python -m pipeline",
    help="Hilum: chest-CT slice classification. Research use only - not for diagnosis.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

for group in (data, training, runs, queue, sweeps, reading, review, handing_on):
    app.add_typer(group.app)

CONTROLS = {"stop", "jobs", "queue", "sweep"}  # they may be about to take something out of the queue


@app.callback()
def main(
    context: typer.Context,
    workspace: Annotated[
        Path | None, typer.Option(help="The folder that holds everything (HILUM_WORKSPACE, ./workspace).")
    ] = None,
) -> None:
    """Explore, tune, train, evaluate and read chest-CT slices. Research use only - not for diagnosis."""
    if context.resilient_parsing:
        return
    context.obj = Workspace.open(workspace)
    if context.invoked_subcommand not in CONTROLS and "HILUM_JOB" not in os.environ:
        JobStore(context.obj).pump()  # what waited when the machine went down goes on now


def run_command_line() -> int:
    """Run the verb in sys.argv; return the exit status."""
    try:
        with explained():
            app()
        return 0
    except JobStopped as stopped:
        sys.stderr.write(f"{stopped}\n")
        return 130
    except user_errors() as error:
        _fail_job(str(error))
        sys.stderr.write(f"{error}\n")
        return 2
    finally:
        _fail_job("It ended before its work began; its log has the details.")


def _fail_job(message: str) -> None:
    """Tell the job list why a job ended before its work began, if this process is one."""
    job_id = os.environ.pop("HILUM_JOB", None)
    if job_id is not None:
        words = sys.argv[1:]
        workspace = words[words.index("--workspace") + 1] if "--workspace" in words else None
        JobStore(Workspace.open(workspace)).fail(job_id, message)


if __name__ == "__main__":
    sys.exit(run_command_line())
