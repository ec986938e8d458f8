"""Verbs that take an answer along and make it again: hand-on, reproduce."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from pipeline import console
from pipeline.commands.reading import Ensemble, Tta
from pipeline.commands.shared import Inputs, Json, Run, UsageError, answer, job_of

app = typer.Typer()


@app.command()
def hand_on(
    context: typer.Context,
    run: Run,
    inputs: Inputs,
    bundle: Annotated[
        Path | None, typer.Option(help="Folder for bundles, from which `reproduce` makes an answer again.")
    ] = None,
    pdf: Annotated[Path | None, typer.Option(help="Folder for a page (A4) a slice.")] = None,
    png: Annotated[Path | None, typer.Option(help="Folder for the same page as a picture.")] = None,
    dicom: Annotated[
        Path | None, typer.Option(help="Folder for a Secondary Capture and a Structured Report a slice.")
    ] = None,
    pixels: Annotated[
        bool, typer.Option("--pixels", help="The slice's pixels go into the bundle. They may identify.")
    ] = False,
    keep_identifiers: Annotated[
        bool,
        typer.Option("--keep-identifiers", help="DICOM names the slice's own patient and study."),
    ] = False,
    check_maps: Annotated[
        bool,
        typer.Option("--check-maps", help="Each file says how far its map can be trusted; seconds a slice."),
    ] = False,
    tta: Tta = 1,
    ensemble: Ensemble = None,
    as_json: Json = False,
) -> None:
    """Write answers as files: bundles, pages, DICOM. Research use only - not for diagnosis."""
    from pipeline.handing_on.hand_on import Wanted, hand_on

    wanted = Wanted(
        bundle, pdf, png, dicom, pixels=pixels, keep_identifiers=keep_identifiers, check_maps=check_maps
    )
    if not any((bundle, pdf, png, dicom)):
        raise UsageError("Say what to write and where: --bundle, --pdf, --png or --dicom with a folder.")
    if (pixels and not bundle) or (keep_identifiers and not dicom):
        raise UsageError("--pixels goes with --bundle, and --keep-identifiers with --dicom.")
    with job_of(context, "hand-on", title=f"Hand on answers of {run}") as progress:
        lines = hand_on(context.obj, run, inputs, wanted, tta=tta, ensemble=ensemble or (), progress=progress)
        synthetic = False
        for line in lines:
            typer.echo(json.dumps(line, allow_nan=False) if as_json else console.handed_text(line))
            synthetic |= line.get("synthetic", False)
        if not as_json:
            typer.echo(console.last_words(synthetic))


@app.command()
def reproduce(
    context: typer.Context,
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="What `hand-on --bundle` wrote.")],
    input: Annotated[
        Path | None, typer.Option(help="The slice's file; else the bundle's pixels, or a data set's slice.")
    ] = None,
    run: Annotated[str | None, typer.Option(help="Ask this run instead of the bundle's own.")] = None,
    as_json: Json = False,
) -> None:
    """Ask the model of a bundle again and say whether the answer is the same."""
    from pipeline.handing_on.reproduce import reproduce

    found = reproduce(context.obj, bundle, input=input, run=run)
    answer(found.to_json(), as_json, console.reproduced_text)
