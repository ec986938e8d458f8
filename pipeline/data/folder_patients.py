"""Patients by the folders that slices lie in: used under a strict rule, and else only spoken of.

The rule: neither a CSV nor a header knows any patient; every readable slice lies below exactly one folder
whose name is a patient's (the word patient, participant, person, subject, case, sub, pat, pt or P, and a
number: `Patient PH002002`, `P12`, `sub-01`); and some class has two of these folders at least.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath

import pandas as pd

from pipeline.data.labels import KNOWN_LABELS, NO_CLASS, canonical_label
from pipeline.data.table import OK

_WORD = r"(?:patients?|participant|person|subject|subj|sub|case|pat|pt|p)"
_PATIENT = re.compile(rf"{_WORD}(?:[\s._()#-]*\d+|[\s._()#-]+[a-z]{{1,4}}[\s._-]*\d+)\)?", re.IGNORECASE)
_NUMBER = re.compile(r"[a-z]{0,3}[\s._-]*\d{3,}[a-z]?", re.IGNORECASE)
_MANY_CLASSES = 10
_NAMED = 3  # folders that a sentence gives as examples


def folder_patients(table: pd.DataFrame) -> pd.Series:
    """Return the patient of each row by its folder where the rule above holds, else null everywhere.

    Args:
        table: with `path`, `label`, `patient_id` and `status`.
    """
    patients = _by_folder(table["path"], _patient_folder)
    readable = table["status"] == OK
    in_class = patients[readable].groupby(table.loc[readable, "label"]).nunique()
    holds = (
        table.loc[readable, "patient_id"].isna().all()
        and patients[readable].notna().all()
        and bool((in_class >= 2).any())
    )
    return patients if holds else patients.mask(patients.notna())


def doubt_folders(table: pd.DataFrame) -> list[str]:
    """Say where folders taken for classes look like patients, or those below classes may be patients."""
    readable = table[table["status"] == OK]
    labels = sorted(readable["label"].dropna().unique())
    if _are_patients(readable, labels):
        return [
            f"{len(labels):,} classes, a folder each ({_listed(labels)}): the folders look like patients, "
            "not classes. Name the class of each slice in a CSV (path,label,patient_id)."
        ]
    below = _by_folder(readable["path"], _last_folder)
    below = below.mask(below.map(canonical_label, na_action="ignore") == readable["label"])
    if readable["patient_id"].notna().any() or not (below.groupby(readable["label"]).nunique() >= 2).any():
        return []
    names = sorted(below.dropna().unique())
    return [
        f"Below the classes lie {len(names):,} folders ({_listed(names)}), and no patient is known. If each "
        "is a patient, name them in a CSV (path,label,patient_id): splits then keep patients apart."
    ]


def patients_text(table: pd.DataFrame) -> str:
    """Return which folders were taken as patients, nothing where none were."""
    readable = table[table["status"] == OK]
    patients = _by_folder(readable["path"], _patient_folder)
    if patients.empty or patients.isna().any() or not (patients == readable["patient_id"]).all():
        return ""
    names = sorted(patients.unique())
    return f"Patients are {len(names):,} folders by their names ({_listed(names)})."


def _are_patients(readable: pd.DataFrame, labels: Sequence[str]) -> bool:
    """Return whether classes are patients by their names, by their ids, or because they are so many."""
    if len(labels) < 2 or set(labels) & set(KNOWN_LABELS):
        return False
    named = [label for label in labels if _PATIENT.fullmatch(label) or _NUMBER.fullmatch(label)]
    of_class = readable.groupby("label")["patient_id"].nunique()
    alone = len(labels) > 2 and (of_class == 1).all() and readable["patient_id"].nunique() == len(labels)
    folders = readable["path"].str.rpartition("/")[0].groupby(readable["label"]).nunique()
    many = len(labels) >= _MANY_CLASSES and (folders == 1).all()
    return bool(2 * len(named) > len(labels) or alone or many)


def _by_folder(paths: pd.Series, ask: Callable[[tuple[str, ...]], str | None]) -> pd.Series:
    """Return what is to be said of each path's folders; each folder is asked about once."""
    if paths.empty:
        return paths
    place, folders = pd.factorize(paths.str.rpartition("/")[0])
    said = pd.array([ask(PurePosixPath(folder).parts) for folder in folders], dtype="str")
    return pd.Series(said.take(place), index=paths.index)


def _patient_folder(folders: tuple[str, ...]) -> str | None:
    names = [name for name in map(_without_zip, folders) if _PATIENT.fullmatch(name)]
    return names[0] if len(names) == 1 else None


def _last_folder(folders: tuple[str, ...]) -> str | None:
    name = _without_zip(folders[-1]) if folders else ""
    return name if name and name.lower() not in NO_CLASS else None


def _without_zip(folder: str) -> str:
    return re.sub(r"\.zip$", "", folder, flags=re.IGNORECASE).strip()


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
