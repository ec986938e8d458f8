"""Verbs about training: train, presets, resume, extend, clone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline import console
from pipeline.commands.shared import Address, Json, Run, Workers, answer, chosen_cluster, job_of

if TYPE_CHECKING:
    from pipeline.training.config import TrainConfig

app = typer.Typer()
Detach = Annotated[bool, typer.Option("--detach", help="In the background.")]


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
    cluster: Address = None,
    workers: Workers = None,
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
    where = chosen_cluster(cluster, workers)
    if where is None:
        _tell_memory(chosen)
    if detach:
        from pipeline.training.launch import submit_training

        typer.echo(submit_training(context.obj, chosen, cluster=where))
        return
    from pipeline.training.train import train as train_run

    with job_of(context, "train", title=f"Train {chosen.architecture} on {chosen.dataset}") as progress:
        run_id = train_run(context.obj, chosen, cluster=where, progress=progress)
    typer.echo(run_id)


def _tell_memory(config: TrainConfig) -> None:
    """Say what would fit, where the training is likely not to."""
    from pipeline.training.memory import plan_here

    plan = plan_here(config)
    if plan.config != config or not plan.fits:
        typer.echo(plan.sentence, err=True)


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
    answer(found, as_json, console.lines)


@app.command()
def resume(context: typer.Context, run: Run, detach: Detach = False) -> None:
    """Go on with a run that was stopped, paused, failed or lost, from its last checkpoint."""
    from pipeline.runs import RunStore
    from pipeline.training.train import resume as resume_run

    found = RunStore(context.obj).find(run)
    if detach:
        from pipeline.training.launch import resume_in_background

        resume_in_background(context.obj, found)
        typer.echo(found.id)
        return
    with job_of(context, "train", title=f"Resume {found.name}") as progress:
        progress.set_run(found.id)
        run_id = resume_run(context.obj, found.id, progress=progress)
    typer.echo(run_id)


@app.command()
def extend(
    context: typer.Context,
    run: Run,
    epochs: Annotated[int, typer.Argument(metavar="EPOCHS", help="How many more.")],
    detach: Detach = False,
) -> None:
    """Train an ended run longer, with its weights, optimizer and history; prints the run's id last.

    The added epochs begin at a tenth of the highest learning rate and fall to a hundredth.
    """
    from pipeline.runs import RunStore
    from pipeline.training.extending import extend_run

    found = RunStore(context.obj).find(run)
    extend_run(context.obj, found, epochs)
    resume(context, found.id, detach)


@app.command()
def clone(
    context: typer.Context,
    run: Run,
    further: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="What to change, e.g. seed=1; repeatable."),
    ] = None,
) -> None:
    """Print a run's configuration with some values changed, as a file for `train --config`."""
    from pipeline.runs import RunStore
    from pipeline.training.extending import clone_config
    from pipeline.training.settings import parse_settings

    config = clone_config(RunStore(context.obj).find(run), **parse_settings(further or []))
    typer.echo(json.dumps(config.model_dump(mode="json"), indent=2))
