"""Bad input made and given: files that are no slices, a process without rights or room, what it must say."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from pipeline.workspace import Workspace

ROOT = Path(__file__).resolve().parents[2]


class Answer(NamedTuple):
    """What a verb printed."""

    out: str
    err: str


class Place(NamedTuple):
    """The shared workspace, and a folder of bad input beside it."""

    workspace: Workspace
    bad: Path


def chest(seed: int) -> np.ndarray:
    """Return a picture with a body and two lungs that no other seed gives."""
    rng = np.random.default_rng(seed)
    image = np.zeros((96, 96))
    cv2.ellipse(image, (48, 48), (42, int(rng.integers(26, 40))), 0, 0, 360, 170.0, -1)
    for column in rng.integers((22, 58), (38, 74)):
        cv2.ellipse(image, (int(column), 48), tuple(rng.integers(7, 18, 2).tolist()), 0, 0, 360, 40.0, -1)
    coarse = cv2.resize(rng.normal(0, 45, (12, 12)), (96, 96))
    return np.clip(image + coarse * (image > 0), 0, 255).astype(np.uint8)


def write_classes(folder: Path, counts: dict[str, int]) -> Path:
    """Write a folder of slices, one folder a class."""
    seed = 0
    for label, count in counts.items():
        (folder / label).mkdir(parents=True)
        for number in range(count):
            seed += 1
            cv2.imwrite(str(folder / label / f"{label}{number}.png"), chest(seed))
    return folder


def write_bad_files(folder: Path) -> None:
    """Write the four files that are no slices: cut off, tiny, without pixels, and a photograph."""
    folder.mkdir()
    (folder / "corrupt.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 20)
    cv2.imwrite(str(folder / "tiny.png"), np.full((1, 1), 7, np.uint8))
    photo = np.random.default_rng(0).integers(0, 255, (300, 400, 3), dtype=np.uint8)
    cv2.imwrite(str(folder / "photo.png"), photo)
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid()
    report = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    report.SOPClassUID, report.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    report.save_as(folder / "no-pixels.dcm", enforce_file_format=True)


def says(pattern: str, text: str) -> bool:
    """Whether `pattern` is in `text`, over the ends of lines."""
    return re.search(pattern, text, re.DOTALL) is not None


def confined(
    *words: object, workspace: Path, most_kib: int | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a verb as one who may not write where permissions forbid it, no file growing past `most_kib`."""
    command = [sys.executable, "-m", "pipeline", "--workspace", str(workspace), *map(str, words)]
    if os.geteuid() == 0:
        command = ["setpriv", "--bounding-set=-dac_override", *command]

    def limit() -> None:
        import resource

        if most_kib is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most_kib * 1024, most_kib * 1024))

    return subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, preexec_fn=limit, check=False, timeout=300
    )


needs_limits = pytest.mark.skipif(
    sys.platform != "linux" or (os.geteuid() == 0 and shutil.which("setpriv") is None),
    reason="permissions bind no administrator here",
)
