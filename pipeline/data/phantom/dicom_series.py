"""A phantom slice as a DICOM file, with the header that a scanner would write."""

from __future__ import annotations

import hashlib
import io

import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from pipeline.data.phantom.patient import PhantomSlice
from pipeline.data.phantom.version import GENERATOR_VERSION, SYNTHETIC_NOTICE

_INTERCEPT = -1024
_UID_ROOT = "2.25."  # UIDs made from numbers, registered to nobody (ISO/IEC 9834-8)


def encode_dicom(phantom: PhantomSlice, *, instance: int) -> bytes:
    """Return one slice as a CT Image file: 16 bits stored, rescaled to HU. No date, no person.

    Args:
        instance: the slice's number in its series, from 1.
    """
    traits = phantom.traits
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = _uid(phantom.patient_id, "instance", str(instance))
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = _uid("hilum", "implementation")
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    dataset.ImageType = ["DERIVED", "SECONDARY", "AXIAL"]
    dataset.Modality = "CT"
    dataset.Manufacturer = traits.scanner.manufacturer
    dataset.ManufacturerModelName = f"Phantom {GENERATOR_VERSION}"
    dataset.SeriesDescription = f"Phantom, {SYNTHETIC_NOTICE}"
    dataset.PatientName = f"PHANTOM^{phantom.patient_id}"
    dataset.PatientID = phantom.patient_id
    dataset.PatientSex = traits.sex
    dataset.PatientPosition = "HFP" if traits.is_prone else "HFS"
    dataset.BodyPartExamined = "CHEST"
    dataset.StudyInstanceUID = _uid(phantom.patient_id, "study")
    dataset.SeriesInstanceUID = _uid(phantom.patient_id, "series")
    dataset.FrameOfReferenceUID = _uid(phantom.patient_id, "frame")
    dataset.StudyID, dataset.SeriesNumber, dataset.InstanceNumber = "1", 1, instance
    dataset.KVP = 120
    dataset.ConvolutionKernel = traits.scanner.kernel
    dataset.SliceThickness = phantom.slice_thickness
    dataset.SliceLocation = phantom.slice_location
    dataset.PixelSpacing = [phantom.pixel_spacing, phantom.pixel_spacing]
    corner = round(-256 * phantom.pixel_spacing, 3)
    across = 1 if not traits.is_prone else -1
    dataset.ImageOrientationPatient = [across, 0, 0, 0, across, 0]
    dataset.ImagePositionPatient = [across * corner, across * corner, phantom.slice_location]
    _set_pixels(dataset, phantom.slice_hu)
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


def _set_pixels(dataset: FileDataset, slice_hu: np.ndarray) -> None:
    stored = np.clip(np.rint(slice_hu - _INTERCEPT), 0, 4095).astype("<u2")
    dataset.Rows, dataset.Columns = stored.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = _INTERCEPT, 1, "HU"
    dataset.WindowCenter, dataset.WindowWidth = -600, 1500
    dataset.PixelData = stored.tobytes()


def _uid(*parts: str) -> str:
    digest = hashlib.sha256("/".join(parts).encode()).digest()
    return _UID_ROOT + str(int.from_bytes(digest[:15], "big"))
