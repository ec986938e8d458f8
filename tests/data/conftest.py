"""Small folders of slices that are easy to see through."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid


def picture(seed: int, *, size: int = 64) -> np.ndarray:
    """A smooth grey picture that no other seed resembles."""
    noise = np.random.default_rng(seed).normal(size=(8, 8)).astype(np.float32)
    smooth = cv2.resize(noise, (size, size), interpolation=cv2.INTER_CUBIC)
    return cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


def write_picture(path: Path, image: np.ndarray, *options: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image, list(options))
    return path


@pytest.fixture(name="picture")
def picture_fixture() -> Callable[..., np.ndarray]:
    return picture


@pytest.fixture(name="write_picture")
def write_picture_fixture() -> Callable[..., Path]:
    return write_picture


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three class folders of 4, 3 and 2 slices."""
    root = tmp_path / "slices"
    for seed, (name, number) in enumerate(
        [("pCT", 1), ("pCT", 2), ("pCT", 3), ("pCT", 4), ("nCT", 1), ("nCT", 2), ("nCT", 3), ("NiCT", 1)]
    ):
        write_picture(root / name / f"{name}{number}.png", picture(seed))
    write_picture(root / "NiCT" / "NiCT2.jpg", picture(100))
    return root


@pytest.fixture
def write_dicom(tmp_path: Path) -> Callable[..., Path]:
    """Write a CT slice whose stored values are 0..(rows * columns - 1); keywords replace elements."""

    def write(name: str = "slice.dcm", *, stored: np.ndarray | None = None, **elements: Any) -> Path:
        values = np.arange(32 * 32, dtype=np.int16).reshape(32, 32) if stored is None else stored
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = CTImageStorage
        meta.MediaStorageSOPInstanceUID = generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset = FileDataset(name, {}, file_meta=meta, preamble=b"\0" * 128)
        dataset.SOPClassUID = CTImageStorage
        dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
        dataset.Modality = "CT"
        dataset.PatientID = "MRN-00042"
        dataset.PatientName = "Doe^Jane"
        dataset.PatientBirthDate = "19700102"
        dataset.StudyInstanceUID = "1.2.3.4"
        dataset.SeriesInstanceUID = "1.2.3.4.5"
        dataset.ImagePositionPatient = [0, 0, -12.5]
        dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        dataset.PixelSpacing = [0.5, 0.5]
        dataset.ConvolutionKernel = "B60f"
        dataset.RescaleSlope, dataset.RescaleIntercept = 1, -1024
        dataset.Rows, dataset.Columns = values.shape[-2:]
        dataset.SamplesPerPixel = 1
        dataset.PhotometricInterpretation = "MONOCHROME2"
        dataset.BitsAllocated = dataset.BitsStored = 8 * values.dtype.itemsize
        dataset.HighBit = dataset.BitsStored - 1
        dataset.PixelRepresentation = int(values.dtype.kind == "i")
        if values.ndim == 3:
            dataset.NumberOfFrames = len(values)
        dataset.PixelData = values.tobytes()
        for keyword, value in elements.items():
            if value is None:
                delattr(dataset, keyword)
            else:
                setattr(dataset, keyword, value)
        path = tmp_path / "dicom" / name
        path.parent.mkdir(exist_ok=True)
        pydicom.dcmwrite(path, dataset, enforce_file_format=True)
        return path

    return write
