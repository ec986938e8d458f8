"""Verbs that use a model, and the dashboard: evaluate, predict, gain, export, dashboard."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline import console
from pipeline.commands.shared import (
    Inputs,
    Json,
    ReadAddress,
    ReadWorkers,
    Run,
    UsageError,
    answer,
    chosen_cluster,
    job_of,
)

if TYPE_CHECKING:
    from pipeline.cluster.place import Cluster

app = typer.Typer()

Tta = Annotated[
    int,
    typer.Option(help="Average over so many slightly moved copies of each slice (test-time augmentation)."),
]
Ensemble = Annotated[
    list[str] | None, typer.Option(help="A further run with the same classes to average with; repeatable.")
]


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
    with job_of(context, "evaluate", title=f"Evaluate {run}") as progress:
        evaluation = evaluate_run(context.obj, run, part=part or "test", dataset=dataset, progress=progress)
    if report:
        write_report(evaluation, report)
        sys.stderr.write(f"Report written to {report}\n")
    answer(evaluation.to_json(), as_json, console.evaluation_text)


@app.command()
def predict(
    context: typer.Context,
    run: Run,
    inputs: Inputs,
    heatmaps: Annotated[
        Path | None, typer.Option(help="Write a heatmap of each slice into this folder.")
    ] = None,
    check_maps: Annotated[
        bool, typer.Option("--check-maps", help="Say how far each heatmap can be trusted; seconds a slice.")
    ] = False,
    series: Annotated[
        bool, typer.Option("--series", help="Answer each series as a case too, after its slices.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="Write one table, .parquet or .csv, in place of lines: for many slices."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted --out.")] = False,
    tta: Tta = 1,
    ensemble: Ensemble = None,
    cluster: ReadAddress = None,
    workers: ReadWorkers = None,
    as_json: Json = False,
) -> None:
    """Give the model's opinion of slices, one line a slice."""
    extras = heatmaps is not None or check_maps or tta != 1 or bool(ensemble)
    if (series or out is not None) and extras or (series and out is not None):
        raise UsageError("--series and --out stand alone, without what is done for each slice.")
    where = chosen_cluster(cluster, workers, libraries=("ray",))
    if out is not None:
        _predict_batch(context, run, inputs, out, resume=resume, cluster=where, as_json=as_json)
        return
    if where is not None:
        raise UsageError("--cluster is for many slices: say with --out which table to write.")
    from pipeline.inference.predict import predict_inputs
    from pipeline.inference.series import predict_series_inputs

    with job_of(context, "predict", title=f"Predict with {run}") as progress:
        answers = (
            predict_series_inputs(context.obj, run, inputs, progress=progress)
            if series
            else predict_inputs(
                context.obj,
                run,
                inputs,
                heatmaps=heatmaps,
                check_maps=check_maps,
                tta=tta,
                ensemble=ensemble or (),
                progress=progress,
            )
        )
        synthetic = False
        for found in answers:
            words = console.case_text if "rule" in found else console.prediction_text
            typer.echo(json.dumps(found, allow_nan=False) if as_json else words(found))
            synthetic |= found.get("synthetic", False)
        if not as_json:
            typer.echo(console.last_words(synthetic))


def _predict_batch(
    context: typer.Context,
    run: str,
    inputs: list[Path],
    out: Path,
    *,
    resume: bool,
    cluster: Cluster | None,
    as_json: bool,
) -> None:
    from pipeline.inference.batch import predict_batch

    with job_of(context, "batch", title=f"Predict {inputs[0].name} with {run}") as progress:
        summary = predict_batch(
            context.obj, run, inputs, out, resume=resume, cluster=cluster, progress=progress
        )
        progress(summary.rows, summary.rows, summary.text)
    answer(summary.to_json(), as_json, lambda _: summary.text)


@app.command()
def gain(
    context: typer.Context, run: Run, tta: Tta = 1, ensemble: Ensemble = None, as_json: Json = False
) -> None:
    """Measure on validation what averaging an answer gains; the Predict page then shows it."""
    from pipeline.evaluation.gain import keep_gain, measure_gain
    from pipeline.inference.averaging import make_averaging
    from pipeline.runs import RunStore

    found = RunStore(context.obj).find(run)
    averaging = make_averaging(context.obj, found, views=tta, ensemble=ensemble or ())
    with job_of(context, "gain", title=f"Gain of averaging, {found.name}") as progress:
        measured = measure_gain(context.obj, found, averaging, progress=progress)
        keep_gain(found, measured)
    answer(measured.to_json(), as_json, console.gain_text)


@app.command()
def export(
    context: typer.Context,
    run: Run,
    out: Annotated[Path, typer.Option(help="The folder to write to.")],
    format: Annotated[str, typer.Option(help="openvino, saved_model or keras")] = "openvino",
) -> None:
    """Write a run's model in a format that other software reads."""
    from models.backend import start_backend
    from pipeline.runs import RunStore

    RunStore(context.obj).find(run)  # an unknown run is refused at once, not after Keras has started
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

    raise typer.Exit(launch_dashboard(context.obj, port=port, address=address, headless=headless))
