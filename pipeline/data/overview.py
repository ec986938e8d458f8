"""What a data set is made of, as small tables to draw: brightness, patients and sources by class, lungs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.data.labels import order_labels

MOST_SLICES = 4_000  # of a class that its brightness is taken from
MOST_COLUMNS = 1_000  # of a matrix of patients: beyond, neighbours are drawn together
LEAST_STACK = 5  # slices that show how a lung begins and ends
STEPS = 20  # from head to feet
# Columns that a profile of the lungs is made of; `level` where a labels CSV has it.
PROFILED = frozenset(
    {"label", "lung_fraction", "level", "patient_id", "slice_id", "path", "frame", "series_uid"}
    | {"slice_location"}
)
_QUARTILES = (25, 50, 75)


@dataclass(frozen=True, eq=False)
class Bands:
    """Quartiles of one class: (3, n) lower, median, upper; and of how many slices (or stacks) they are."""

    values: NDArray[np.float32]
    count: int


@dataclass(frozen=True, eq=False)
class LungProfile:
    """The lung fraction from the head end (0) to the foot end (1) of each stack, by class.

    Attributes:
        positions: (20,) the middles of the steps.
        bands: label -> quartiles at each step, not-a-number where no slice of the class lies.
        stacks, slices: what they are of.
        missing: a sentence that says why there is nothing, else empty.
    """

    positions: NDArray[np.float64]
    bands: dict[str, Bands]
    stacks: int = 0
    slices: int = 0
    missing: str = ""


def intensity_bands(histograms: NDArray[np.float32], labels: pd.Series) -> dict[str, Bands]:
    """Return the quartiles of the grey histograms of each class, of up to 4,000 slices drawn evenly.

    Args:
        histograms: (n, bins) shares of pixels.
        labels: of the same slices; those without one are left out.
    """
    codes, names = pd.factorize(labels)
    bands = {}
    for code, label in enumerate(names):
        rows = np.flatnonzero(codes == code)
        chosen = rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), MOST_SLICES)).astype(int))]
        quartiles = np.percentile(histograms[chosen], _QUARTILES, axis=0).astype(np.float32)
        bands[str(label)] = Bands(quartiles, len(chosen))
    return {label: bands[label] for label in order_labels(bands)}


def count_by(column: pd.Series, labels: pd.Series) -> pd.DataFrame:
    """Return slices by a column's values (rows, the greatest first) and label (columns in their order)."""
    known = (column.notna() & labels.notna()).to_numpy()
    codes, values = pd.factorize(column[known])
    label_codes, names = pd.factorize(labels[known])
    cells = np.bincount(codes * max(len(names), 1) + label_codes, minlength=len(values) * len(names))
    table = pd.DataFrame(cells.reshape(len(values), len(names)), index=list(values), columns=list(names))
    table = table[order_labels(table.columns)]
    return table.loc[table.sum(axis=1).sort_values(ascending=False, kind="stable").index]


def matrix_of(counts: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Return patients (rows) by class for a strip: patients alike lie side by side.

    Patients of one class come first, class by class, then those of several; in each, those with more slices
    first. More than 1,000 are drawn together, neighbours with neighbours: a row is then their mean.

    Returns:
        the table, and how many patients one of its rows stands for.
    """
    present = counts.to_numpy() > 0
    several = present.sum(axis=1) > 1
    pattern = present @ (1 << np.arange(counts.shape[1])[::-1])
    order = np.lexsort((-counts.sum(axis=1).to_numpy(), -pattern, several))
    ordered = counts.iloc[order]
    together = -(-len(ordered) // MOST_COLUMNS)
    if together <= 1:
        return ordered, 1
    groups = np.arange(len(ordered)) // together
    starts = ordered.index[::together]
    return ordered.groupby(groups).mean().set_axis(starts), together


def lung_profile(index: pd.DataFrame) -> LungProfile:
    """Return how much lung slices show from the head end to the foot end of their series.

    Where the labels CSV has a `level` (0 head end, 1 the other), slices are placed by it. Else a stack is
    what has one `series_uid`, or the frames of one file, placed by `slice_location`, where a location is
    unknown by their order; stacks of fewer than five slices are left out.

    Args:
        index: readable rows, with a label each.
    """
    positions = (np.arange(STEPS) + 0.5) / STEPS
    measured = index["lung_fraction"].notna()
    if not measured.any():
        return LungProfile(positions, {}, missing="The lungs are not measured yet: the audit does that.")
    rows = _stacked(index[measured])
    if rows.empty:
        return LungProfile(
            positions,
            {},
            missing="No series of five slices or more is known. DICOM headers and NIfTI volumes say which "
            "slices follow each other; a labels CSV says it by a column series_uid, or level (0 at the head "
            "end, 1 at the other).",
        )
    step = np.minimum((rows["place"].to_numpy() * STEPS).astype(int), STEPS - 1)
    bands = {}
    for label in order_labels(rows["label"].unique()):
        own = (rows["label"] == label).to_numpy()
        values = np.full((3, STEPS), np.nan, np.float32)
        for place in np.unique(step[own]):
            shares = rows["lung_fraction"].to_numpy()[own & (step == place)]
            values[:, place] = np.percentile(shares, _QUARTILES)
        bands[str(label)] = Bands(values, int(rows["stack"][own].nunique()))
    return LungProfile(positions, bands, int(rows["stack"].nunique()), len(rows))


def _stacked(index: pd.DataFrame) -> pd.DataFrame:
    """Return the rows whose place in the body is known, with `stack` and `place` (0 at the head end)."""
    if "level" in index:  # said in the CSV, slice by slice
        level = pd.to_numeric(index["level"], errors="coerce")
        known = level.between(0, 1)
        if known.sum() >= LEAST_STACK:
            stack = index["patient_id"].fillna(index["slice_id"])
            return index.assign(place=level, stack=stack)[known]
    frames = index["frame"] > 0
    in_file = index["path"].isin(index.loc[frames, "path"].unique()) if frames.any() else frames
    stack = index["series_uid"].where(index["series_uid"].notna(), index["path"].where(in_file))
    rows = index.assign(stack=stack)[stack.notna()]
    rows = rows[rows.groupby("stack")["stack"].transform("size") >= LEAST_STACK]
    return rows.assign(place=_places(rows))


def _places(rows: pd.DataFrame) -> NDArray[np.float64]:
    """Return where each row lies in its stack, 0 at the head end and 1 at the other."""
    location = rows["slice_location"]
    grouped = location.groupby(rows["stack"])
    low, high = grouped.transform("min"), grouped.transform("max")
    known = grouped.transform("count") == grouped.transform("size")
    by_location = (high - location) / (high - low).where(high > low)
    ordered = rows.sort_values(["path", "frame"], kind="stable").groupby("stack")
    rank = ordered.cumcount().reindex(rows.index)
    last = rows.groupby("stack")["stack"].transform("size") - 1
    places: NDArray[np.float64] = by_location.where(known, rank / last).fillna(0.5).to_numpy(np.float64)
    return places
