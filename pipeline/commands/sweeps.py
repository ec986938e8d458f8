"""Verbs about many trainings that belong together: sweep."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline import console
from pipeline.commands.shared import Address, Json, UsageError, Workers, answer, chosen_cluster, job_of

if TYPE_CHECKING:
    from pipeline.cluster.place import Cluster
    from pipeline.training.config import TrainConfig
    from pipeline.training.sweeps import TrialPlan
    from pipeline.workspace import Workspace

app = typer.Typer()
sweep = typer.Typer(no_args_is_help=True, help="Many trainings that belong together, compared on validation.")
app.add_typer(sweep, name="sweep")

Dataset = Annotated[str | None, typer.Option(help="The data set's name.")]
Config = Annotated[Path | None, typer.Option(help="What all trials share: a JSON or TOML file.")]
SplitName = Annotated[str | None, typer.Option("--split", help="Default: the data set's newest.")]
Further = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Any key of a configuration; repeatable."),
]
SweepName = Annotated[str | None, typer.Option("--name", help="What to call the sweep.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what it would cost.")]
Unfit = Annotated[bool, typer.Option("--all", help="Also what the memory is likely too small for.")]
Id = Annotated[str, typer.Argument(metavar="SWEEP", help="A sweep's id, the beginning of it, or its name.")]


@sweep.command()
def architectures(
    context: typer.Context,
    dataset: Dataset = None,
    config: Config = None,
    split_name: SplitName = None,
    architecture: Annotated[list[str] | None, typer.Option(help="Repeatable; default: all.")] = None,
    image_size: Annotated[list[int] | None, typer.Option(help="Pixels a side; repeatable.")] = None,
    seed: Annotated[list[int] | None, typer.Option(help="Repeatable.")] = None,
    further: Further = None,
    name: SweepName = None,
    dry_run: DryRun = False,
    unfit: Unfit = False,
    cluster: Address = None,
    workers: Workers = None,
    as_json: Json = False,
) -> None:
    """Compare architectures x sizes x seeds on one split; prints the sweep's id last."""
    from pipeline.training.sweeps import plan_architectures

    base = _base(context.obj, dataset, config, split_name, further)
    plans = plan_architectures(
        context.obj, base, architectures=architecture or (), sizes=image_size or (), seeds=seed or ()
    )
    where = chosen_cluster(cluster, workers)
    _launch(context.obj, "architectures", plans, name, where, dry_run=dry_run, unfit=unfit, as_json=as_json)


@sweep.command()
def folds(
    context: typer.Context,
    dataset: Dataset = None,
    config: Config = None,
    split_name: SplitName = None,
    further: Further = None,
    name: SweepName = None,
    dry_run: DryRun = False,
    unfit: Unfit = False,
    cluster: Address = None,
    workers: Workers = None,
    as_json: Json = False,
) -> None:
    """Train once for each fold of a split (`split --folds`); prints the sweep's id last."""
    from pipeline.training.sweeps import plan_folds

    plans = plan_folds(context.obj, _base(context.obj, dataset, config, split_name, further))
    where = chosen_cluster(cluster, workers)
    _launch(context.obj, "folds", plans, name, where, dry_run=dry_run, unfit=unfit, as_json=as_json)


