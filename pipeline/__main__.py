"""The command line: `python -m pipeline [--workspace DIR] VERB`.

Answers go to stdout, everything else (progress, errors) to stderr. A request that cannot be met ends with its
sentence and status 2. `--json` prints one JSON document (`predict`: one line an input) and nothing else.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline import console
from pipeline.errors import HilumError, user_errors
from pipeline.jobs import JobStopped, JobStore, Reporter
from pipeline.storage import explained
from pipeline.workspace import Workspace

app = typer.Typer(
    name="python -m pipeline",
    help="Hilum: chest-CT slice classification. Research use only - not for diagnosis.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
Run = Annotated[
    str, typer.Argument(metavar="RUN", help="A run's id, the beginning of it, its name, or `demo`.")
]
Name = Annotated[str, typer.Argument(metavar="NAME", help="The data set's name.")]


class UsageError(HilumError):
    """The request itself is wrong: a combination of options that means nothing."""


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


@app.command()
def demo(
    context: typer.Context,
    patients: Annotated[int, typer.Option(min=6, help="How many synthetic patients.")] = 64,
    retrain: Annotated[
        bool, typer.Option(help="Train the shipped model again, from its configuration.")
    ] = False,
) -> None:
    """Build the demo data set of phantoms and register the demo model; repeatable."""
    from pipeline import demo as demo_room

    with _job(context, "demo", title="Demo data set") as progress:
        if retrain:
            typer.echo(demo_room.retrain_demo_model(context.obj, progress=progress))
        else:
            typer.echo(demo_room.build_demo(context.obj, patients=patients, progress=progress))


@app.command()
def index(
    context: typer.Context,
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="The folder of slices; never changed.")],
    name: Annotated[str, typer.Option(help="What to call the data set.")],
    labels: Annotated[Path | None, typer.Option(help="CSV: path,label[,patient_id,source,...]")] = None,
    as_json: Json = False,
) -> None:
    """Read a folder of slices into a data set; a second time reads only what changed."""
    from pipeline.data.index import build_index

    with _job(context, "index", title=f"Index {name}") as progress:
        summary = build_index(context.obj, source, name=name, labels_csv=labels, progress=progress).to_json()
    _answer(summary, as_json, console.index_text)


@app.command()
def audit(
    context: typer.Context,
    name: Name,
    report: Annotated[Path | None, typer.Option(help="Write an HTML report to this file.")] = None,
    pictures: Annotated[bool, typer.Option(help="Put small pictures of slices into the report.")] = True,
    as_json: Json = False,
) -> None:
    """Look for bad slices, duplicates, leaks between parts, and shortcuts."""
    from pipeline.data.audit import audit_dataset
    from pipeline.data.audit_report import write_audit_report

    with _job(context, "audit", title=f"Audit {name}") as progress:
        found = audit_dataset(context.obj, name, progress=progress)
    if report:
        write_audit_report(context.obj, found, report, pictures=pictures)
        sys.stderr.write(f"Report written to {report}\n")
    _answer(found.to_json(), as_json, console.audit_text)


@app.command()
def decide(
    context: typer.Context,
    name: Name,
    verdict: Annotated[
        str, typer.Argument(metavar="exclude|fine|undo|list", help="What to decide; `list` shows what holds.")
    ],
    slices: Annotated[
        list[str] | None, typer.Argument(metavar="[SLICE]...", help="Ids, beginnings of ids, or paths.")
    ] = None,
    finding: Annotated[
        str | None, typer.Option(help="A finding's code: fine as to it; without SLICE, all of its slices.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Exclude slices, call them fine, or take that back; `undo` alone takes the last decision back."""
    from pipeline.data.deciding import decide_by_name

    _answer(
        decide_by_name(context.obj, name, verdict, slices or [], finding=finding),
        as_json,
        console.decision_text,
    )


