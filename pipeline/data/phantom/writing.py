"""Phantoms as a data set on disk: class folders named as HUST-19's, a labels CSV, masks, DICOM series.

pCT/pCT1.png ...   nCT/   NiCT/     8-bit slices, window 1500 / -600
dicom/PH002000/IM0001.dcm ...       a few patients in HU
masks/lungs/..., masks/lesions/...  0 / 255, at the slice's path (not indexed: .hilum-ignore)
labels.csv                          path,label,patient_id,source and what else is known
synthetic.json                      says what this is, and which generator made it
"""

from __future__ import annotations

import csv
import io
import json
import multiprocessing
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.data.phantom.dicom_series import encode_dicom
from pipeline.data.phantom.patient import PhantomSlice, generate_patient
from pipeline.data.phantom.version import GENERATOR_VERSION, SYNTHETIC_NOTICE, generator_hash
from pipeline.errors import HilumError
from pipeline.jobs import Progress, no_progress
from pipeline.workspace import read_json

WINDOW_CENTER, WINDOW_WIDTH = -600.0, 1500.0
MARKER = "synthetic.json"
CLASS_FOLDERS = {"positive": "pCT", "negative": "nCT", "non-informative": "NiCT"}
COLUMNS = (
    "path", "label", "patient_id", "source", "region", "lesion_size", "lesion_area_mm2", "touches_pleura",
    "finding", "posture", "level",
)  # fmt: skip
_REGIONS = (
    (0.09, "neck"), (0.20, "apices"), (0.32, "aortic arch"), (0.45, "hila"), (0.68, "heart"), (0.93, "bases"),
)  # fmt: skip
_IN_PROCESS = 6  # patients below which starting further processes costs more than it saves
_README = f"""# Phantoms

Computed chest slices with known lung and lesion masks: {SYNTHETIC_NOTICE}. No person was scanned.
"""


class PhantomFolderError(HilumError):
    """The folder for the phantoms holds something else."""


@dataclass(frozen=True)
class WrittenPhantoms:
    """What `write_phantoms` left on the disk."""

    folder: Path
    patients: int
    slices: int

    @property
    def labels_csv(self) -> Path:
        """The labels of every slice, paths relative to `folder`."""
        return self.folder / "labels.csv"


@dataclass(frozen=True)
class _EncodedSlice:
    row: dict[str, str]
    image: bytes
    lungs: bytes
    lesions: bytes
    patient_id: str


