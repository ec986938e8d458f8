"""What the Explore page reads: index, audit, splits. All is shared: it must not be changed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from dashboard.loaders.shared import stamp, workspace
from pipeline.workspace import Workspace

if TYPE_CHECKING:
    from pipeline.data.audit import AuditReport
    from pipeline.data.decisions import Decisions
    from pipeline.data.splits import Split


def index(dataset: str) -> pd.DataFrame:
    """Return the index with `cluster`, `copies`, `alike` and `part` (of the newest split).

    `copies` counts the exact and changed copies of each slice, `alike` those and neighbours of one scan.

    It must not be changed.
    """
    folder = workspace().dataset_dir(dataset)
    marks = tuple(stamp(folder / name) for name in ("index.parquet", "audit.json", "splits"))
    return _index(str(workspace().root), dataset, marks)


def histograms(dataset: str) -> NDArray[np.float32]:
    """Return each slice's grey histogram, (n, 32), in the index's order."""
    return _histograms(str(workspace().root), dataset, stamp(_index_file(dataset)))


def audit(dataset: str) -> AuditReport | None:
    """Return the last audit with what was decided since; None where none was made."""
    folder = workspace().dataset_dir(dataset)
    names = ("index.parquet", "audit.json", "splits", "decisions.jsonl")
    marks = tuple(stamp(folder / name) for name in names)
    return _audit(str(workspace().root), dataset, marks)


def warnings(dataset: str) -> list[str]:
    """Return what was to be said when the folder was read."""
    from pipeline.data.datasets import require_manifest

    return list(require_manifest(workspace(), dataset).get("warnings", []))


def decisions(dataset: str) -> Decisions:
    """Return what the user decided of slices."""
    mark = stamp(workspace().dataset_dir(dataset) / "decisions.jsonl")
    return _decisions(str(workspace().root), dataset, mark)


def all_but_one(dataset: str, code: str) -> tuple[str, ...]:
    """Return what is excluded where one of each group of a finding's copies is kept; nothing where none."""
    folder = workspace().dataset_dir(dataset)
    marks = tuple(stamp(folder / name) for name in ("index.parquet", "decisions.jsonl"))
    return _all_but_one(str(workspace().root), dataset, marks, code)


def audit_report(dataset: str, report: AuditReport, *, pictures: bool) -> str:
    """Return an audit as one HTML document."""
    from pipeline.data.audit_report import build_audit_report

    return build_audit_report(workspace(), report, pictures=pictures)


def splits(dataset: str) -> list[Split]:
    """Return the splits, newest first."""
    return _splits(str(workspace().root), dataset, stamp(workspace().dataset_dir(dataset) / "splits"))


def _index_file(dataset: str) -> Path:
    return workspace().dataset_dir(dataset) / "index.parquet"


@st.cache_resource(show_spinner=False, max_entries=4)
def _index(root: str, dataset: str, marks: tuple[float, ...]) -> pd.DataFrame:
    from pipeline.data.clusters import load_clusters, load_pairs
    from pipeline.data.datasets import load_index
    from pipeline.data.duplicates import count_copies
    from pipeline.data.splits import list_splits

    opened = Workspace.open(root)
    table = load_index(opened, dataset)
    newest = next(iter(list_splits(opened, dataset)), None)
    parts = newest.parts_of(table["slice_id"]) if newest is not None else None
    clusters = load_clusters(opened, dataset)
    codes, _ = pd.factorize(clusters)
    sizes = np.append(np.bincount(codes[codes >= 0]), 1)  # the last is for what is in no cluster
    copies = count_copies(len(table), load_pairs(opened, dataset))
    return table.assign(cluster=clusters, copies=copies, alike=sizes[codes] - 1, part=parts)


@st.cache_resource(show_spinner=False, max_entries=4)
def _histograms(root: str, dataset: str, mark: float) -> NDArray[np.float32]:
    from pipeline.data.datasets import load_histograms

    return load_histograms(Workspace.open(root), dataset)


@st.cache_resource(show_spinner=False, max_entries=8)
def _audit(root: str, dataset: str, marks: tuple[float, ...]) -> AuditReport | None:
    from pipeline.data.audit import load_audit

    return load_audit(Workspace.open(root), dataset)


@st.cache_resource(show_spinner=False, max_entries=8)
def _decisions(root: str, dataset: str, mark: float) -> Decisions:
    from pipeline.data.decisions import load_decisions

    return load_decisions(Workspace.open(root), dataset)


@st.cache_resource(show_spinner=False, max_entries=8)
def _splits(root: str, dataset: str, mark: float) -> list[Split]:
    from pipeline.data.splits import list_splits

    return list_splits(Workspace.open(root), dataset)


@st.cache_resource(show_spinner=False, max_entries=32)
def _all_but_one(root: str, dataset: str, marks: tuple[float, ...], code: str) -> tuple[str, ...]:
    from pipeline.data.deciding import all_but_one
    from pipeline.data.decisions import DecisionError

    try:
        return tuple(all_but_one(Workspace.open(root), dataset, code))
    except DecisionError:
        return ()
