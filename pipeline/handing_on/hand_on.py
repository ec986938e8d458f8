"""Answers as files, one slice after the other: bundles, pages, DICOM."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pipeline.data.identity import read_identity
from pipeline.data.inputs import InputSlice
from pipeline.data.slice_image import SliceError
from pipeline.handing_on.bundle import bundle_bytes, make_bundle
from pipeline.handing_on.dicom import make_dicom
from pipeline.handing_on.sheet import sheet_pdf, sheet_png
from pipeline.handing_on.study import NoStudyError
from pipeline.inference.map_report import report_map
from pipeline.inference.predict import answer_inputs
from pipeline.inference.prediction import Prediction
from pipeline.jobs import Progress, no_progress
from pipeline.notice import NOTICE
from pipeline.runs import RunInfo, RunStore
from pipeline.workspace import Workspace, atomic_write_bytes


@dataclass(frozen=True)
class Wanted:
    """Which files, and into which folders they go; None is none of that kind.

    Attributes:
        pixels: whether bundles hold the slice's pixels, which may identify the patient.
        keep_identifiers: whether DICOM files name the patient and study of the slice's own file.
        check_maps: whether it is found out how far each answer's map can be trusted; seconds a slice.
    """

    bundles: Path | None = None
    pdfs: Path | None = None
    pngs: Path | None = None
    dicoms: Path | None = None
    pixels: bool = False
    keep_identifiers: bool = False
    check_maps: bool = False


def hand_on(
    workspace: Workspace,
    run: str,
    inputs: Sequence[Path],
    wanted: Wanted,
    *,
    tta: int = 1,
    ensemble: Sequence[str] = (),
    progress: Progress = no_progress,
) -> Iterator[dict[str, Any]]:
    """Answer slices and write what is wanted of each; yield a line a slice, in the order of the inputs.

    What cannot be read, and a slice whose identifiers are to be kept and has none, is a line with status
    `error`. A refused slice has a bundle and a page that says why, and no DICOM.

    Args:
        tta, ensemble: what answers are averaged over, see `predict_inputs`.

    Raises:
        RunNotFoundError, EngineMissingError, EngineDamagedError, RecipeGoneError: there is nothing to ask.
        AveragingError: views or runs that cannot be averaged.
    """
    found = RunStore(workspace).find(run)
    answers = answer_inputs(workspace, found, inputs, tta=tta, ensemble=ensemble, progress=progress)
    for each, answer in answers:
        line: dict[str, Any] = {"input": each.shown, "frame": each.frame, "files": {}, "notice": NOTICE}
        try:
            if isinstance(answer, SliceError):
                raise answer
            files = _files(answer, found, each, wanted)
            line |= {"status": answer.status, "reason": answer.reason, "label": answer.label}
            line |= {"withheld": answer.withheld, "synthetic": answer.synthetic}
            line["files"] = {kind: _written(*file) for kind, file in files.items()}
        except (SliceError, NoStudyError) as error:
            line |= {"status": "error", "reason": str(error), "label": None}
        yield line


def _files(
    answer: Prediction, run: RunInfo, source: InputSlice, wanted: Wanted
) -> dict[str, tuple[Path, bytes]]:
    """Return where each file goes and what it holds; all of a slice's are made before one is written."""
    made, stem = datetime.now().astimezone(), source.stem
    card = report_map(answer) if wanted.check_maps else None
    files = {}
    if wanted.bundles is not None:
        data = bundle_bytes(make_bundle(answer, run, pixels=wanted.pixels, card=card))
        files["bundle"] = wanted.bundles / f"{stem}.zip", data
    if wanted.pdfs is not None:
        files["pdf"] = wanted.pdfs / f"{stem}.pdf", sheet_pdf(answer, run, made=made, card=card)
    if wanted.pngs is not None:
        files["png"] = wanted.pngs / f"{stem}.png", sheet_png(answer, run, made=made, card=card)
    if wanted.dicoms is not None and answer.status == "ok":
        identity = read_identity(source.path) if wanted.keep_identifiers else None
        dicom = make_dicom(answer, run, made=made, identity=identity, card=card)
        files["capture"] = wanted.dicoms / f"{stem}-map.dcm", dicom.capture
        files["report"] = wanted.dicoms / f"{stem}-report.dcm", dicom.report
    return files


def _written(path: Path, data: bytes) -> str:
    atomic_write_bytes(path, data)
    return str(path)
