"""The audit as one HTML file to hand on: opens anywhere, prints, loads nothing, carries its notice."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.data.audit import AuditReport
from pipeline.data.datasets import load_index, require_manifest
from pipeline.data.decisions import Decisions, load_decisions
from pipeline.data.findings import AREAS, Finding
from pipeline.data.labels import order_labels
from pipeline.data.thumbnails import load_thumbnail
from pipeline.html_parts import SYNTHETIC, html_document, html_table, html_text
from pipeline.workspace import Workspace, atomic_write_text

PICTURES = 12  # beside a finding at most
_SEVERITIES = {"bad": "serious", "warn": "to look at", "note": "good to know"}
_STYLE = """
h3 { font-size: 14px; margin: 0; } figcaption { color: #566072; }
.pictures { background: #fff4d6; padding: 4px 10px; border-left: 3px solid #e0b94f; }
section { border-left: 3px solid #8a94a6; padding: 2px 0 2px 12px; margin: 14px 0; break-inside: avoid; }
section p { margin: 2px 0 6px; } section.bad { border-color: #b3262e; }
section.warn { border-color: #d08700; }
.bad h3 { color: #b3262e; } .warn h3 { color: #8a5a00; }
.strip { display: grid; grid-template-columns: repeat(auto-fill, 108px); gap: 8px; }
figure { margin: 0; } figure img { width: 108px; height: 108px; object-fit: contain; background: #000; }
figcaption { font-size: 11px; line-height: 1.3; overflow-wrap: anywhere; }
"""


@dataclass(frozen=True)
class _Source:
    """Where slices come from: their facts by id, and small pictures of them, each read once."""

    workspace: Workspace
    index: pd.DataFrame
    dataset: str
    pictures: bool
    read: dict[str, bytes | None] = field(default_factory=dict)

    def picture(self, slice_id: str) -> bytes | None:
        if slice_id not in self.read:
            row: dict[str, Any] = dict(self.index.loc[slice_id])
            self.read[slice_id] = load_thumbnail(self.workspace, self.dataset, row)
        return self.read[slice_id]


def write_audit_report(
    workspace: Workspace, report: AuditReport, path: Path, *, pictures: bool = True
) -> None:
    """Write the report to `path`, whole or not at all."""
    atomic_write_text(path.expanduser().absolute(), build_audit_report(workspace, report, pictures=pictures))


def build_audit_report(workspace: Workspace, report: AuditReport, *, pictures: bool = True) -> str:
    """Return an audit as one self-contained HTML document, with up to 12 small pictures a finding.

    Args:
        pictures: without them, slices are named by their paths alone.
    """
    index = load_index(workspace, report.name).set_index("slice_id", drop=False)
    source = _Source(workspace, index, report.name, pictures)
    manifest = require_manifest(workspace, report.name)
    sections = [
        _head(report, manifest, pictures=pictures),
        _counts(report, index),
        *_findings(report, source),
        _estimates(report),
        _decided(load_decisions(workspace, report.name), index),
    ]
    return html_document(f"Audit of {report.name}", sections, style=_STYLE)


def _head(report: AuditReport, manifest: dict[str, Any], *, pictures: bool) -> str:
    split = f"split {report.split}" if report.split else "no split"
    synthetic = f"<p>{SYNTHETIC}</p>"
    stale = "<p><b>Stale:</b> the data, its newest split or what is excluded changed since this audit.</p>"
    note = (
        '<p class="pictures">This page contains image thumbnails and file names of the slices: hand it '
        "on only where those may go.</p>"
        if pictures
        else '<p class="muted">Without pictures; file names of the slices are on it.</p>'
    )
    return (
        f"<h1>Audit of {html_text(report.name)}</h1>"
        f'<p class="muted">Audited {html_text(report.created.replace("T", " ")[:16])} UTC · '
        f"{html_text(split)} · written {datetime.now(UTC):%Y-%m-%d %H:%M} UTC</p>"
        f"{synthetic if manifest.get('synthetic') else ''}{stale if report.stale else ''}{note}"
    )


def _counts(report: AuditReport, index: pd.DataFrame) -> str:
    known = int(index["patient_id"].nunique())
    words = {
        "slices": "Slices",
        "readable": "Readable",
        "groups": "Groups that splits keep together",
        "exact_copies": "Exact copies, pairs",
        "near_copies": "Near-copies, pairs",
        "neighbours": "Neighbouring slices, pairs",
    }
    rows = [[words[name], f"{count:,}"] for name, count in report.figures.items() if name in words]
    rows.insert(2, ["Patients", f"{known:,} known" if known else "unknown"])
    rows += [
        [f"Excluded, {name}", f"{count:,}"] for name, count in [("slices", report.decisions["excluded"])]
    ]
    rows += [["Called fine, slices", f"{report.decisions['fine']:,}"]]
    labels = index["label"].dropna()
    by_label = labels.value_counts()
    patients = index.groupby("label")["patient_id"].nunique()
    classes = [[label, f"{by_label[label]:,}", _known(patients[label])] for label in order_labels(labels)]
    by_class = html_table(["Class", "Slices", "Patients"], classes)
    return f"<h2>What there is</h2>{html_table(['', 'n'], rows)}{by_class}"


def _known(patients: int) -> str:
    return f"{patients:,} known" if patients else "unknown"


def _findings(report: AuditReport, source: _Source) -> Iterable[str]:
    counts = {name: sum(one.severity == name for one in report.findings) for name in _SEVERITIES}
    said = ", ".join(f"{count} {_SEVERITIES[name]}" for name, count in counts.items() if count)
    yield f"<h2>Findings</h2><p>{said or 'Nothing was found that speaks against this data.'}</p>"
    for area, title in AREAS.items():
        found = [finding for finding in report.findings if finding.area == area]
        if found:
            yield f"<h2>{title}</h2>{''.join(_finding(one, source) for one in found)}"


def _finding(finding: Finding, source: _Source) -> str:
    ids = [one for one in finding.slice_ids if one in source.index.index][:PICTURES]
    decided = ", ".join(f"{count:,} {name}" for name, count in _decided_counts(finding).items())
    more = f'<p class="muted">Not counted here: {html_text(decided)}.</p>' if decided else ""
    size = f"{_SEVERITIES[finding.severity]}, {finding.count:,} {finding.unit}"
    return (
        f'<section class="{finding.severity}"><h3>{html_text(finding.title)} '
        f'<span class="muted">({html_text(size)})</span>'
        f"</h3><p>{html_text(finding.text)}</p>{more}"
        f'<div class="strip">{"".join(_slice(one, source) for one in ids)}</div></section>'
    )


def _decided_counts(finding: Finding) -> dict[str, int]:
    return {name: finding.details[name] for name in ("excluded", "fine") if finding.details.get(name)}


def _slice(slice_id: str, source: _Source) -> str:
    row = source.index.loc[slice_id]
    picture = source.picture(slice_id) if source.pictures else None
    image = ""
    if picture is not None:
        image = f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(picture).decode()}">'
    label = row["label"] if isinstance(row["label"], str) else "no class"
    return f"<figure>{image}<figcaption>{html_text(row['path'])}<br>{html_text(label)}</figcaption></figure>"


def _estimates(report: AuditReport) -> str:
    """Return every estimate of a shortcut, also the harmless ones: what was asked is part of the answer."""
    if not report.shortcuts:
        return ""
    rows = [
        [
            one.noun,
            one.label,
            one.scope,
            f"{one.value:.2f} ({one.low:.2f} to {one.high:.2f})",
            f"{one.slices:,}",
        ]
        for one in report.shortcuts
    ]
    columns = ["Feature alone", "tells the class", "among", "AUC (95 % interval)", "n"]
    return (
        "<h2>All questions asked about shortcuts</h2>"
        '<p class="muted">How well one property of a slice, without any anatomy, tells a class from the '
        f"rest: 0.5 is chance. Intervals by resampling groups.</p>{html_table(columns, rows)}"
    )


def _decided(decisions: Decisions, index: pd.DataFrame) -> str:
    rows = [
        [
            str(index.loc[one, "path"]),
            decisions.verdict_of(one),
            ", ".join(sorted(decisions.fine.get(one, []))),
        ]
        for one in sorted({*decisions.excluded, *decisions.fine})
        if one in index.index
    ]
    if not rows:
        return ""
    return (
        "<h2>What was decided</h2>"
        '<p class="muted">Excluded slices are in no new split, training or figure; fine ones left the '
        f"findings that are named (* all).</p>{html_table(['Slice', 'Decision', 'As to'], rows)}"
    )
