"""Small files of every format, and damaged copies of them: flips, cuts, noise, repeated and removed pieces.

Packed formats are damaged inside as well, then packed: else hardly one gets past the packing.
"""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Callable, Iterator
from functools import partial

import cv2
import nibabel
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    JPEGBaseline8Bit,
    RLELossless,
    generate_uid,
)

Pack = Callable[[bytes], bytes]


def mutate(data: bytes, generator: np.random.Generator) -> bytes:
    """Return the bytes with a flip, a cut, a run of noise, a repeated or a removed piece."""
    changed = bytearray(data)
    start, length = int(generator.integers(len(changed))), int(generator.integers(1, 64))
    kind = generator.integers(5)
    if kind == 0:
        for at in generator.integers(0, min(len(changed), 600), 4):
            changed[at] ^= int(generator.integers(1, 256))
    elif kind == 1:
        del changed[start:]
    elif kind == 2:
        changed[start : start + length] = generator.bytes(length)
    elif kind == 3:
        changed[start:start] = changed[start : start + length]
    else:
        del changed[start : start + length]
    return bytes(changed)


def make_mutants(count: int, *, seed: int = 0) -> Iterator[bytes]:
    """Yield damaged files, of each seed in turn."""
    generator = np.random.default_rng(seed)
    seeds = [*_plain(), *_packed()]
    for number in range(count):
        data, pack = seeds[number % len(seeds)]
        yield pack(mutate(data, generator))


def dicom_bytes(stored: NDArray[np.int16], *, syntax: str = ExplicitVRLittleEndian) -> bytes:
    """Return a CT slice, or one of several frames, as a DICOM file."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["mutant"])
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    dataset.Modality, dataset.PatientID = "CT", "P1"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2.3", "1.2.3.4"
    dataset.ImagePositionPatient, dataset.ImageOrientationPatient = [0, 0, 5], [1, 0, 0, 0, 1, 0]
    dataset.PixelSpacing = [0.7, 0.7]
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, -1024
    dataset.Rows, dataset.Columns = stored.shape[-2:]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 8 * stored.dtype.itemsize
    dataset.HighBit, dataset.PixelRepresentation = dataset.BitsStored - 1, int(stored.dtype.kind == "i")
    if stored.ndim == 3:
        dataset.NumberOfFrames = len(stored)
    dataset.PixelData = stored.tobytes()
    if syntax == JPEGBaseline8Bit:
        dataset.PixelData = encapsulate([cv2.imencode(".jpg", stored)[1].tobytes()])
        dataset["PixelData"].is_undefined_length = True
        meta.TransferSyntaxUID = syntax
    elif syntax == RLELossless:
        dataset.compress(RLELossless, generate_instance_uid=False)
    else:
        meta.TransferSyntaxUID = syntax
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def nifti_bytes(volume: NDArray[np.int16]) -> bytes:
    """Return a volume (right, front, head) as a NIfTI file."""
    return bytes(nibabel.Nifti1Image(volume, np.diag([0.8, 0.8, 5.0, 1.0])).to_bytes())


def zip_bytes(members: dict[str, bytes], *, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return files as a ZIP archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, compression)
    return buffer.getvalue()


def _image(side: int = 64) -> NDArray[np.uint8]:
    noise = np.random.default_rng(1).normal(size=(8, 8)).astype(np.float32)
    smooth = cv2.resize(noise, (side, side), interpolation=cv2.INTER_CUBIC)
    return np.asarray(cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX), np.uint8)


def _plain() -> list[tuple[bytes, Pack]]:
    image = _image()
    colour, deep = cv2.merge([image] * 3), image.astype(np.uint16) * 200
    pictures = [(".png", image), (".jpg", image), (".tiff", image), (".bmp", image), (".png", colour)]
    pictures += [(".jpg", colour), (".png", deep), (".tiff", deep)]
    stored = image[:32, :32].astype(np.int16) * 8
    files = [cv2.imencode(extension, picture)[1].tobytes() for extension, picture in pictures]
    files += [
        dicom_bytes(stored),
        dicom_bytes(np.stack([stored] * 2)),
        dicom_bytes(stored, syntax=RLELossless),
    ]
    files += [dicom_bytes(image, syntax=JPEGBaseline8Bit), nifti_bytes(_volume())]
    files += [gzip.compress(nifti_bytes(_volume())), _zip_of(files[0])]
    return [(data, bytes) for data in files]


def _packed() -> list[tuple[bytes, Pack]]:
    png = cv2.imencode(".png", _image())[1].tobytes()
    stored = _image()[:32, :32].astype(np.int16)
    return [
        (nifti_bytes(_volume()), partial(gzip.compress, compresslevel=1)),
        (png, _zip_of),
        (dicom_bytes(stored), _zip_of),
        (dicom_bytes(stored, syntax=DeflatedExplicitVRLittleEndian), bytes),
    ]


def _volume() -> NDArray[np.int16]:
    return np.random.default_rng(2).integers(-1000, 400, (24, 20, 3)).astype(np.int16)


def _zip_of(data: bytes) -> bytes:
    return zip_bytes({"pCT/a.png": cv2.imencode(".png", _image())[1].tobytes(), "nCT/b": data})
