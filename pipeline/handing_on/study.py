"""Whose study the DICOM files belong to that are handed on: nobody's, a pseudonym's, the hospital's own."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from pipeline.data.slice_image import SliceImage
from pipeline.data.statistics import content_hash
from pipeline.errors import HilumError

_UID = re.compile(r"[0-9.]{3,64}")
_VALID = {
    "PatientBirthDate": re.compile(r"\d{8}"),
    "StudyDate": re.compile(r"\d{8}"),
    "StudyTime": re.compile(r"\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?"),
    "PatientSex": re.compile("[MFO]"),
}
_ELEMENTS = (
    "PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "StudyDate",
    "StudyTime", "StudyID", "StudyDescription", "AccessionNumber", "ReferringPhysicianName",
)  # fmt: skip


class NoStudyError(HilumError):
    """A file whose study's identifiers were asked for has none."""


class SourceFile(NamedTuple):
    """UIDs of the slice's own file."""

    sop_class: str
    series: str
    instance: str


@dataclass(frozen=True)
class Study:
    """What a DICOM file says of patient and study.

    Attributes:
        uid: StudyInstanceUID.
        elements: further elements of patient and study by keyword.
        source: the slice's own file, where the study is the hospital's own.
        deidentified: whether identifiers were there and were replaced.
        burned_in: BurnedInAnnotation; empty where it is not known.
    """

    uid: str
    elements: Mapping[str, str] = field(default_factory=dict)
    source: SourceFile | None = None
    deidentified: bool = False
    burned_in: str = ""


def derived_uid(kind: str, told: str) -> str:
    """Return a UID that follows from a text which cannot be told from it (2.25, ISO/IEC 9834-8)."""
    digest = hashlib.sha256(f"hilum {kind}/{told}".encode()).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"


def own_study(image: SliceImage) -> Study:
    """Return a study that tells nobody who the patient is; of a picture without header, nobody's.

    Slices of one study keep together: the new UID follows from the study's keyed pseudonym.
    """
    header = image.header
    patient = header.patient_id if header is not None else None
    told = (header.study_uid if header is not None else None) or content_hash(image.image)
    elements = {"PatientID": patient} if patient else {}
    is_ct = image.intensity == "hu"
    return Study(
        uid=derived_uid("study", told),
        elements=elements,
        deidentified=image.format == "dicom",
        burned_in="NO" if is_ct else "",
    )


def kept_study(identity: Mapping[str, str]) -> Study:
    """Return the study that a DICOM file's header names: for the hospital's own copy.

    Args:
        identity: of `read_identity`; elements that DICOM would not allow are left out.

    Raises:
        NoStudyError: it names none.
    """
    uids = [identity.get(name, "") for name in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")]
    if not all(_UID.fullmatch(uid) for uid in (*uids, identity.get("SOPClassUID", ""))):
        raise NoStudyError(
            "The study's identifiers cannot be kept: the file names no study, series and instance. Only a "
            "DICOM file does; leave the option out for new identifiers."
        )
    valid = {
        name: identity[name]
        for name in _ELEMENTS
        if name in identity and (name not in _VALID or _VALID[name].fullmatch(identity[name]))
    }
    study, series, instance = uids
    return Study(
        uid=study,
        elements=valid,
        source=SourceFile(identity["SOPClassUID"], series, instance),
        burned_in=identity.get("BurnedInAnnotation", "NO"),
    )
