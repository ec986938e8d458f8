"""Verbs about data: demo, index, audit, decide, split, preprocess, caches, remove."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from pipeline import console
from pipeline.commands.shared import (
    Inputs,
    Json,
    Name,
    ReadAddress,
    ReadWorkers,
    UsageError,
    answer,
    chosen_cluster,
    complain,
    job_of,
)

app = typer.Typer()


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

    with job_of(context, "demo", title="Demo data set") as progress:
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
    cluster: ReadAddress = None,
    workers: ReadWorkers = None,
    as_json: Json = False,
) -> None:
    """Read a folder of slices into a data set; a second time reads only what changed."""
    from pipeline.data.index import build_index

    where = chosen_cluster(cluster, workers, libraries=("ray",))
    with job_of(context, "index", title=f"Index {name}") as progress:
        summary = build_index(
            context.obj, source, name=name, labels_csv=labels, cluster=where, progress=progress
        ).to_json()
    answer(summary, as_json, console.index_text)


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

    with job_of(context, "audit", title=f"Audit {name}") as progress:
        found = audit_dataset(context.obj, name, progress=progress)
    if report:
        write_audit_report(context.obj, found, report, pictures=pictures)
        sys.stderr.write(f"Report written to {report}\n")
    answer(found.to_json(), as_json, console.audit_text)


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
    keep_one: Annotated[
        bool, typer.Option("--keep-one", help="Of copies, exclude all but the first by path: with --finding.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Exclude slices, call them fine, or take that back; `undo` alone takes the last decision back."""
    from pipeline.data.deciding import decide_by_name

    answer(
        decide_by_name(context.obj, name, verdict, slices or [], finding=finding, keep_one=keep_one),
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
    """Divide a data set into train, val, calibration and test; by patient, no patient id in two of them."""
    from pipeline.data.splits import make_split

    made = make_split(
        context.obj, name, group_by=group_by, name=split_name, folds=folds, seed=seed, test_on=test_on
    )
    answer(made.to_json(), as_json, console.split_text)


@app.command()
def preprocess(
    inputs: Inputs,
    out: Annotated[Path, typer.Option(help="Where DIR/<stem>/<NN>-<stage>.png go.")],
    context: typer.Context,
    recipe: Annotated[
        str | None,
        typer.Option(help="A preset, a saved recipe's name or a JSON file. Default: hilum, or the one set."),
    ] = None,
) -> None:
    """Write one PNG for each stage of the recipe and name each folder; doubts about a mask go to stderr."""
    from pipeline.data.stages import write_stages
    from pipeline.preprocessing.default_recipe import default_recipe
    from pipeline.preprocessing.recipe import load_recipe

    recipes = context.obj.recipes
    chosen = load_recipe(recipe or default_recipe(recipes), recipes)
    for sentence in chosen.warnings():
        complain(sentence)
    for folder, doubt in write_stages(inputs, out=out, recipe=chosen, on_error=complain):
        typer.echo(folder)
        if doubt:
            complain(f"{folder}: {doubt}")


@app.command()
def caches(
    context: typer.Context,
    remove: Annotated[
        list[str] | None, typer.Option("--remove", metavar="FOLDER", help="Give this cache's room back.")
    ] = None,
    verify: Annotated[bool, typer.Option("--verify", help="Read every byte and check its sums.")] = False,
    as_json: Json = False,
) -> None:
    """List the prepared slices: of what, how large, who uses them. `--remove` evicts; they can be remade."""
    from pipeline.cache.inventory import damaged_slices, evict, list_caches

    freed = {folder: evict(context.obj, folder) for folder in remove or []}
    for folder, size in freed.items():
        complain(f"Removed {folder}: {console.size_text(size)} given back.")
    found = [info.to_json() for info in list_caches(context.obj)]
    if verify:
        found = [row | {"damaged": damaged_slices(context.obj, row["folder"])} for row in found]
    answer(found, as_json, console.caches_text)


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
