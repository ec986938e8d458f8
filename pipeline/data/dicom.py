"""Reading DICOM: header facts, frames, Hounsfield units.

Runs inside the sandbox's worker (`sandbox.py`) for every file from outside: pydicom hangs on some 76-byte
files, and a deflated file of 500 KB can hold 500 MB.
"""

from __future__ import annotations

import io
import math
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.filereader import _read_file_meta_info
from pydicom.multival import MultiValue
from pydicom.pixels import get_decoder
from pydicom.tag import Tag
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian

from pipeline.data.colour import colored_share, grey_of_color, notes_on_color
from pipeline.data.gdcm_jpeg import by_gdcm_alone, decode_by_gdcm
from pipeline.data.pseudonyms import pseudonym
from pipeline.data.slice_image import (
    MAX_DICOM_BYTES,
    MAX_FRAMES,
    DicomHeader,
    SliceError,
    SliceImage,
    check_size,
    stored_range_to_grey,
)

AIR_HU = -1024.0
MAX_INFLATED_BYTES = 256 * 2**20
_CT_CLASSES = frozenset(
    {
        "1.2.840.10008.5.1.4.1.1.2",  # CT Image Storage
        "1.2.840.10008.5.1.4.1.1.2.1",  # Enhanced CT
        "1.2.840.10008.5.1.4.1.1.2.2",  # Legacy Converted Enhanced CT
    }
)
_DEFLATED = str(DeflatedExplicitVRLittleEndian).encode()
_READ_WHOLE = 8 * 2**20  # bytes of a file that are read at once, not element by element
_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")


@dataclass(frozen=True)
class DicomFile:
    """An opened file: its data set and the number of frames it claims."""

    dataset: Dataset
    frames: int
    syntax: UID


_PER_FRAME, _SHARED = Tag("PerFrameFunctionalGroupsSequence"), Tag("SharedFunctionalGroupsSequence")


def open_dicom(source: Path | bytes) -> DicomFile:
    """Parse a DICOM file and check what it claims, without decoding a pixel.

    Raises:
        SliceError: `corrupt`, `no-pixels`, `too-large`, `too-small`, `transfer-syntax`.
    """
    size = len(source) if isinstance(source, bytes) else source.stat().st_size
    if size > MAX_DICOM_BYTES:
        raise SliceError(
            "too-large", f"It has {size / 2**20:.0f} MiB; DICOM files of up to 512 MiB are read."
        )
    try:
        if size <= _READ_WHOLE and not isinstance(source, bytes):
            source = source.read_bytes()
        _check_inflation(source)
        dataset = pydicom.dcmread(_opened(source), force=True)
        syntax = UID(str(dataset.file_meta.get("TransferSyntaxUID", "1.2.840.10008.1.2")))
        rows, columns = int(dataset.get("Rows") or 0), int(dataset.get("Columns") or 0)
        frames = int(dataset.get("NumberOfFrames") or 1)
    except SliceError:
        raise
    except MemoryError as error:
        raise SliceError("too-large", "Reading it takes more memory than one file may.") from error
    except Exception as error:  # pydicom raises nearly anything on a damaged file
        raise SliceError("corrupt", f"The DICOM header is damaged ({type(error).__name__}).") from error
    if not any(keyword in dataset for keyword in _PIXELS):
        kind = _text(dataset, "SOPClassUID")
        known = kind is not None and UID(kind).name != kind
        name = UID(kind).name if known else "of unknown kind"
        raise SliceError("no-pixels", f"This DICOM file ({name}) holds no pixels.")
    check_size(rows, columns)
    if not 1 <= frames <= MAX_FRAMES:
        raise SliceError("too-large", f"It claims {frames} frames; 1 to {MAX_FRAMES} are read.")
    _prepare(dataset, syntax)
    return DicomFile(dataset, frames, syntax)


def decode_frame(file: DicomFile, *, frame: int = 0, key: bytes | None = None) -> SliceImage:
    """Decode one frame: float32 HU for CT with a rescale, else uint8 grey.

    Values of the padding become air (HU) or black (grey). MONOCHROME1 is turned round where there is no HU.

    Raises:
        SliceError: `no-such-frame`, `transfer-syntax`, `corrupt`, `too-large`.
    """
    if not 0 <= frame < file.frames:
        raise SliceError("no-such-frame", f"It has {file.frames} frame(s); frame {frame + 1} was asked for.")
    dataset = file.dataset
    stored = _decode_pixels(file, frame)
    if stored.ndim == 3 and stored.shape[2] == 3:
        return _colour_slice(file, stored, frame, key)
    if stored.ndim != 2:
        raise SliceError(
            "corrupt", f"Its pixels have the shape {stored.shape}; rows and columns were expected."
        )
    bits = int(dataset.get("BitsStored") or dataset.get("BitsAllocated") or 16)
    padding = _padding(dataset, stored)
    slice_image = SliceImage(
        stored,
        "grey",
        "dicom",
        bits,
        frame=frame,
        frames=file.frames,
        header=read_header(dataset, frame, key),
    )
    rescale = _rescale(dataset, frame)
    if rescale is not None:
        slice_hu = _to_hu(stored, *rescale)
        if padding is not None:
            slice_hu[padding] = AIR_HU
        whole = slice_hu if slice_hu.dtype == np.int16 else None
        return replace(
            slice_image, image=slice_hu.astype(np.float32, copy=False), intensity="hu", whole_hu=whole
        )
    grey = stored_range_to_grey(stored, bit_depth=bits, ignore=padding)
    if _text(dataset, "PhotometricInterpretation") == "MONOCHROME1":
        grey = np.where(padding, 0, 255 - grey).astype(np.uint8) if padding is not None else 255 - grey
    return replace(slice_image, image=grey)


