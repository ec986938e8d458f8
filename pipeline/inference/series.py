"""Series of slices: told apart in what was given, predicted slice by slice, answered as one case."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.data.datasets import slice_path
from pipeline.data.inputs import InputSlice, expand_inputs
from pipeline.data.reading import read_slice
from pipeline.data.series import head_first
from pipeline.data.slice_image import SliceError
from pipeline.inference.case import SeriesSlice, judge_case
from pipeline.inference.engine import Engine
from pipeline.inference.predict import predict_slice
from pipeline.inference.prediction import Prediction, error_json
from pipeline.inference.seen import SeenSlices
from pipeline.jobs import Progress, no_progress
from pipeline.runs import RunStore
from pipeline.workspace import Workspace


@dataclass(frozen=True)
class Series:
    """Slices that belong together, from the head down.

    Attributes:
        name: for people: the folder or the file that they lie in, numbered where it holds several series.
        patient_ids: of each slice, where known better than from its header; empty where not.
    """

    name: str
    slices: tuple[InputSlice, ...]
    patient_ids: tuple[str | None, ...] = ()


def gather_series(slices: Sequence[InputSlice]) -> list[Series]:
    """Return the series among the slices of one input.

    A series is what its headers say, else the frames of one file, else the pictures of one folder. What
    cannot be read is counted to the first series in its folder.
    """
    frames = Counter(each.path for each in slices)
    groups: dict[str, list[InputSlice]] = {}
    strays = []
    for each in slices:
        if each.problem is not None:
            strays.append(each)
        elif each.series is not None or frames[each.path] > 1:
            groups.setdefault(each.series or f"file {each.path}", []).append(each)
        else:
            groups.setdefault(f"folder {each.path.parent}", []).append(each)
    for stray in strays:
        near = (key for key, members in groups.items() if members[0].path.parent == stray.path.parent)
        groups.setdefault(next(near, f"folder {stray.path.parent}"), []).append(stray)
    ordered = [_in_order(members) for members in groups.values()]
    names = [_name(members) for members in ordered]
    return [
        Series(name if names.count(name) == 1 else f"{name}, series {names[:at].count(name) + 1}", members)
        for at, (name, members) in enumerate(zip(names, ordered, strict=True))
    ]


def series_of_rows(workspace: Workspace, dataset: str, rows: pd.DataFrame) -> Series:
    """Return a data set's series, of rows of its index in anatomical order (`pipeline.data.series`)."""
    columns = ["path", "frame", "series_uid", "slice_location"]
    facts: list[dict[str, Any]] = [dict(row) for _, row in rows[columns].iterrows()]
    slices = tuple(
        InputSlice(
            slice_path(workspace, dataset, row),
            int(row["frame"]),
            series=row["series_uid"] if isinstance(row["series_uid"], str) else None,
            location=None if pd.isna(row["slice_location"]) else float(row["slice_location"]),
        )
        for row in facts
    )
    patients = tuple(value if isinstance(value, str) else None for value in rows["patient_id"])
    return Series(_name(slices), slices, patients)


def predict_series(
    engine: Engine, series: Series, *, key: bytes | None = None, seen: SeenSlices | None = None
) -> Iterator[SeriesSlice]:
    """Yield the answer for each slice of a series, in its order. What cannot be read has its line.

    Args:
        engine: the exported model.
        series: what to predict.
        key: of the pseudonyms, by which patients are told apart.
        seen: what the run was made with.
    """
    patients = series.patient_ids or (None,) * len(series.slices)
    for source, patient in zip(series.slices, patients, strict=True):
        try:
            if source.problem is not None:
                raise source.problem
            image = read_slice(source.path, frame=source.frame, key=key)
            prediction = predict_slice(engine, image, seen=seen, patient_id=patient)
        except SliceError as error:
            line = error_json(input=source.shown, reason=str(error)) | {"frame": source.frame}
            yield SeriesSlice(source, line, "unreadable", patient)
        else:
            line = prediction.to_json(input=source.shown)
            yield SeriesSlice(source, line, why_left_out(prediction), prediction.patient_id)


def predict_series_inputs(
    workspace: Workspace, run: str, inputs: Sequence[Path], *, progress: Progress = no_progress
) -> Iterator[dict[str, Any]]:
    """Yield the JSON object of each slice of each series, and after those of a series the case's own.

    Args:
        run: which model; see `predict_inputs` for what is raised.
        inputs: folders, archives, volumes and slices.
        progress: told how many slices are done.
    """
    found = RunStore(workspace).find(run)
    engine, seen = Engine.load(found), SeenSlices.load(found.artifacts)
    key = workspace.pseudonym_key()
    done, total = 0, len(inputs)
    for slices in expand_inputs(inputs):
        total += len(slices) - 1
        for series in gather_series(slices):
            answers = []
            for each in predict_series(engine, series, key=key, seen=seen):
                answers.append(each)
                yield each.answer
                done += 1
                progress(done, total, each.source.shown)
            yield judge_case(series.name, answers, synthetic=found.synthetic).to_json()


def why_left_out(prediction: Prediction) -> str:
    """Return why a slice does not count for its case, a key of `case.LEFT_OUT`; empty where it does."""
    if not prediction.gate.passed:
        return "refused"
    if prediction.status == "rejected":
        return "unlike"
    if prediction.little_lung:
        return "little-lung"
    return "non-informative" if prediction.withheld else ""


def _in_order(slices: Sequence[InputSlice]) -> tuple[InputSlice, ...]:
    """Return readable slices from the head down, and what cannot be read behind them."""
    readable = [each for each in slices if each.problem is None]
    names = [(os.fspath(each.path), each.frame) for each in readable]
    order = head_first([each.location for each in readable], names)
    return (*(readable[at] for at in order), *(each for each in slices if each.problem is not None))


def _name(slices: Sequence[InputSlice]) -> str:
    """Return what a series is called: its one file, else the folder of its first."""
    files = {each.path for each in slices}
    first = slices[0]
    shown = first.shown if len(files) == 1 else os.fspath(first.path.parent)
    return shown.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
