"""Verbs about runs: runs, show, compare, stop, rename, note, star, archive."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline import console
from pipeline.commands.shared import Json, Run, UsageError, answer
from pipeline.jobs import JobStore

app = typer.Typer()


@app.command()
def runs(
    context: typer.Context,
    everything: Annotated[bool, typer.Option("--all", help="Archived ones too.")] = False,
    starred: Annotated[bool, typer.Option("--starred", help="Only those with a star.")] = False,
    as_json: Json = False,
) -> None:
    """List the runs, newest first."""
    from pipeline.runs import RunStore

    found = [
        console.run_row(run)
        for run in RunStore(context.obj).list()
        if (everything or not run.archived) and (run.starred or not starred)
    ]
    answer(found, as_json, console.table)


@app.command()
def show(context: typer.Context, run: Run, as_json: Json = False) -> None:
    """Show one run: what it was told, what it reached, where its files lie."""
    from pipeline.runs import RunStore
    from pipeline.training.memory import memory_offer

    found = RunStore(context.obj).find(run)
    details = console.run_row(found) | {
        "parameters": found.params,
        "metrics": found.metrics,
        "tags": found.tags,
    }
    if (offer := memory_offer(context.obj, found)) is not None:
        details |= {"memory": offer.sentence}
    answer(details | {"artifacts": str(found.artifacts)}, as_json, console.lines)


@app.command()
def compare(
    context: typer.Context,
    runs: Annotated[list[str], typer.Argument(metavar="RUN RUN...")],
    dataset: Annotated[
        str | None,
        typer.Option(help="Compare on this data set, on which all were evaluated; default: validation."),
    ] = None,
) -> None:
    """Show in which settings runs differ, and their figures on validation with intervals."""
    from pipeline.differences import what_differs
    from pipeline.evaluation.compare import compare_runs
    from pipeline.runs import RunStore

    if len(runs) < 2:
        raise UsageError("compare takes two runs or more; `python -m pipeline runs` lists them.")
    store = RunStore(context.obj)
    found = [store.find(run) for run in runs]
    differs = {
        key: {run.name: value for run, value in zip(found, values, strict=True)}
        for key, values in what_differs(found).items()
    }
    answer({"differs": differs} | compare_runs(context.obj, runs, dataset=dataset), True, console.lines)


@app.command()
def stop(
    context: typer.Context,
    run: Run,
    after_epoch: Annotated[
        bool, typer.Option("--after-epoch", help="When its epoch is whole, not at the next batch.")
    ] = False,
) -> None:
    """Ask a training run to stop; its best weights so far are kept and exported, and it can be resumed."""
    from pipeline.runs import RunStore

    found = RunStore(context.obj).find(run)
    store = JobStore(context.obj)
    active = [job for job in store.list() if job.run_id == found.id and job.active]
    for job in active:
        store.stop(job.id, after_epoch=after_epoch)
    typer.echo(
        f"{found.name}: asked to stop." if active else f"{found.name} is not running ({found.status})."
    )


@app.command()
def rename(context: typer.Context, run: Run, name: Annotated[str, typer.Argument(metavar="NAME")]) -> None:
    """Give a run another name."""
    from pipeline.runs import RunStore

    store = RunStore(context.obj)
    found = store.find(run)
    store.rename(found.id, name)
    typer.echo(f"{found.name} is now called {name}.")


@app.command()
def note(
    context: typer.Context,
    run: Run,
    text: Annotated[str | None, typer.Argument(help="Replaces the old note; empty removes it.")] = None,
) -> None:
    """Write a note on a run, or read it."""
    from pipeline.run_info import NOTE_TAG
    from pipeline.runs import RunStore

    store = RunStore(context.obj)
    found = store.find(run)
    if text is not None:
        store.label(found.id, NOTE_TAG, text)
    typer.echo(found.note if text is None else f"{found.name}: noted.")


@app.command()
def star(
    context: typer.Context,
    run: Run,
    off: Annotated[bool, typer.Option("--off", help="Take it away.")] = False,
) -> None:
    """Mark a run with a star."""
    from pipeline.run_info import STAR_TAG
    from pipeline.runs import RunStore

    store = RunStore(context.obj)
    found = store.find(run)
    store.label(found.id, STAR_TAG, "" if off else "true")
    typer.echo(f"{found.name}: {'no star' if off else 'starred'}.")


@app.command()
def archive(
    context: typer.Context,
    run: Run,
    off: Annotated[bool, typer.Option("--off", help="Bring it back.")] = False,
) -> None:
    """Put a run away: lists leave it out, nothing of it is deleted."""
    from pipeline.run_info import ARCHIVED_TAG
    from pipeline.runs import RunStore

    store = RunStore(context.obj)
    found = store.find(run)
    store.label(found.id, ARCHIVED_TAG, "" if off else "true")
    typer.echo(f"{found.name}: {'brought back' if off else 'archived'}.")
