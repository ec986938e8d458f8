"""A folder as large as HUST-19 and named as it is: 19,685 slices, `pCT/pCT921.jpg`, of 104 patients.

    python -m tests.benchmarks.hust19 FOLDER [--slices 19685] [--format jpg|png|dcm]

Phantoms, drawn once at a few levels; each patient is one of them, of another size and place and with other
noise, and a patient's neighbouring slices fade into one another, as in a scan. So every file differs, they
compress as CT does, and it takes about a minute.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.data.phantom import PhantomSlice, generate_patient
from pipeline.data.phantom.dicom_series import encode_dicom
from pipeline.data.statistics import display_grey

SLICES = 19_685
BY_CLASS = {"NiCT": 5705, "pCT": 4001, "nCT": 9979}
PATIENTS = {"pCT": 61, "nCT": 43}
PHANTOMS, LEVELS = 16, 7
JPEG_QUALITY = 90
_NOISE_HU = 25.0
_PROCESSES = 2
_Stack = list[NDArray[np.int16]]


@dataclass(frozen=True)
class _Planned:
    """One slice: whose, at which height between the first (0) and the last (1) of a scan, and its file."""

    patient: int
    height: float
    path: Path


def write_hust19(folder: Path, *, slices: int = SLICES, format: str = "jpg", seed: int = 0) -> list[Path]:
    """Write so many slices in three class folders; return their paths.

    Args:
        slices: of all classes, in HUST-19's shares.
        format: jpg, png, or dcm (uncompressed).
        seed: another one gives other patients.
    """
    planned = sorted(_plan(folder, slices, format), key=lambda each: each.patient % PHANTOMS)
    for name in BY_CLASS:
        (folder / name).mkdir(parents=True, exist_ok=True)
    by_phantom = [
        list(group) for _, group in itertools.groupby(planned, lambda each: each.patient % PHANTOMS)
    ]
    with ProcessPoolExecutor(_PROCESSES, mp_context=get_context("spawn")) as pool:
        list(pool.map(_write_slices, by_phantom, itertools.repeat(seed)))
    return [each.path for each in planned]


def _plan(folder: Path, slices: int, format: str) -> Iterator[_Planned]:
    """Deal each class's slices to its patients, neighbours together; what shows no lung is at both ends."""
    positives, everyone = range(PATIENTS["pCT"]), range(sum(PATIENTS.values()))
    owners = {"NiCT": everyone, "pCT": positives, "nCT": range(len(positives), len(everyone))}
    for name, whole in BY_CLASS.items():
        count = max(1, round(whole * slices / SLICES))
        shares = np.array_split(np.arange(count), len(owners[name]))
        for patient, numbers in zip(owners[name], shares, strict=True):
            at = np.linspace(0, 1, len(numbers) + 2)[1:-1]
            heights = np.where(at < 0.5, 0.3 * at, 1 - 0.3 * (1 - at)) if name == "NiCT" else 0.2 + 0.6 * at
            for number, height in zip(numbers.tolist(), heights.tolist(), strict=True):
                yield _Planned(patient, height, folder / name / f"{name}{number + 1}.{format}")


def _write_slices(planned: list[_Planned], seed: int) -> None:
    cv2.setNumThreads(1)
    drawn = generate_patient(1000 * seed + planned[0].patient % PHANTOMS, slices=LEVELS)
    stack = [slice_.slice_hu.astype(np.int16) for slice_ in drawn]
    rng = np.random.default_rng([seed, planned[0].patient])
    white = rng.normal(0, 1, (1024, 1024)).astype(np.float32)
    noise = cv2.GaussianBlur(white, (0, 0), 0.8)
    noise = (noise * (_NOISE_HU / noise.std())).astype(np.int16)
    for instance, each in enumerate(planned, start=1):
        image = _slice_hu(stack, noise, each, seed)
        each.path.write_bytes(_encode(image, drawn[0], each, instance))


def _slice_hu(stack: _Stack, noise: NDArray[np.int16], planned: _Planned, seed: int) -> NDArray[np.int16]:
    """Return the slice in HU: between two levels, in the patient's place and size, with noise of its own."""
    body = np.random.default_rng([seed, planned.patient, 1])
    angle, scale = body.uniform(-4, 4), body.uniform(0.86, 1.06)
    turned = cv2.getRotationMatrix2D((256, 256), angle, scale)
    turned[0, :2] *= body.uniform(0.92, 1.06)
    turned[:, 2] += body.uniform(-14, 14, 2)
    lower, share = divmod(planned.height * (len(stack) - 1), 1)
    below, above = stack[int(lower)], stack[min(int(lower) + 1, len(stack) - 1)]
    image = cv2.addWeighted(below, 1 - share, above, share, 0)
    image = cv2.warpAffine(image, turned, (512, 512), borderMode=cv2.BORDER_CONSTANT, borderValue=-1000)
    row, column = np.random.default_rng([seed, planned.patient, round(1e6 * planned.height)]).integers(
        0, 512, 2
    )
    return np.asarray(image + noise[row : row + 512, column : column + 512], np.int16)


def _encode(image: NDArray[np.int16], drawn: PhantomSlice, planned: _Planned, instance: int) -> bytes:
    suffix = planned.path.suffix
    if suffix == ".dcm":
        name = f"patient-{planned.patient:03d}"
        place = round(400 * planned.height, 2)
        slice_hu = image.astype(np.float32)
        own = replace(drawn, slice_hu=slice_hu, patient_id=name, slice_location=place)
        return encode_dicom(own, instance=instance)
    options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if suffix == ".jpg" else []
    grey = display_grey(image.astype(np.float32), intensity="hu")
    return bytes(cv2.imencode(suffix, grey, options)[1].tobytes())


def main() -> None:
    """Write the folder that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--slices", type=int, default=SLICES)
    parser.add_argument("--format", choices=("jpg", "png", "dcm"), default="jpg")
    asked = parser.parse_args()
    print(len(write_hust19(asked.folder, slices=asked.slices, format=asked.format)))


if __name__ == "__main__":
    main()
