"""An answer made again: does the same slice get the same answer from the same model today?"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from pipeline.data.datasets import index_file, list_datasets
from pipeline.data.reading import load_slice, read_slice
from pipeline.data.slice_image import SliceImage
from pipeline.data.statistics import content_hash
from pipeline.errors import HilumError
from pipeline.handing_on.bundle import Bundle, make_bundle
from pipeline.handing_on.bundle_reading import read_bundle
from pipeline.handing_on.comparison import Comparison, compare
from pipeline.handing_on.record import Record
from pipeline.inference.averaging import make_averaging
from pipeline.inference.engine import FOLDER, Engine
from pipeline.inference.predict import predict_slice
from pipeline.runs import RunInfo, RunStore
from pipeline.workspace import Workspace, read_json


class ReproduceError(HilumError):
    """There is nothing to make the answer again with: no slice, another slice, no run, other classes."""


def reproduce(
    workspace: Workspace, path: Path, *, input: Path | None = None, run: str | None = None
) -> Comparison:
    """Ask the model of a bundle again, and compare.

    Args:
        path: the bundle.
        input: the slice's file; without it the pixels of the bundle, else a slice of the workspace's data
            sets with the same pixels.
        run: ask this run; without it the bundle's own, else one with the same weights.

    Raises:
        BundleError: it is no bundle.
        ReproduceError: there is nothing to make the answer again with.
        RunNotFoundError, EngineMissingError, EngineDamagedError, RecipeGoneError, AveragingError, SliceError:
            see their messages.
    """
    then = read_bundle(path)
    found = RunStore(workspace).find(run) if run is not None else _own_run(workspace, then.record)
    engine = Engine.load(found)
    if list(engine.classes) != then.record.model.classes:
        raise ReproduceError(
            f"The run {found.name} knows {', '.join(engine.classes)}; the bundle's answer is about "
            f"{', '.join(then.record.model.classes)}. Name a run with the same classes."
        )
    image, slice_from = _slice(workspace, then, input)
    averaging = make_averaging(
        workspace,
        found,
        views=then.record.averaging.views,
        ensemble=list(then.record.averaging.networks),
    )
    prediction = predict_slice(engine, image, averaging=averaging)
    return compare(then, make_bundle(prediction, found), slice_from=slice_from)


def _own_run(workspace: Workspace, record: Record) -> RunInfo:
    """Return the bundle's run, else the newest run with the same weights: it came from another workspace."""
    runs = RunStore(workspace).list()
    own = [run for run in runs if run.id == record.model.run]
    same = [run for run in runs if _weights(run) == record.model.sha256.get("model.bin")]
    if own or same:
        return (own or same)[0]
    raise ReproduceError(
        f"The run {record.model.name} ({record.model.run[:8]}) that answered is not in this workspace, and "
        "no other run has its weights. Bring it here, or name another run with --run."
    )


def _weights(run: RunInfo) -> str | None:
    """Return the sha256 of a run's weights as its engine names it; None where it has no readable engine."""
    try:
        digest = read_json(run.artifacts / FOLDER / "engine.json")["sha256"]["model.bin"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return str(digest)


def _slice(workspace: Workspace, bundle: Bundle, input: Path | None) -> tuple[SliceImage, str]:
    """Return the slice of a bundle and where it came from."""
    wanted = bundle.record.slice
    if input is not None:
        image, place = read_slice(input, frame=wanted.frame), "the given file"
    elif bundle.image is not None:
        image, place = bundle.image, "the bundle"
    else:
        image, place = _indexed(workspace, wanted.content_hash)
    found = content_hash(image.image)
    if found != wanted.content_hash:
        raise ReproduceError(
            f"The slice from {place} is not the one that was answered: its pixels have the hash "
            f"{found[:12]}, those of the bundle's slice {wanted.content_hash[:12]}."
        )
    return image, place


def _indexed(workspace: Workspace, wanted: str) -> tuple[SliceImage, str]:
    for info in list_datasets(workspace):
        rows = pd.read_parquet(
            index_file(workspace, info.name),
            columns=["path", "frame", "content_hash"],
            filters=[("content_hash", "==", wanted)],
        )
        if len(rows):
            return load_slice(workspace, info.name, rows.iloc[0]), f"the data set {info.name}"
    raise ReproduceError(
        f"The bundle holds no pixels, and no data set here has its slice (hash {wanted[:12]}). Name the "
        "slice's file with --input."
    )
