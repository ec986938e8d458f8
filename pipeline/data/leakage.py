"""Copies where they do harm: across classes, across patients, and across the parts of a split."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.data.duplicates import DuplicatePairs
from pipeline.data.findings import Finding, Severity, counted
from pipeline.data.splits import Split
from pipeline.data.table import OK

_EXACT = {
    "-across-classes": "The same pixels in two classes, {}. One label is wrong: decide, and take one out.",
    "-across-patients": "The same pixels under two patient ids, {}. Splits join them; check the ids.",
    "": "The same pixels, {}. Splits keep them together.",
}
_NEAR = {
    "-across-classes": "Nearly the same picture in two classes, {}. What tells them apart is small, or "
    "one label is wrong: look at both.",
    "-across-patients": "Nearly the same picture under two patient ids, {}. Perhaps one person twice: splits "
    "keep them together; check the ids.",
    "": "One picture, recompressed, resized, cropped or shown otherwise, {}. Splits keep them together.",
}
_NEIGHBOURS = {
    "-across-classes": "Slices as alike as neighbours of one scan in two classes, {}. Right where lesions or "
    "lungs end; else one label is wrong: look at both.",
    "-across-patients": "Slices as alike as neighbours of one scan under two patient ids, {}. Perhaps one "
    "person twice: splits keep them together; check the ids.",
    "": "Slices as alike as neighbours of one scan, {}: no copies, and little news to a model. Splits keep "
    "them together.",
}
_TEXTS = {"exact copies": _EXACT, "near-copies": _NEAR, "neighbours": _NEIGHBOURS}


def find_duplicates(index: pd.DataFrame, pairs: DuplicatePairs) -> Iterator[Finding]:
    """Yield what the copies among the slices of an index mean."""
    for noun, suffix, found in _kinds(index, pairs):
        if found.any():
            code = noun.replace(" ", "-") + suffix
            yield _pairs_finding(index, pairs, found, code, _TEXTS[noun][suffix], noun)


def pairs_of(index: pd.DataFrame, pairs: DuplicatePairs, code: str) -> NDArray[np.bool_]:
    """Return which pairs the finding `code` of `find_duplicates` is about: all, not only those it names."""
    kinds = {noun.replace(" ", "-") + suffix: found for noun, suffix, found in _kinds(index, pairs)}
    return kinds.get(code, np.zeros(len(pairs.first), bool))


def _kinds(index: pd.DataFrame, pairs: DuplicatePairs) -> Iterator[tuple[str, str, NDArray[np.bool_]]]:
    """Yield each kind of pair, across what, and which pairs are of it."""
    labels, patients = (index[name].to_numpy(dtype=object) for name in ("label", "patient_id"))
    contradicting, other_patient = _differ(labels, pairs), _differ(patients, pairs)
    for noun, which in (
        ("exact copies", pairs.exact),
        ("near-copies", pairs.copies),
        ("neighbours", pairs.neighbours),
    ):
        yield noun, "-across-classes", which & contradicting
        yield noun, "-across-patients", which & other_patient
        yield noun, "", which & ~contradicting & ~other_patient


def find_leaks(index: pd.DataFrame, clusters: pd.Series, split: Split | None) -> Iterator[Finding]:
    """Yield what stands on both sides of the newest split, and what cannot be known."""
    usable = index[index["status"] == OK]
    unknown = int(usable["patient_id"].isna().sum())
    if unknown:
        yield Finding(
            "leakage",
            "patients-unknown",
            "warn",
            "Patients unknown",
            f"{unknown:,} of {counted(len(usable), 'slice')} have no patient id. Splits keep their "
            "near-copies together, not their patients: figures may still flatter the model. A CSV with "
            "patient_id mends it.",
            unknown,
        )
    if split is None:
        return
    parts = split.parts_of(index["slice_id"])
    for names, code, noun in (
        (index["patient_id"], "patients-on-both-sides", "patient"),
        (clusters, "copies-on-both-sides", "group of near-copies"),
    ):
        spread = parts.groupby(names.to_numpy()).nunique()
        torn = set(spread.index[spread > 1])
        if torn:
            rows = index[names.isin(torn) & parts.notna()]
            plural = "patients" if noun == "patient" else "groups of near-copies"
            yield Finding(
                "leakage",
                code,
                "bad",
                f"{plural.capitalize()} on both sides",
                f"The split {split.name!r} has {counted(len(torn), noun, plural)} in more than one part "
                f"({counted(len(rows), 'slice')}): what is measured on it flatters the model. Split by "
                "patient or by cluster instead.",
                len(rows),
                slice_ids=list(rows["slice_id"]),
                details={"split": split.name, "groups": len(torn)},
            )


def _differ(values: NDArray[np.object_], pairs: DuplicatePairs) -> NDArray[np.bool_]:
    """Return which pairs have two known, different values."""
    one, other = values[pairs.first], values[pairs.second]
    known = pd.notna(one) & pd.notna(other)
    return np.asarray(known & (one != other), bool)


def _pairs_finding(
    index: pd.DataFrame, pairs: DuplicatePairs, which: NDArray[np.bool_], code: str, text: str, noun: str
) -> Finding:
    ids = index["slice_id"].to_numpy(dtype=object)
    order = np.argsort(pairs.residual[which], kind="stable")
    first, second = pairs.first[which][order], pairs.second[which][order]
    across = code.partition("-across-")[2]
    slices = len(set(first) | set(second))
    return Finding(
        "duplicates",
        code,
        _severity(code, across),
        f"{noun.capitalize()} across {across}" if across else noun.capitalize(),
        text.format(counted(int(which.sum()), "pair") + f" of {counted(slices, 'slice')}"),
        int(which.sum()),
        unit="pairs",
        slice_ids=list(np.stack([ids[first], ids[second]], axis=1).ravel()),
    )


def _severity(code: str, across: str) -> Severity:
    if not across or code == "neighbours-across-classes":
        return "note"
    return "bad" if code.startswith("exact") else "warn"
