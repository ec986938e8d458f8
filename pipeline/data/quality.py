"""Slices that are broken, odd or doubtful, each by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pandas as pd

from pipeline.data.findings import Finding, Severity, counted
from pipeline.data.formats import extension_agrees
from pipeline.data.labels import NON_INFORMATIVE
from pipeline.data.table import OK

TINY_SIDE = 200  # pixels: a lung is then a hundred wide, and a small lesion a few
BLANK_RANGE = 12  # grey levels between the 1st and 99th percentile
LITTLE_LUNG = 0.02  # of the body


@dataclass(frozen=True)
class _Check:
    """One kind of doubt: `what` continues "12 slices ...", `advice` says what to do."""

    code: str
    severity: Severity
    title: str
    what: str
    advice: str
    holds: Callable[[pd.DataFrame], pd.Series]


_CHECKS = (
    _Check(
        "unlabelled",
        "warn",
        "No label",
        "have no class",
        "Give them one by a folder or a CSV; no split has them.",
        lambda rows: rows["label"].isna(),
    ),
    _Check(
        "blank",
        "bad",
        "Blank",
        "have hardly any contrast",
        "Nothing can be learned from them: take them out.",
        lambda rows: rows["p99"] - rows["p01"] < BLANK_RANGE,
    ),
    _Check(
        "tiny",
        "warn",
        "Tiny",
        f"have a side below {TINY_SIDE} pixels",
        "Enlarged they look unlike others, which a model may learn.",
        lambda rows: rows[["width", "height"]].min(axis=1) < TINY_SIDE,
    ),
    _Check(
        "colour",
        "warn",
        "Colour marks",
        "have unequal colour channels and were turned to grey",
        "Look for arrows, letters and overlays: a model may learn those.",
        lambda rows: ~rows["channels_equal"].astype(bool),
    ),
    _Check(
        "little-lung",
        "warn",
        "Hardly any lung",
        f"of an informative class with lung on less than {LITTLE_LUNG:.0%} of the body",
        "Are they labelled as they should be, and chest CT at all?",
        lambda rows: (
            (rows["lung_fraction"] < LITTLE_LUNG) & rows["label"].notna() & (rows["label"] != NON_INFORMATIVE)
        ),
    ),
    _Check(
        "wrong-extension",
        "note",
        "Extension lies",
        "are of another format than their name says",
        "They were read by their content; nothing needs to be done.",
        lambda rows: _extension_lies(rows),
    ),
    _Check(
        "no-hounsfield-units",
        "note",
        "DICOM without HU",
        "are no CT with a rescale to Hounsfield units",
        "They were mapped from their own range to grey.",
        lambda rows: (rows["format"] == "dicom") & (rows["intensity"] == "grey"),
    ),
)


def find_quality(index: pd.DataFrame) -> Iterator[Finding]:
    """Yield what is wrong with single slices of an index."""
    yield from _unreadable(index)
    usable = index[index["status"] == OK]
    for check in _CHECKS:
        found = usable[check.holds(usable).fillna(False).astype(bool)]
        if len(found):
            text = f"{counted(len(found), 'slice')} {check.what}. {check.advice}"
            yield _finding(found, check.code, check.severity, check.title, text)


def _extension_lies(rows: pd.DataFrame) -> pd.Series:
    lies = [not extension_agrees(*pair) for pair in zip(rows["path"], rows["format"], strict=True)]
    return pd.Series(lies, index=rows.index, dtype=bool)


def _unreadable(index: pd.DataFrame) -> Iterator[Finding]:
    failed = index[index["status"] != OK]
    for code, rows in failed.groupby("status", sort=True):
        text = f"{counted(len(rows), 'file')} could not be read: {rows['error'].iloc[0]}"
        yield _finding(rows, f"unreadable-{code}", "warn", f"Unreadable: {str(code).replace('-', ' ')}", text)


def _finding(rows: pd.DataFrame, code: str, severity: Severity, title: str, text: str) -> Finding:
    return Finding("quality", code, severity, title, text, len(rows), slice_ids=list(rows["slice_id"]))
