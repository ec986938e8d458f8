"""The figures on top of the Explore page."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from dashboard import loaders, widgets
from dashboard.exploring.findings import start_audit
from dashboard.loaders import explore as load
from dashboard.widgets import Tile
from dashboard.widgets.parts import Tone

if TYPE_CHECKING:
    from pipeline.data.audit import AuditReport


def draw_figures(dataset: str, index: pd.DataFrame, audit: AuditReport | None) -> None:
    """Draw slices, patients, classes, unreadable files, copies and findings as tiles."""
    from pipeline.data.table import OK

    auditing = audit is None and any(job.active and dataset in job.argv for job in loaders.jobs("audit"))
    # Of a million rows, not all.
    columns = ["slice_id", "label", "patient_id", "cluster", "copies", "alike", "width", "height"]
    readable = index.loc[(index["status"] == OK).to_numpy(bool), columns]
    with st.container(key="explore-tiles"):
        widgets.tiles(
            [
                _slices(readable, load.decisions(dataset).excluded),
                _patients(readable),
                _classes(readable),
                _unreadable(index),
                _copies(readable),
                _findings(audit, auditing=auditing),
            ]
        )
        if audit is None and not auditing:
            st.button(
                "Audit now", key="explore-audit", type="tertiary", on_click=_start_audit, args=[dataset]
            )


def _start_audit(dataset: str) -> None:
    """Queue the audit and open the tab that shows how far it is."""
    if not any(job.active and dataset in job.argv for job in loaders.jobs("audit")):
        start_audit(dataset)
    st.session_state["explore.tab"] = "Findings"


def class_counts(readable: pd.DataFrame) -> pd.DataFrame:
    """Return slices and known patients of each class, in the order of classes."""
    from pipeline.data.labels import order_labels

    grouped = readable.groupby("label")
    counts = pd.DataFrame({"slices": grouped.size(), "patients": grouped["patient_id"].nunique()})
    return counts.reindex(order_labels(counts.index))


def _slices(readable: pd.DataFrame, excluded: Collection[str]) -> Tile:
    count = int(readable["slice_id"].isin(excluded).sum()) if excluded else 0
    return Tile(
        "Slices",
        f"{len(readable):,}",
        _sizes(readable) + (f"; {count:,} excluded" if count else ""),
        help="Explore counts excluded slices too; no new split, training, audit or evaluation has them."
        if count
        else "",
    )


def _sizes(readable: pd.DataFrame) -> str:
    if readable.empty:
        return "none can be read"
    sizes = readable.groupby(["width", "height"]).size().sort_values(ascending=False)
    width, height = sizes.index[0]
    return (
        f"all {width} x {height}" if len(sizes) == 1 else f"{len(sizes):,} sizes, mostly {width} x {height}"
    )


def _patients(readable: pd.DataFrame) -> Tile:
    known = readable["patient_id"].notna()
    if not known.any():
        return Tile(
            "Patients",
            "unknown",
            f"{readable['cluster'].nunique():,} near-copy groups",
            tone="warn",
            help="No id in a labels CSV or a DICOM header. Splits then keep near-copies together.",
        )
    missing = int((~known).sum())
    detail = (
        f"{missing:,} {'slice' if missing == 1 else 'slices'} without an id"
        if missing
        else "every slice has an id"
    )
    return Tile(
        "Patients", f"{readable['patient_id'].nunique():,}", detail, tone="warn" if missing else "neutral"
    )


def _classes(readable: pd.DataFrame) -> Tile:
    counts = class_counts(readable)["slices"]
    if len(counts) < 2:
        return Tile("Classes", f"{len(counts)}", "two are needed to train", tone="warn")
    ratio = counts.max() / counts.min()
    return Tile(
        "Classes",
        f"{len(counts)}",
        f"imbalance {ratio:.1f} : 1",
        tone="warn" if ratio > 3 else "neutral",
        help=f"The largest class ({counts.idxmax()}) over the smallest ({counts.idxmin()}), by slices.",
    )


def _unreadable(index: pd.DataFrame) -> Tile:
    from pipeline.data.table import OK

    failed = index[index["status"] != OK]
    if failed.empty:
        return Tile("Unreadable", "0", "every file was read", tone="good")
    commonest = failed["status"].value_counts().index[0].replace("-", " ")
    return Tile("Unreadable", f"{len(failed):,}", f"mostly: {commonest}", tone="warn")


def _copies(readable: pd.DataFrame) -> Tile:
    from pipeline.data.findings import counted

    copied = readable.loc[readable["copies"] > 0, "cluster"]
    neighbours = int((readable["alike"] > 0).sum()) - len(copied)
    beside = counted(neighbours, "neighbour")
    if len(copied):
        said = f"in {counted(copied.nunique(), 'group')}" + (f"; {beside} more" if neighbours else "")
    else:
        said = f"{beside} of one scan" if neighbours else "no two slices alike"
    return Tile(
        "Copies",
        f"{len(copied):,}",
        said,
        help="Slices that are exact or changed copies of another. Neighbours of one scan are no copies; "
        "splits keep them together as well.",
    )


def _findings(audit: AuditReport | None, *, auditing: bool) -> Tile:
    if audit is None:
        said = "the audit is under way" if auditing else "not audited yet"
        return Tile("Findings", "-", said, help="The audit looks for what is wrong with this data.")
    bad = sum(finding.severity == "bad" for finding in audit.findings)
    warn = sum(finding.severity == "warn" for finding in audit.findings)
    tone: Tone = "bad" if bad else "warn" if warn else "good"
    detail = f"{bad} serious, {warn} to look at" + (" (stale)" if audit.stale else "")
    return Tile("Findings", f"{len(audit.findings)}", detail, tone=tone)