def read_header(dataset: Dataset, frame: int, key: bytes | None) -> DicomHeader:
    """Collect what Hilum keeps of the header. Names and dates are not among it."""
    position, orientation = _position(dataset, frame), _orientation(dataset, frame)
    return DicomHeader(
        slice_location=_slice_location(dataset, position, orientation),
        pixel_spacing=_pixel_spacing(dataset, frame),
        image_position=_joined(position),
        image_orientation=_joined(orientation),
        kernel=_short(dataset, "ConvolutionKernel"),
        manufacturer=_short(dataset, "Manufacturer"),
        modality=_short(dataset, "Modality"),
        window_center=_number(dataset.get("WindowCenter")),
        window_width=_number(dataset.get("WindowWidth")),
        patient_id=pseudonym(_text(dataset, "PatientID"), key=key, kind="patient"),
        study_uid=pseudonym(_text(dataset, "StudyInstanceUID"), key=key, kind="study"),
        series_uid=pseudonym(_text(dataset, "SeriesInstanceUID"), key=key, kind="series"),
    )


def _opened(source: Path | bytes) -> Any:
    return io.BytesIO(source) if isinstance(source, bytes) else source


def _check_inflation(source: Path | bytes) -> None:
    """Refuse a deflated file that would inflate beyond the limit, before pydicom inflates it whole."""
    if isinstance(source, bytes) and _DEFLATED not in source:  # no file meta could name it: not parsed twice
        return
    with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
        if file.read(132)[128:] != b"DICM":
            return
        meta = _read_file_meta_info(file)
        if meta.get("TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
            return
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        inflated, rest = 0, file.read()
        while rest and not inflater.eof:
            inflated += len(inflater.decompress(rest, 2**20))
            rest = inflater.unconsumed_tail
            if inflated > MAX_INFLATED_BYTES:
                raise SliceError("too-large", "It inflates to more than 256 MiB.")


def _prepare(dataset: Dataset, syntax: UID) -> None:
    """Fill in what careless writers leave out and decoders insist on."""
    if "TransferSyntaxUID" not in dataset.file_meta:
        dataset.file_meta.TransferSyntaxUID = syntax
    if "SamplesPerPixel" not in dataset:
        dataset.SamplesPerPixel = 1
    if "PhotometricInterpretation" not in dataset:
        dataset.PhotometricInterpretation = "MONOCHROME2"
    if "BitsStored" not in dataset and "BitsAllocated" in dataset:
        dataset.BitsStored = dataset.BitsAllocated


def _decode_pixels(file: DicomFile, frame: int) -> NDArray[Any]:
    if by_gdcm_alone(file.dataset, file.syntax):
        return decode_by_gdcm(file.dataset, file.syntax, frame=frame, frames=file.frames)
    try:
        decoder = get_decoder(file.syntax)
    except NotImplementedError as error:
        raise _unsupported(file.syntax) from error
    try:
        return np.asarray(decoder.as_array(file.dataset, index=frame)[0])
    except MemoryError as error:
        raise SliceError("too-large", "Decoding it takes more memory than one file may.") from error
    except RuntimeError as error:
        if "does not support" in str(error) or "missing dependencies" in str(error):
            raise _unsupported(file.syntax) from error
        raise SliceError(
            "corrupt", f"Its pixels ({_syntax_name(file.syntax)}) could not be decoded."
        ) from error
    except Exception as error:
        raise SliceError("corrupt", f"Its pixels could not be decoded ({type(error).__name__}).") from error


def _unsupported(syntax: UID) -> SliceError:
    return SliceError(
        "transfer-syntax",
        f"No free decoder reads its transfer syntax, {_syntax_name(syntax)}; convert it, for example with "
        "dcmdjpeg or gdcmconv --raw.",
    )


def _syntax_name(syntax: UID) -> str:
    """Return a registered syntax's name and UID. Another text in its place may be anything: it stays out."""
    return f"{syntax.name} ({syntax})" if syntax.name != str(syntax) else "one that is not registered"


def _colour_slice(file: DicomFile, stored: NDArray[Any], frame: int, key: bytes | None) -> SliceImage:
    bits = int(file.dataset.get("BitsStored") or 8)
    colour = np.ascontiguousarray(stored[..., ::-1])  # blue, green, red
    colored = colored_share(colour)
    grey, filled = grey_of_color(colour) if colored else (np.ascontiguousarray(stored[..., 0]), False)
    return SliceImage(
        stored_range_to_grey(grey, bit_depth=bits),
        "grey",
        "dicom",
        bits,
        channels=3,
        channels_equal=colored == 0,
        frame=frame,
        frames=file.frames,
        header=read_header(file.dataset, frame, key),
        notes=notes_on_color(colored, filled=filled),
        color_share=colored,
    )


def _padding(dataset: Dataset, stored: NDArray[Any]) -> NDArray[np.bool_] | None:
    """Return where the stored values are padding, None where no padding is declared or none is found."""
    first = _number(dataset.get("PixelPaddingValue"))
    if first is None:
        return None
    second = _number(dataset.get("PixelPaddingRangeLimit"))
    low, high = sorted((first, first if second is None else second))
    padding: NDArray[np.bool_] = (stored >= low) & (stored <= high)
    return padding if padding.any() else None


def _rescale(dataset: Dataset, frame: int) -> tuple[float, float] | None:
    """Return slope and intercept to Hounsfield units, None where this is no CT or has no rescale."""
    is_ct = _text(dataset, "Modality") == "CT" or _text(dataset, "SOPClassUID") in _CT_CLASSES
    item = _functional(dataset, frame, "PixelValueTransformationSequence") or dataset
    slope, intercept = _number(item.get("RescaleSlope")), _number(item.get("RescaleIntercept"))
    if not is_ct or slope is None or intercept is None or slope == 0:
        return None
    return (slope, intercept) if _text(item, "RescaleType") in (None, "HU") else None


def _to_hu(stored: NDArray[Any], slope: float, intercept: float) -> NDArray[Any]:
    """Return Hounsfield units, as int16 where that loses nothing (it seldom does), else as float32.

    Half the memory to go through for all that only measures.
    """
    if slope == 1 and intercept.is_integer() and stored.dtype.kind in "iu" and stored.dtype.itemsize <= 2:
        least, most, _, _ = cv2.minMaxLoc(stored)
        if np.iinfo(np.int16).min <= least + intercept and most + intercept <= np.iinfo(np.int16).max:
            return np.asarray(cv2.add(stored, intercept, dtype=cv2.CV_16S))
    return stored.astype(np.float32) * np.float32(slope) + np.float32(intercept)


def _slice_location(
    dataset: Dataset, position: list[float] | None, orientation: list[float] | None
) -> float | None:
    """Return the position along the slice normal in mm: the position projected, else what the header says."""
    if position is None or orientation is None:
        return _number(dataset.get("SliceLocation"))
    (a, b, c), (d, e, f) = orientation[:3], orientation[3:]
    normal = (b * f - c * e, c * d - a * f, a * e - b * d)
    return round(sum(along * at for along, at in zip(normal, position, strict=True)), 3)


def _position(dataset: Dataset, frame: int) -> list[float] | None:
    plane = _functional(dataset, frame, "PlanePositionSequence") or dataset
    return _numbers(plane.get("ImagePositionPatient"), 3)


def _orientation(dataset: Dataset, frame: int) -> list[float] | None:
    turned = _functional(dataset, frame, "PlaneOrientationSequence") or dataset
    return _numbers(turned.get("ImageOrientationPatient"), 6)


def _joined(numbers: list[float] | None) -> str | None:
    return " ".join(f"{number + 0.0:.6g}" for number in numbers) if numbers is not None else None


def _pixel_spacing(dataset: Dataset, frame: int) -> float | None:
    """Return the spacing in mm; of unequal rows and columns the one that keeps the pixel's area."""
    item = _functional(dataset, frame, "PixelMeasuresSequence") or dataset
    spacing = _numbers(item.get("PixelSpacing"), 2)
    if spacing is None or min(spacing) <= 0:
        return None
    return round(math.sqrt(spacing[0] * spacing[1]), 5)


def _functional(dataset: Dataset, frame: int, sequence: str) -> Dataset | None:
    """Return one item of the functional groups of a multi-frame file: this frame's, else the shared one."""
    if _PER_FRAME not in dataset and _SHARED not in dataset:
        return None
    per_frame = dataset.get("PerFrameFunctionalGroupsSequence") or []
    groups = [per_frame[frame]] if frame < len(per_frame) else []
    for group in [*groups, *(dataset.get("SharedFunctionalGroupsSequence") or [])]:
        items = group.get(sequence)
        if items:
            found: Dataset = items[0]
            return found
    return None


def _text(dataset: Dataset, keyword: str) -> str | None:
    value = dataset.get(keyword)
    if value is None:
        return None
    text = str(value[0] if isinstance(value, list | tuple | MultiValue) and value else value)
    return text.strip().strip("\0") or None


def _short(dataset: Dataset, keyword: str) -> str | None:
    """Return an element that is kept as it stands, cut to the length that DICOM allows it."""
    text = _text(dataset, keyword)
    return text[:64] if text is not None else None


def _number(value: Any) -> float | None:
    if isinstance(value, list | tuple | MultiValue):
        value = value[0] if value else None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _numbers(value: Any, count: int) -> list[float] | None:
    try:
        numbers = [float(item) for item in value]
    except (TypeError, ValueError):
        return None
    return numbers if len(numbers) == count and all(map(math.isfinite, numbers)) else None
