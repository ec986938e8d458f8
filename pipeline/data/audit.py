"""The audit of a data set: what is wrong with its slices, where copies leak, and what gives the class away.

Kept in `audit.json` beside the index; an audit of an older index says that it is stale.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from pipeline.data.clusters import load_clusters, load_pairs
from pipeline.data.composition import find_imbalance
from pipeline.data.datasets import load_fingerprints, load_index
from pipeline.data.decisions import Decisions, load_decisions
from pipeline.data.duplicates import DuplicatePairs
from pipeline.data.findings import Finding, ranked
from pipeline.data.giveaways import find_giveaways
from pipeline.data.groups import join_groups
from pipeline.data.jpeg_quality import measure_jpeg_quality
from pipeline.data.leakage import find_duplicates, find_leaks
from pipeline.data.leakage_meter import LeakageMeter, measure_leakage
from pipeline.data.measures import VERSION
from pipeline.data.measuring import fill_measures
from pipeline.data.quality import find_quality
from pipeline.data.shortcuts import Shortcut
from pipeline.data.splits import Split, list_splits
from pipeline.data.table import OK
from pipeline.data.text_columns import hash_texts, join_columns
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
        leakage_meter: by how much a careless split would flatter; None in audits of an older Hilum.
        state: of the index that was looked at, and of the slices that were excluded then.
        decisions: how many slices are `excluded` and `fine` now.
    """

    name: str
    created: str
    split: str | None
    state: str
    figures: dict[str, int]
    findings: Sequence[Finding] = ()
    shortcuts: Sequence[Shortcut] = ()
    decisions: dict[str, int] = field(default_factory=dict)
    leakage_meter: LeakageMeter | None = None
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
            "decisions": self.decisions,
            "leakage_meter": self.leakage_meter.to_json() if self.leakage_meter is not None else None,
        }


def audit_dataset(workspace: Workspace, name: str, *, progress: Progress = no_progress) -> AuditReport:
    """Look at quality, duplicates, leakage (of the newest split) and shortcuts; keep the report.

    Slices that the user excluded take no part; those called fine as to a finding are not in it.

    Raises:
        DatasetNotFoundError: there is no such data set.
    """
    load_index(workspace, name)  # before anything is measured: is it there?
    fill_measures(workspace, name, progress=progress)
    everything = load_index(workspace, name)
    decisions = load_decisions(workspace, name)
    index = _without(everything, decisions)
    steps = 4
    progress(0, steps, "Looking for copies")
    clusters = load_clusters(workspace, name)
    pairs = load_pairs(workspace, name)
    progress(1, steps, "Looking for leaks")
    readable = index[index["status"] == OK]
    groups = join_groups(readable, clusters.loc[readable.index])
    labelled = readable[readable["label"].notna()]
    split = next(iter(list_splits(workspace, name)), None)
    findings = [
        *find_quality(everything, decisions),
        *find_duplicates(index, pairs),
        *find_leaks(index, clusters, split),
        *find_imbalance(labelled, groups.loc[labelled.index]),
    ]
    progress(2, steps, "Asking what gives the class away")
    features = labelled.assign(jpeg_quality=measure_jpeg_quality(workspace, name, labelled))
    shortcuts, telling = find_giveaways(features, groups.loc[labelled.index])
    progress(3, steps, "Measuring how much a careless split would flatter")
    meter = measure_leakage(
        load_fingerprints(workspace, name)[labelled.index],
        labelled["label"],
        labelled["patient_id"],
        groups.loc[labelled.index],
    )
    report = AuditReport(
        name=name,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        split=split.name if split is not None else None,
        state=_state(everything, split, decisions),
        figures=_figures(everything, clusters, pairs, groups),
        findings=ranked(_undecided([*findings, *telling], decisions)),
        shortcuts=shortcuts,
        decisions=decisions.counts(),
        leakage_meter=meter,
    )
    atomic_write_json(_file(workspace, name), report.to_json())
    progress(steps, steps, f"{len(report.findings)} findings")
    return report


def load_audit(workspace: Workspace, name: str) -> AuditReport | None:
    """Return the last audit, None where none was made; `stale` says whether things changed since.

    What the user decided since is obeyed: decided slices have left the findings.
    """
    path = _file(workspace, name)
    if not path.exists():
        return None
    kept = read_json(path)
    if kept.get("format") != FORMAT:
        return None
    split = next(iter(list_splits(workspace, name)), None)
    index, decisions = load_index(workspace, name), load_decisions(workspace, name)
    others = [Finding(**finding) for finding in kept["findings"] if finding["area"] != "quality"]
    return AuditReport(
        name=kept["name"],
        created=kept["created"],
        split=kept["split"],
        state=kept["state"],
        figures=kept["figures"],
        findings=ranked([*find_quality(index, decisions), *_undecided(others, decisions)]),
        shortcuts=[Shortcut(**shortcut) for shortcut in kept["shortcuts"]],
        decisions=decisions.counts(),
        leakage_meter=LeakageMeter.from_json(meter) if (meter := kept.get("leakage_meter")) else None,
        stale=kept["state"] != _state(index, split, decisions),
    )


def _without(index: pd.DataFrame, decisions: Decisions) -> pd.DataFrame:
    """Return the index with excluded slices marked as such: what counts readable ones passes them over."""
    return index.assign(status=index["status"].mask(index["slice_id"].isin(decisions.excluded), "excluded"))


def _undecided(findings: Sequence[Finding], decisions: Decisions) -> list[Finding]:
    """Return the findings without the slices, or pairs of slices, that the user decided of.

    An estimate is of all slices that were there, so its finding stays as it is.
    """
    left = []
    for finding in findings:
        step = 2 if finding.unit == "pairs" else 1
        ids = finding.slice_ids
        units = [ids[at : at + step] for at in range(0, len(ids), step)]
        open_units = [
            unit
            for unit in units
            if not any(one in decisions.excluded or decisions.is_fine(one, finding.code) for one in unit)
        ]
        gone = len(units) - len(open_units)
        if finding.area == "quality" or finding.estimate is not None or not gone:
            left.append(finding)
        elif finding.count > gone:
            kept = [one for unit in open_units for one in unit]
            left.append(replace(finding, count=finding.count - gone, slice_ids=kept))
    return left


def _figures(
    index: pd.DataFrame, clusters: pd.Series, pairs: DuplicatePairs, groups: pd.Series
) -> dict[str, int]:
    sizes = clusters.value_counts()
    return {
        "slices": len(index),
        "readable": int((index["status"] == OK).sum()),
        "exact_copies": int(pairs.exact.sum()),
        "near_copies": int(pairs.copies.sum()),
        "neighbours": int(pairs.neighbours.sum()),
        "clusters_of_copies": int((sizes > 1).sum()),
        "slices_in_clusters": int(sizes[sizes > 1].sum()),
        "groups": int(groups.nunique()),
    }


def _state(index: pd.DataFrame, split: Split | None, decisions: Decisions) -> str:
    """Return a hash of everything the findings depend on."""
    columns = [index[name] for name in ("slice_id", "content_hash", "label", "patient_id", "source")]
    rows = join_columns(columns, separator="\0")
    excluded = ",".join(sorted(decisions.excluded))
    split_hash = split.hash if split else ""
    return hash_texts(rows, between="\n", before=str(VERSION), after=f"{split_hash}{excluded}")[:16]


def _file(workspace: Workspace, name: str) -> Any:
    return workspace.dataset_dir(name) / "audit.json"