@app.command()
def split(
    context: typer.Context,
    name: Name,
    group_by: Annotated[str, typer.Option(help="patient, cluster, none or column:NAME")] = "patient",
    split_name: Annotated[str | None, typer.Option("--as", help="What to call the split.")] = None,
    folds: Annotated[int | None, typer.Option(min=2, help="Cross-validation folds.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same split.")] = 0,
    test_on: Annotated[
        str | None, typer.Option(metavar="COLUMN=VALUE", help="Hold these out whole: source=clinic-b.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Divide a data set into train, val, calibration and test; no patient in two of them."""
    from pipeline.data.splits import make_split

    made = make_split(
        context.obj, name, group_by=group_by, name=split_name, folds=folds, seed=seed, test_on=test_on
    )
    _answer(made.to_json(), as_json, console.split_text)


@app.command()
def preprocess(
    inputs: Annotated[
        list[Path],
        typer.Argument(metavar="INPUT...", help="Slices, volumes (DICOM, NIfTI), folders, ZIP archives."),
    ],
    out: Annotated[Path, typer.Option(help="Where DIR/<stem>/<NN>-<stage>.png go.")],
    context: typer.Context,
    recipe: Annotated[str, typer.Option(help="A preset, a saved recipe's name or a JSON file.")] = "hilum",
) -> None:
    """Write one PNG for each stage of the recipe."""
    from pipeline.data.stages import write_stages
    from pipeline.preprocessing.recipe import load_recipe

    chosen = load_recipe(recipe, context.obj.recipes)
    for folder in write_stages(inputs, out=out, recipe=chosen, on_error=_complain):
        typer.echo(folder)


@app.command()
def train(
    context: typer.Context,
    dataset: Annotated[str | None, typer.Option(help="The data set's name.")] = None,
    architecture: Annotated[str | None, typer.Option(help="For example EfficientNetV2B0.")] = None,
    config: Annotated[Path | None, typer.Option(help="A JSON or TOML file; options given here win.")] = None,
    preset: Annotated[
        str | None, typer.Option(help="A named way to learn; `python -m pipeline presets` lists them.")
    ] = None,
    split_name: Annotated[str | None, typer.Option("--split", help="Default: the data set's newest.")] = None,
    fold: Annotated[int | None, typer.Option(help="Which fold of the split is validated on.")] = None,
    epochs: Annotated[int | None, typer.Option(help="At most so many.")] = None,
    image_size: Annotated[int | None, typer.Option(help="Pixels a side that the network sees.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Slices a step.")] = None,
    weights: Annotated[
        str | None, typer.Option(help="imagenet, random, phantom, file:PATH or run:RUN")
    ] = None,
    recipe: Annotated[
        str | None, typer.Option(help="A preset, a saved recipe's name or a JSON file.")
    ] = None,
    balance: Annotated[str | None, typer.Option(help="augment, weights or none")] = None,
    learning_rate: Annotated[float | None, typer.Option()] = None,
    seed: Annotated[int | None, typer.Option()] = None,
    name: Annotated[str | None, typer.Option(help="What to call the run.")] = None,
    further: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Any key of a configuration, e.g. head_epochs=3; repeatable."
        ),
    ] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Train in the background.")] = False,
) -> None:
    """Train a classifier; prints the run's id last."""
    from pipeline.training.config import build_config
    from pipeline.training.settings import parse_settings

    options = {
        "preset": preset, "dataset": dataset, "architecture": architecture, "split": split_name, "fold": fold,
        "epochs": epochs, "image_size": image_size, "batch_size": batch_size, "weights": weights,
        "recipe": recipe, "balance": balance, "learning_rate": learning_rate, "seed": seed, "name": name,
    }  # fmt: skip
    given = {key: value for key, value in options.items() if value is not None}
    chosen = build_config(context.obj, config, **(given | parse_settings(further or [])))
    if detach:
        typer.echo(_submit_training(context.obj, chosen))
        return
    from pipeline.training.train import train as train_run

    with _job(context, "train", title=f"Train {chosen.architecture} on {chosen.dataset}") as progress:
        run_id = train_run(context.obj, chosen, progress=progress)
    typer.echo(run_id)


@app.command()
def presets(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Print this one, as a file for --config.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List the named ways to learn, or print one to read and change."""
    from pipeline.training.presets import PRESETS, find_preset

    if name is not None:
        typer.echo(json.dumps({"preset": name, **find_preset(name).values}, indent=2))
        return
    found = {name: preset.sentence for name, preset in PRESETS.items()}
    _answer(found, as_json, console.lines)


@app.command()
def runs(context: typer.Context, as_json: Json = False) -> None:
    """List the runs, newest first."""
    from pipeline.runs import RunStore

    found = [console.run_row(run) for run in RunStore(context.obj).list()]
    _answer(found, as_json, console.table)


@app.command()
def show(context: typer.Context, run: Run, as_json: Json = False) -> None:
    """Show one run: what it was told, what it reached, where its files lie."""
    from pipeline.runs import RunStore

    found = RunStore(context.obj).find(run)
    details = console.run_row(found) | {
        "parameters": found.params,
        "metrics": found.metrics,
        "tags": found.tags,
    }
    _answer(details | {"artifacts": str(found.artifacts)}, as_json, console.lines)


@app.command()
def compare(context: typer.Context, runs: Annotated[list[str], typer.Argument(metavar="RUN RUN...")]) -> None:
    """Compare runs on validation, with the intervals of their differences."""
    from pipeline.evaluation.compare import compare_runs

    if len(runs) < 2:
        raise UsageError("compare takes two runs or more; `python -m pipeline runs` lists them.")
    _answer(compare_runs(context.obj, runs), True, console.lines)


@app.command()
def stop(context: typer.Context, run: Run) -> None:
    """Ask a training run to stop; its best weights so far are kept and exported."""
    from pipeline.runs import RunStore

    found = RunStore(context.obj).find(run)
    store = JobStore(context.obj)
    active = [job for job in store.list() if job.run_id == found.id and job.active]
    for job in active:
        store.stop(job.id)
    typer.echo(
        f"{found.name}: asked to stop." if active else f"{found.name} is not running ({found.status})."
    )


@app.command()
def resume(context: typer.Context, run: Run) -> None:
    """Go on with a run that was stopped, failed or lost, from its last checkpoint."""
    from pipeline.runs import RunStore
    from pipeline.training.train import resume as resume_run

    found = RunStore(context.obj).find(run)
    with _job(context, "train", title=f"Resume {found.name}") as progress:
        progress.set_run(found.id)
        run_id = resume_run(context.obj, found.id, progress=progress)
    typer.echo(run_id)


@app.command()
def jobs(context: typer.Context, as_json: Json = False) -> None:
    """List long work, newest first."""
    found = [
        {"id": job.id, "kind": job.kind, "status": job.status, "done": job.done, "total": job.total,
         "title": job.title, "message": job.message, "run": job.run_id}
        for job in JobStore(context.obj).list()
    ]  # fmt: skip
    _answer(found, as_json, console.table)


@app.command()
def remove(
    context: typer.Context,
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete a data set's index and everything derived from it. The source slices stay."""
    from pipeline.data.index import describe_removal, remove_dataset

    typer.echo(describe_removal(context.obj, name))
    if yes or (sys.stdin.isatty() and typer.confirm("Remove it?")):
        remove_dataset(context.obj, name)
        typer.echo(f"Removed {name}.")
    elif not yes:
        raise UsageError("Nothing was removed: say --yes to remove it without being asked.")


@app.command()
def evaluate(
    context: typer.Context,
    run: Run,
    part: Annotated[str | None, typer.Option(help="train, val, calibration or test (the default)")] = None,
    dataset: Annotated[str | None, typer.Option(help="Another indexed data set instead of a part.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write an HTML report to this file.")] = None,
    as_json: Json = False,
) -> None:
    """Say how good a run is, each figure with its n and interval."""
    from pipeline.evaluation.evaluate import evaluate_run
    from pipeline.evaluation.report import write_report

    if part and dataset:
        raise UsageError(
            "--part names a part of the run's own data, --dataset another data set: give one of them."
        )
    with _job(context, "evaluate", title=f"Evaluate {run}") as progress:
        evaluation = evaluate_run(context.obj, run, part=part or "test", dataset=dataset, progress=progress)
    if report:
        write_report(evaluation, report)
        sys.stderr.write(f"Report written to {report}\n")
    _answer(evaluation.to_json(), as_json, console.evaluation_text)


@app.command()
def predict(
    context: typer.Context,
    run: Run,
    inputs: Annotated[
        list[Path],
        typer.Argument(metavar="INPUT...", help="Slices, volumes (DICOM, NIfTI), folders, ZIP archives."),
    ],
    heatmaps: Annotated[
        Path | None, typer.Option(help="Write a heatmap of each slice into this folder.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Give the model's opinion of slices, one line a slice."""
    from pipeline.inference.predict import predict_inputs

    with _job(context, "predict", title=f"Predict with {run}") as progress:
        for answer in predict_inputs(context.obj, run, inputs, heatmaps=heatmaps, progress=progress):
            typer.echo(json.dumps(answer, allow_nan=False) if as_json else console.prediction_text(answer))


@app.command()
def export(
    context: typer.Context,
    run: Run,
    out: Annotated[Path, typer.Option(help="The folder to write to.")],
    format: Annotated[str, typer.Option(help="openvino, saved_model or keras")] = "openvino",
) -> None:
    """Write a run's model in a format that other software reads."""
    from models.backend import start_backend

    start_backend()
    from pipeline.inference.export import export_run

    typer.echo(export_run(context.obj, run, format=format, out=out))


@app.command()
def dashboard(
    context: typer.Context,
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port to listen on.")] = 8501,
    address: Annotated[str, typer.Option(help="127.0.0.1 keeps it to this machine.")] = "127.0.0.1",
    headless: Annotated[bool, typer.Option(help="Do not open a browser.")] = False,
) -> None:
    """Open the dashboard in the browser."""
    from pipeline.launch import launch_dashboard

    JobStore(context.obj).pump()
    raise typer.Exit(launch_dashboard(context.obj, port=port, address=address, headless=headless))


@contextlib.contextmanager
def _job(context: typer.Context, kind: str, *, title: str) -> Iterator[Reporter]:
    with JobStore(context.obj).reporting(kind, sys.argv[1:], title) as reporter:
        yield reporter


def _submit_training(workspace: Workspace, config: Any) -> str:
    """Queue a training run and wait until it has its id."""
    from pipeline.training.launch import submit_training

    return submit_training(workspace, config)


def _complain(sentence: str) -> None:
    sys.stderr.write(f"{sentence}\n")


def _answer(value: Any, as_json: bool, as_text: Any) -> None:
    typer.echo(
        json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) if as_json else as_text(value)
    )


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
