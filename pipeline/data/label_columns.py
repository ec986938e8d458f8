"""The columns of a labels CSV: what each is taken for, and what is left out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.data.table import COLUMNS, GIVEN

# What people call a patient's id. `case` is not among them: it is as often one of case and control.
PATIENT_NAMES = (
    "patient_id",
    "patientid",
    "patient",
    "subject_id",
    "subjectid",
    "subject",
    "participant_id",
    "participant",
    "pid",
)
_MAY_BE_NAMES = frozenset({"patient", "subject", "participant"})  # beside a column of ids
# Columns that would bring a person's name or dates into the workspace.
_PERSONAL = re.compile(
    r"(^|_)(name|names|surname|firstname|lastname|birth.*|dob|date|dates|.*date|address|phone|email|mrn)(_|$)"
)


@dataclass(frozen=True)
class LabelColumns:
    """What the columns of a labels CSV are taken for.

    Attributes:
        written: the header as it stands in the file.
        names: for each of them the index's column, empty where it is left out.
        dropped: those left out because they look like names or dates of patients.
    """

    written: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()

    @property
    def may_name_patients(self) -> bool:
        """Whether the column of patients is not called an id: then it may hold their names."""
        return any(
            name == "patient_id" and plain_name(written) in _MAY_BE_NAMES
            for written, name in zip(self.written, self.names, strict=True)
        )

    def text(self) -> str:
        """Return in words which columns are used, which are kept as they are, and which are left out."""
        used = [
            f"{written} as {name}" if plain_name(written) != name else name
            for written, name in zip(self.written, self.names, strict=True)
            if name == "path" or name in GIVEN
        ]
        kept = [name for name in self.names if name and name != "path" and name not in GIVEN]
        sentences = [f"Columns used: {', '.join(used)}."]
        if kept:
            sentences.append(f"Kept to sort and split by: {', '.join(kept)}.")
        if self.dropped:
            sentences.append(f"Left out, as names or dates of persons: {', '.join(self.dropped)}.")
        if self.may_name_patients:
            sentences.append("Patients given without a number, as by name, enter as pseudonyms.")
        return " ".join(sentences)


def plain_name(written: str) -> str:
    """Return a column's name in small letters, its blanks, dots and hyphens as underscores.

    >>> plain_name(" Patient ID")
    'patient_id'
    """
    return re.sub(r"[\s.-]+", "_", written.strip().lower())


def sort_columns(header: Sequence[str]) -> LabelColumns:
    """Return what the columns of a header are taken for.

    The first of `PATIENT_NAMES` that is there is the patient's id; of the others, ids are columns like any
    other, and those that may hold names are left out.
    A column called like one that is measured stands beside it, not in its place.

    >>> sort_columns(["path", "Label", "PatientID", "width"]).names
    ('path', 'label', 'patient_id', 'csv_width')
    """
    plain = [plain_name(name) for name in header]
    patient = next((name for name in PATIENT_NAMES if name in plain), None)
    dropped = tuple(
        name
        for name in plain
        if name not in ("path", "label", patient) and (_PERSONAL.search(name) or name in _MAY_BE_NAMES)
    )
    names = [
        "" if name in dropped else "patient_id" if name == patient else _beside_measured(name)
        for name in plain
    ]
    return LabelColumns(tuple(name.strip() for name in header), tuple(names), dropped)


def _beside_measured(name: str) -> str:
    return f"csv_{name}" if name in COLUMNS and name not in GIVEN | {"path"} else name
