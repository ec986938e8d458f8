"""The audit of a data set: what is wrong with its slices, where copies leak, and what gives the class away.

Kept in `audit.json` beside the index; an audit of an older index says that it is stale.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from pipeline.data.clusters import load_clusters
from pipeline.data.composition import find_imbalance
from pipeline.data.datasets import load_fingerprints, load_index
from pipeline.data.duplicates import DuplicatePairs, find_duplicate_pairs
from pipeline.data.findings import Finding, ranked
from pipeline.data.giveaways import find_giveaways
from pipeline.data.groups import join_groups
from pipeline.data.leakage import find_duplicates, find_leaks
from pipeline.data.lung_audit import fill_lung_fractions
from pipeline.data.quality import find_quality
from pipeline.data.shortcuts import Shortcut
from pipeline.data.splits import Split, list_splits
from pipeline.data.table import OK
from pipeline.jobs import Progress, no_progress
from pipeline.workspace import Workspace, atomic_write_json, read_json

FORMAT = 1


@dataclass(frozen=True)
class AuditReport:
    """What an audit found.

    Attributes:
        figures: counts for the page's head: slices, readable, exact_copies, near_copies, clusters, groups.
        findings: the worst first.
        shortcuts: every estimate that was made, the most telling first.
        state: of the index that was looked at.
    """

    name: str
    created: str
    split: str | None
    state: str
    figures: dict[str, int]
    findings: Sequence[Finding] = ()
    shortcuts: Sequence[Shortcut] = ()
    stale: bool = field(default=False, compare=False)

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        return {
            "name": self.name,
            "created": self.created,
            "split": self.split,
            "state": self.state,
            "format": FORMAT,
            "figures": self.figures,
            "findings": [finding.to_json() for finding in self.findings],
            "shortcuts": [asdict(shortcut) for shortcut in self.shortcuts],
        }


def audit_dataset(workspace: Workspace, name: str, *, progress: Progress = no_progress) -> AuditReport:
    """Look at quality, duplicates, leakage (of the newest split) and shortcuts; keep the report.

    Raises:
        DatasetNotFoundError: there is no such data set.
    """
    load_index(workspace, name)  # before anything is measured: is it there?
    fill_lung_fractions(workspace, name, progress=progress)
    index = load_index(workspace, name)
    steps = 3
    progress(0, steps, "Looking for copies")
    clusters = load_clusters(workspace, name)
    pairs = find_duplicate_pairs(index, load_fingerprints(workspace, name))
    progress(1, steps, "Looking for leaks")
    readable = index[index["status"] == OK]
    groups = join_groups(readable, clusters.loc[readable.index])
    labelled = readable[readable["label"].notna()]
    split = next(iter(list_splits(workspace, name)), None)
    findings = [
        *find_quality(index),
        *find_duplicates(index, pairs),
        *find_leaks(index, clusters, split),
        *find_imbalance(labelled, groups.loc[labelled.index]),
    ]
    progress(2, steps, "Asking what gives the class away")
    shortcuts, telling = find_giveaways(labelled, groups.loc[labelled.index])
    report = AuditReport(
        name=name,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        split=split.name if split is not None else None,
        state=_state(index, split),
        figures=_figures(index, clusters, pairs, groups),
        findings=ranked([*findings, *telling]),
        shortcuts=shortcuts,
    )
    atomic_write_json(_file(workspace, name), report.to_json())
    progress(steps, steps, f"{len(report.findings)} findings")
    return report


def load_audit(workspace: Workspace, name: str) -> AuditReport | None:
    """Return the last audit, None where none was made; `stale` says whether things changed since."""
    path = _file(workspace, name)
    if not path.exists():
        return None
    kept = read_json(path)
    if kept.get("format") != FORMAT:
        return None
    split = next(iter(list_splits(workspace, name)), None)
    return AuditReport(
        name=kept["name"],
        created=kept["created"],
        split=kept["split"],
        state=kept["state"],
        figures=kept["figures"],
        findings=[Finding(**finding) for finding in kept["findings"]],
        shortcuts=[Shortcut(**shortcut) for shortcut in kept["shortcuts"]],
        stale=kept["state"] != _state(load_index(workspace, name), split),
    )


def _figures(
    index: pd.DataFrame, clusters: pd.Series, pairs: DuplicatePairs, groups: pd.Series
) -> dict[str, int]:
    sizes = clusters.value_counts()
    return {
        "slices": len(index),
        "readable": int((index["status"] == OK).sum()),
        "exact_copies": int(pairs.exact.sum()),
        "near_copies": int((~pairs.exact).sum()),
        "clusters_of_copies": int((sizes > 1).sum()),
        "slices_in_clusters": int(sizes[sizes > 1].sum()),
        "groups": int(groups.nunique()),
    }


def _state(index: pd.DataFrame, split: Split | None) -> str:
    """Return a hash of everything the findings depend on."""
    columns = [
        index[name].fillna("") for name in ("slice_id", "content_hash", "label", "patient_id", "source")
    ]
    rows = "\n".join("\0".join(values) for values in zip(*columns, strict=True))
    return hashlib.sha256(f"{rows}{split.hash if split else ''}".encode()).hexdigest()[:16]


def _file(workspace: Workspace, name: str) -> Any:
    return workspace.dataset_dir(name) / "audit.json"
