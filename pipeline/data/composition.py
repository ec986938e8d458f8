"""What the make-up of a data set forbids to conclude: classes of one source, or of few patients."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from pipeline.data.findings import Finding, Severity, counted
from pipeline.data.labels import order_labels

FEW_GROUPS = 10
IMBALANCED = 5.0


def find_imbalance(usable: pd.DataFrame, groups: pd.Series) -> Iterator[Finding]:
    """Yield what readable, labelled rows lack for an honest comparison of their classes.

    Args:
        usable: with `label`, `source`, `slice_id`.
        groups: the patients (or what stands for them) of the rows.
    """
    sources = usable["source"].nunique()
    for label in order_labels(usable["label"]):
        rows = usable[usable["label"] == label]
        known = rows["source"].dropna()
        if sources > 1 and len(known) == len(rows) and known.nunique() == 1:
            text = (
                f"All {len(rows):,} {label} slices come from the source {known.iloc[0]!r}: whatever tells "
                "that source tells the class, and no figure about it says anything about the disease. "
                "Bring some from elsewhere."
            )
            yield _finding("class-of-one-source", "bad", f"{label.capitalize()} from one source", text, rows)
        count = groups.loc[rows.index].nunique()
        if count < FEW_GROUPS:
            text = (
                f"{label.capitalize()} has {counted(len(rows), 'slice')} of only {counted(count, 'group')} "
                "(patients, or near-copies where patients are unknown): what is measured on so few does "
                "not hold for others."
            )
            yield _finding(
                "class-of-few-patients", "warn", f"{label.capitalize()} of few patients", text, rows
            )
    counts = usable["label"].value_counts()
    if len(counts) > 1 and counts.iloc[0] > IMBALANCED * counts.iloc[-1]:
        text = (
            f"{counts.index[0]} has {counts.iloc[0] / counts.iloc[-1]:.0f} times as many slices as "
            f"{counts.index[-1]}. Train with balancing, and judge by figures for each class, not by "
            "accuracy."
        )
        yield _finding(
            "imbalanced", "note", "Imbalanced classes", text, usable[usable["label"] == counts.index[-1]]
        )


def _finding(code: str, severity: Severity, title: str, text: str, rows: pd.DataFrame) -> Finding:
    return Finding("composition", code, severity, title, text, len(rows), slice_ids=tuple(rows["slice_id"]))