@sweep.command()
def search(
    context: typer.Context,
    dataset: Dataset = None,
    config: Config = None,
    split_name: SplitName = None,
    trials: Annotated[int, typer.Option(help="How many trainings.")] = 20,
    space: Annotated[
        Path | None,
        typer.Option(
            help='JSON: {"learning_rate": {"low": 1e-4, "high": 1e-2, "log": true}, "dropout": [0, 0.3]}'
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the search.")] = 0,
    further: Further = None,
    name: SweepName = None,
    cluster: Address = None,
    workers: Workers = None,
) -> None:
    """Search for a good configuration, giving up what falls behind; prints the sweep's id last."""
    from pipeline.training.config import load_config
    from pipeline.training.search import launch_search

    base = _base(context.obj, dataset, config, split_name, further)
    wanted = load_config(space) if space is not None else None
    where = chosen_cluster(cluster, workers)
    found = launch_search(context.obj, base, trials=trials, space=wanted, seed=seed, name=name, cluster=where)
    typer.echo(found.id)


@sweep.command("run", hidden=True)
def run_search(context: typer.Context, sweep_id: Id) -> None:
    """Conduct a search until its trials are done (the queue does this)."""
    from pipeline.training import search as room
    from pipeline.training.sweeps import find_sweep

    found = find_sweep(context.obj, sweep_id)
    with job_of(context, "sweep", title=f"Search {found.name}") as progress:
        room.run_search(context.obj, found, progress=progress)


@sweep.command("list")
def list_all(context: typer.Context, as_json: Json = False) -> None:
    """List the sweeps, newest first."""
    from pipeline.training.sweep_table import sweep_table
    from pipeline.training.sweeps import list_sweeps

    rows = []
    for found in list_sweeps(context.obj):
        status = sweep_table(context.obj, found, intervals=False)["status"]
        rows.append({"id": found.id, "name": found.name, "kind": found.kind, "status": status})
    answer(rows, as_json, console.table)


@sweep.command()
def show(context: typer.Context, sweep_id: Id, as_json: Json = False) -> None:
    """Show how a sweep stands: its trials on validation, and over seeds or folds."""
    from pipeline.training.sweep_table import sweep_table
    from pipeline.training.sweeps import find_sweep

    answer(sweep_table(context.obj, find_sweep(context.obj, sweep_id)), as_json, console.sweep_text)


@sweep.command()
def stop(context: typer.Context, sweep_id: Id) -> None:
    """Stop a sweep's trainings and take out those that wait; `sweep resume` takes them up again."""
    from pipeline.training.sweeps import find_sweep, stop_sweep

    found = find_sweep(context.obj, sweep_id)
    typer.echo(f"{found.name}: {stop_sweep(context.obj, found)} jobs asked to stop.")


@sweep.command()
def resume(context: typer.Context, sweep_id: Id) -> None:
    """Go on with what of a sweep has ended without being finished, in the background."""
    from pipeline.training.search import resume_search
    from pipeline.training.sweeps import find_sweep, go_on

    found = find_sweep(context.obj, sweep_id)
    if found.kind == "search":
        resume_search(context.obj, found)
        typer.echo(f"{found.name}: the search goes on.")
    else:
        typer.echo(f"{found.name}: {len(go_on(context.obj, found))} trainings queued.")


def _base(
    workspace: Workspace,
    dataset: str | None,
    config: Path | None,
    split: str | None,
    further: list[str] | None,
) -> TrainConfig:
    from pipeline.training.config import build_config
    from pipeline.training.settings import parse_settings

    given = {key: value for key, value in {"dataset": dataset, "split": split}.items() if value is not None}
    return build_config(workspace, config, **(given | parse_settings(further or [])))


def _launch(
    workspace: Workspace,
    kind: Any,
    plans: list[TrialPlan],
    name: str | None,
    cluster: Cluster | None,
    *,
    dry_run: bool,
    unfit: bool,
    as_json: bool,
) -> None:
    """Show what each trial will cost, and queue those that fit."""
    from pipeline.training.sweeps import launch_sweep

    rows = [plan.to_json() for plan in plans]
    chosen = [plan.config for plan in plans if unfit or plan.fits]
    if not as_json:
        sys.stderr.write(console.plan_text(rows) + "\n")
    if not dry_run and not chosen:
        raise UsageError(
            "None of these trainings is likely to fit the memory; --all queues them all the same."
        )
    sweep_id = None if dry_run else launch_sweep(workspace, kind, chosen, name=name, cluster=cluster).id
    if as_json:
        typer.echo(json.dumps({"sweep": sweep_id, "trials": rows}, indent=2))
    elif sweep_id:
        typer.echo(sweep_id)