def to_grey(slice_hu: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return HU as 8 bits in the lung window 1500 / -600."""
    scaled = (slice_hu - (WINDOW_CENTER - WINDOW_WIDTH / 2)) * (255 / WINDOW_WIDTH)
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def write_phantoms(
    folder: Path,
    *,
    seeds: Sequence[int],
    slices: int = 10,
    dicom_patients: int = 0,
    masks: bool = True,
    processes: int | None = None,
    progress: Progress = no_progress,
) -> WrittenPhantoms:
    """Write the patients of `seeds` to `folder`, whole or not at all. What is there is not made again.

    Args:
        folder: is made; may exist only as phantoms of an earlier call.
        seeds: one a patient.
        slices: levels a patient.
        dicom_patients: the last so many patients are written as DICOM series in HU, the others as PNG.
        masks: write the lungs' and lesions' masks too.
        processes: how many to use; None chooses.
        progress: told after each patient.

    Raises:
        PhantomFolderError: `folder` holds something that is no phantoms.
    """
    description = describe_phantoms(seeds, slices=slices, dicom_patients=dicom_patients, masks=masks)
    if folder.exists():
        found = _description_of(folder)
        if found == description:
            return WrittenPhantoms(folder, len(seeds), len(seeds) * slices)
        if found is None:
            raise PhantomFolderError(
                f"{folder} holds something else than phantoms. Name a folder that does not exist yet."
            )
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    try:
        _write_all(partial, seeds, slices, dicom_patients, masks, processes, progress)
        (partial / "README.md").write_text(_README, encoding="utf-8")
        (partial / MARKER).write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")
        partial.chmod(0o755)
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return WrittenPhantoms(folder, len(seeds), len(seeds) * slices)


def describe_phantoms(
    seeds: Sequence[int], *, slices: int, dicom_patients: int, masks: bool
) -> dict[str, Any]:
    """Return what `synthetic.json` says of such a data set."""
    return {
        "synthetic": True,
        "notice": SYNTHETIC_NOTICE,
        "generator_version": GENERATOR_VERSION,
        "generator_hash": generator_hash(),
        "seeds": list(seeds),
        "slices_per_patient": slices,
        "dicom_patients": dicom_patients,
        "masks": masks,
    }


def _description_of(folder: Path) -> dict[str, Any] | None:
    try:
        description = read_json(folder / MARKER)
    except (OSError, ValueError):
        return None
    return description if isinstance(description, dict) and description.get("synthetic") is True else None


def _write_all(
    folder: Path,
    seeds: Sequence[int],
    slices: int,
    dicom_patients: int,
    masks: bool,
    processes: int | None,
    progress: Progress,
) -> None:
    for name in CLASS_FOLDERS.values():
        (folder / name).mkdir()
    if masks:
        (folder / "masks").mkdir()
        (folder / "masks" / ".hilum-ignore").touch()
    numbers = dict.fromkeys(CLASS_FOLDERS, 0)
    rows = []
    progress(0, len(seeds), "Drawing synthetic patients")
    first_dicom = len(seeds) - dicom_patients
    jobs = [(seed, slices, index >= first_dicom, masks) for index, seed in enumerate(seeds)]
    with _workers(processes, len(seeds)) as executor:
        patients = executor.map(_encode_patient, jobs) if executor else map(_encode_patient, jobs)
        for done, encoded in enumerate(patients, start=1):
            for number, item in enumerate(encoded, start=1):
                if done > first_dicom:
                    path = f"dicom/{item.patient_id}/IM{number:04d}.dcm"
                else:
                    label = item.row["label"]
                    numbers[label] += 1
                    path = f"{CLASS_FOLDERS[label]}/{CLASS_FOLDERS[label]}{numbers[label]}.png"
                _write_slice(folder, path, item, masks=masks)
                rows.append({"path": path} | item.row)
            progress(done, len(seeds), "Drawing synthetic patients")
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    (folder / "labels.csv").write_text(text.getvalue(), encoding="utf-8")


@contextmanager
def _workers(processes: int | None, patients: int) -> Iterator[Executor | None]:
    count = processes or (1 if patients < _IN_PROCESS else min(4, os.cpu_count() or 1))
    if count == 1:
        yield None
        return
    # Spawned: a forked child of a process with threads may hang.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        count, mp_context=context, initializer=cv2.setNumThreads, initargs=(1,)
    ) as executor:
        try:
            yield executor
        finally:
            executor.shutdown(wait=True, cancel_futures=True)


def _write_slice(folder: Path, path: str, item: _EncodedSlice, *, masks: bool) -> None:
    files = {folder / path: item.image}
    if masks:
        name = Path(path).with_suffix(".png")
        masks_folder = folder / "masks"
        files |= {masks_folder / "lungs" / name: item.lungs, masks_folder / "lesions" / name: item.lesions}
    for target, content in files.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def _encode_patient(job: tuple[int, int, bool, bool]) -> list[_EncodedSlice]:
    """Draw and encode one patient; runs in a worker."""
    seed, slices, as_dicom, masks = job
    encoded = []
    for number, phantom in enumerate(generate_patient(seed, slices=slices), start=1):
        image = encode_dicom(phantom, instance=number) if as_dicom else _png(to_grey(phantom.slice_hu))
        lungs = _png(phantom.lung_mask.astype(np.uint8) * 255) if masks else b""
        lesions = _png(phantom.lesion_mask.astype(np.uint8) * 255) if masks else b""
        encoded.append(_EncodedSlice(_row(phantom), image, lungs, lesions, phantom.patient_id))
    return encoded


def _row(phantom: PhantomSlice) -> dict[str, str]:
    return {
        "label": phantom.label,
        "patient_id": phantom.patient_id,
        "source": phantom.traits.scanner.source,
        "region": next((name for below, name in _REGIONS if phantom.level < below), "abdomen"),
        "lesion_size": phantom.lesion_size,
        "lesion_area_mm2": f"{phantom.lesion_area_mm2:.0f}",
        "touches_pleura": "yes" if phantom.touches_pleura else "no",
        "finding": "+".join(sorted(phantom.findings)) or "none",
        "posture": "prone" if phantom.traits.is_prone else "supine",
        "level": f"{phantom.level:.3f}",
    }


def _png(image: NDArray[np.uint8]) -> bytes:
    written, buffer = cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, 3])
    if not written:
        raise PhantomFolderError("A slice could not be encoded as PNG: is OpenCV installed whole?")
    return buffer.tobytes()
