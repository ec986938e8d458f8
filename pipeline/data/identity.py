"""Whose study a DICOM file belongs to: read only where somebody asks for it, and kept nowhere.

Everything else in Hilum sees pseudonyms. This is for a file that goes back to the archive that the slice came
from, and has to say there which study it belongs to.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.data.sandbox import WorkerDiedError, borrowed_worker
from pipeline.data.slice_image import SliceError

# What patient, study and slice are told by; a list of names, not of what to leave out.
KEYWORDS = (
    "PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex",
    "StudyInstanceUID", "StudyDate", "StudyTime", "StudyID", "StudyDescription", "AccessionNumber",
    "ReferringPhysicianName", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID", "BurnedInAnnotation",
)  # fmt: skip


def read_identity(source: Path | bytes) -> dict[str, str]:
    """Return the elements of `KEYWORDS` that a DICOM file has, as text; nothing for other files.

    Args:
        source: a file, a member of an archive (`archive.zip/name`), or a file's bytes.

    Raises:
        SliceError: it cannot be read.
    """
    request: dict[str, Any] = {"verb": "identity"}
    payload = b""
    if isinstance(source, bytes):
        payload = source
    else:
        request["path"] = str(source.absolute())
    try:
        with borrowed_worker() as worker:
            worker.send(request, payload)
            answer, _ = worker.receive()
    except WorkerDiedError as died:
        raise died.as_slice_error() from died
    if "error" in answer:
        raise SliceError(*answer["error"])
    return dict(answer["identity"])


def identity_of(dataset: Any) -> dict[str, str]:
    """Return the elements of `KEYWORDS` that a data set has; runs inside the sandbox's worker."""
    found = {keyword: str(dataset.get(keyword) or "").strip().strip("\0") for keyword in KEYWORDS}
    return {keyword: value for keyword, value in found.items() if value}
