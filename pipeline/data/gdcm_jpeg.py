"""Lossy JPEG with 12 bits, which GDCM decodes and pydicom does not hand to it.

pydicom knows the extended process only with 8 bits, and not at all the retired spectral selection and full
progression. GDCM's three JPEG libraries (8, 12 and 16 bits) read them all.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.encaps import get_frame
from pydicom.uid import UID

from pipeline.data.slice_image import SliceError

_EXTENDED = "1.2.840.10008.1.2.4.51"  # process 2 and 4
_RETIRED = frozenset({"1.2.840.10008.1.2.4.53", "1.2.840.10008.1.2.4.55"})  # 6 and 8; 10 and 12


def by_gdcm_alone(dataset: Dataset, syntax: UID) -> bool:
    """Return whether pydicom would refuse a grey picture of this syntax that GDCM reads."""
    bits, samples = int(dataset.get("BitsStored") or 0), int(dataset.get("SamplesPerPixel") or 1)
    return samples == 1 and (syntax in _RETIRED or (syntax == _EXTENDED and bits != 8))


def decode_by_gdcm(dataset: Dataset, syntax: UID, *, frame: int, frames: int) -> NDArray[Any]:
    """Decode one frame to (rows, columns) of the stored type.

    Raises:
        SliceError: `corrupt` or `too-large`.
    """
    try:
        encoded = get_frame(dataset.PixelData, frame, number_of_frames=frames)
        bits, signed = int(dataset.BitsAllocated), bool(dataset.get("PixelRepresentation"))
        rows, columns = int(dataset.Rows), int(dataset.Columns)
        decoded = _decode(encoded, dataset, syntax, bits=bits, signed=signed)
        dtype = np.dtype(f"<{'i' if signed else 'u'}{bits // 8}")
        return np.frombuffer(decoded, dtype, rows * columns).reshape(rows, columns)
    except MemoryError as error:
        raise SliceError("too-large", "Decoding it takes more memory than one file may.") from error
    except Exception as error:  # of a damaged stream GDCM's wrapper raises nearly anything
        raise SliceError("corrupt", f"Its pixels could not be decoded ({type(error).__name__}).") from error


def _decode(encoded: bytes, dataset: Dataset, syntax: UID, *, bits: int, signed: bool) -> bytes:
    import gdcm

    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(encoded)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((int(dataset.Columns), int(dataset.Rows), 1))
    image.SetDataElement(element)
    kind = gdcm.PhotometricInterpretation.GetPIType(str(dataset.PhotometricInterpretation))
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(kind))
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(str(syntax))))
    stored = int(dataset.BitsStored)
    image.SetPixelFormat(gdcm.PixelFormat(1, bits, stored, stored - 1, int(signed)))
    return bytes(image.GetBuffer().encode("utf-8", "surrogateescape"))  # SWIG gives char* as str
