"""One answer in one file: a ZIP archive of JSON and plain arrays, the same bytes whenever it is made again.

    answer.json   the record (see `record`), with shape, type and digest of the arrays
    heatmap.npy   float32 (classes, h, w): each class's map, signed, logit margin a cell
    slice.npy     the slice's pixels, HU or grey: only where they were asked for, since they may identify

`bundle_reading` reads it.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.data.slice_image import DicomHeader, SliceImage
from pipeline.explanation.report_card import ReportCard
from pipeline.handing_on.record import ArrayFacts, Record, make_record
from pipeline.inference.prediction import Prediction
from pipeline.runs import RunInfo
from pipeline.workspace import atomic_write_bytes

RECORD, HEATMAP, SLICE = "answer.json", "heatmap.npy", "slice.npy"
_NEVER = (1980, 1, 1, 0, 0, 0)  # a member's time: the earliest that ZIP can write


@dataclass(frozen=True, eq=False)
class Bundle:
    """An answer as it was handed on.

    Attributes:
        heatmap: float32 (classes, h, w).
        pixels: (rows, columns), the slice's; None where they were not handed on.
    """

    record: Record
    heatmap: np.ndarray
    pixels: np.ndarray | None = None

    @property
    def image(self) -> SliceImage | None:
        """The slice, where its pixels were handed on."""
        if self.pixels is None:
            return None
        facts = self.record.slice
        return SliceImage(
            self.pixels.astype(np.float32) if facts.intensity == "hu" else self.pixels,
            facts.intensity,
            facts.format,
            facts.bit_depth,
            frame=facts.frame,
            header=DicomHeader(modality=facts.modality, pixel_spacing=facts.pixel_spacing),
            color_share=facts.color_share,
        )


def make_bundle(
    prediction: Prediction,
    run: RunInfo,
    *,
    pixels: bool = False,
    card: ReportCard | None = None,
    label: str | None = None,
) -> Bundle:
    """Return an answer of `run` as a bundle.

    Args:
        pixels: whether the slice's pixels go along: they may identify the patient.
        card, label: how far whose map can be trusted, see `make_record`.
    """
    image = prediction.image.image
    if prediction.image.intensity == "hu":
        with np.errstate(invalid="ignore"):  # what does not fit is seen by the comparison
            whole = image.astype("<i2")
        image = whole if np.array_equal(whole, image) else image.astype("<f4")
    record = make_record(prediction, run, card=card, label=label)
    return Bundle(record, class_maps(prediction), np.ascontiguousarray(image) if pixels else None)


def class_maps(prediction: Prediction) -> np.ndarray:
    """Return the map of each class in the order of the outputs, float32 (classes, h, w)."""
    maps = [prediction.heatmap_of(label).values for label in prediction.engine.classes]
    return np.stack(maps).astype("<f4")


def write_bundle(path: Path, bundle: Bundle) -> None:
    """Write a bundle, whole or not at all."""
    atomic_write_bytes(path, bundle_bytes(bundle))


def bundle_bytes(bundle: Bundle) -> bytes:
    """Return a bundle as a file's bytes: the same ones for the same answer."""
    arrays = {HEATMAP: bundle.heatmap} | ({SLICE: bundle.pixels} if bundle.pixels is not None else {})
    files = {name: _npy(array) for name, array in arrays.items()}
    facts = {name: _array_facts(arrays[name], data) for name, data in files.items()}
    record = bundle.record.model_copy(update={"arrays": facts})
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in {RECORD: record.model_dump_json(indent=2).encode(), **files}.items():
            info = zipfile.ZipInfo(name, _NEVER)
            info.compress_type, info.create_system, info.external_attr = zipfile.ZIP_DEFLATED, 3, 0o644 << 16
            archive.writestr(info, data)
    return written.getvalue()


def _array_facts(array: np.ndarray, data: bytes) -> ArrayFacts:
    return ArrayFacts(
        shape=list(array.shape),
        dtype=array.dtype.str,
        sha256=hashlib.sha256(data).hexdigest(),
    )


def _npy(array: np.ndarray) -> bytes:
    written = io.BytesIO()
    np.lib.format.write_array(written, array, version=(1, 0), allow_pickle=False)
    return written.getvalue()
