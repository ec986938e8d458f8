"""The Findings tab: what the audit found, the worst first, each with its pictures."""

from __future__ import annotations

import base64
import html
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from dashboard import loaders, widgets
from dashboard.charts import class_color
from dashboard.loaders import explore as load
from dashboard.loaders import pictures
from dashboard.viewer import GalleryItem, gallery
from pipeline.data.labels import order_labels
from pipeline.jobs import Job, JobStore

if TYPE_CHECKING:
    from pipeline.data.audit import AuditReport
    from pipeline.data.findings import Finding

STRIP = 6  # pictures beside a finding
SHOWN = 48  # when more are asked for
AREAS = {
    "shortcuts": "What gives the class away",
    "leakage": "Leakage",
    "duplicates": "Copies",
    "composition": "Make-up of the data",
    "quality": "Quality of single slices",
}


def draw_findings(dataset: str) -> None:
    """Draw the last audit, or the way to one."""
    running = _running(dataset)
    if running is not None:
        _draw_progress(dataset)
        return
    report = load.audit(dataset)
    if report is None:
        _draw_first(dataset)
        return
    _draw_state(dataset, report)
    if not report.findings:
        widgets.callout("Nothing was found that speaks against this data.", tone="good")
    for area, title in AREAS.items():
        found = [finding for finding in report.findings if finding.area == area]
        if found:
            with widgets.panel(title, key=f"findings-{area}"):
                for number, finding in enumerate(found):
                    _draw_finding(dataset, finding, key=f"{area}-{number}")
    _draw_estimates(report)


def start_audit(dataset: str) -> None:
    """Queue the audit as a job."""
    JobStore(loaders.workspace()).submit("audit", ["audit", dataset], f"Audit {dataset}")


def _running(dataset: str) -> Job | None:
    jobs = [job for job in loaders.jobs("audit") if job.active and dataset in job.argv]
    return jobs[0] if jobs else None


@st.fragment(run_every=1.0)
def _draw_progress(dataset: str) -> None:
    job = _running(dataset)
    if job is None:
        st.rerun()
    with widgets.panel(key="audit-progress"):
        st.progress(job.fraction, text=job.message or "The audit begins")
        if st.button("Stop", key="audit-stop", icon=":material/stop:"):
            JobStore(loaders.workspace()).stop(job.id)


def _draw_first(dataset: str) -> None:
    pressed = widgets.empty_state(
        "Not audited yet",
        "The audit looks for slices that are broken or odd, for copies across classes and patients, for "
        "leaks in the newest split, and for anything that gives the class away without looking at the "
        "lungs. It measures how much lung each slice shows: about a minute for 5,000 slices.",
        action="Audit this data set",
        command=f"python -m pipeline audit {dataset}",
        key="audit",
    )
    if pressed:
        start_audit(dataset)
        st.rerun()


def _draw_state(dataset: str, report: AuditReport) -> None:
    split = f"split {report.split}" if report.split else "no split yet"
    when = report.created.replace("T", " ")[:16]
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        st.caption(f"Audited {when} UTC, {split}", width="stretch")
        st.button(
            "Audit again", key="audit-again", icon=":material/refresh:", on_click=start_audit, args=[dataset]
        )
    if report.stale:
        widgets.callout(
            "The data or its newest split changed since: audit again.", tone="warn", title="Stale"
        )


def _draw_finding(dataset: str, finding: Finding, *, key: str) -> None:
    index = pictures.index_of(dataset)
    labels = order_labels(index["label"].dropna())
    ids = [one for one in finding.slice_ids if one in index.index]
    strip = "".join(_small(dataset, one, labels) for one in ids[:STRIP])
    st.html(
        f'<div class="h-finding" data-severity="{finding.severity}"><div>'
        f"<strong>{html.escape(finding.title)}</strong><span>{html.escape(finding.text)}</span></div>"
        f"<div class=strip>{strip}</div></div>"
    )
    if len(ids) > STRIP and st.toggle(f"Show {min(len(ids), SHOWN)} slices", key=f"finding-{key}"):
        _draw_pictures(dataset, finding, ids[:SHOWN], labels, key=key)


def _small(dataset: str, slice_id: str, labels: list[str]) -> str:
    """Return HTML of one small picture in the colour of its class."""
    picture = pictures.thumbnail(dataset, slice_id)
    if picture is None:
        return ""
    facts = _facts(dataset, slice_id)
    title = html.escape(" · ".join(text for text in facts.values() if text))
    color = class_color(facts["label"], labels) if facts["label"] else "transparent"
    data = f"data:image/jpeg;base64,{base64.b64encode(picture).decode()}"
    return f'<img title="{title}" alt="{title}" style="border-color:{color}" src="{data}">'


def _draw_pictures(dataset: str, finding: Finding, ids: list[str], labels: list[str], *, key: str) -> None:
    picked = gallery([_item(dataset, one, labels) for one in ids], key=f"finding-gallery-{key}", size=104)
    if finding.count > len(ids):
        st.caption(f"The first {len(ids)} slices; the finding is about {finding.count:,} {finding.unit}.")
    if picked is not None:
        widgets.remember("slice", ids[picked])
        st.toast("It is open in the Slices tab.")


def _item(dataset: str, slice_id: str, labels: list[str]) -> GalleryItem:
    facts = _facts(dataset, slice_id)
    return GalleryItem(
        pictures.thumbnail(dataset, slice_id),
        caption=facts["path"].rpartition("/")[2],
        detail=" · ".join(text for text in (facts["label"], facts["patient_id"]) if text),
        color=class_color(facts["label"], labels) if facts["label"] else "",
        badge="" if facts["status"] == "ok" else facts["status"].replace("-", " "),
    )


def _facts(dataset: str, slice_id: str) -> dict[str, str]:
    """Return path, label, patient and status of a slice as text, empty where unknown."""
    row: dict[str, Any] = dict(pictures.index_of(dataset).loc[slice_id])
    names = ("path", "label", "patient_id", "status")
    return {name: row[name] if isinstance(row[name], str) else "" for name in names}


def _draw_estimates(report: AuditReport) -> None:
    """Draw every estimate of a shortcut, also the harmless ones: what was asked is part of the answer."""
    if not report.shortcuts:
        return
    with st.expander(f"All {len(report.shortcuts)} questions asked about shortcuts"):
        table = pd.DataFrame(
            [
                {
                    "feature": shortcut.noun,
                    "class": shortcut.label,
                    "among": shortcut.scope,
                    "AUC": shortcut.value,
                    "low": shortcut.low,
                    "high": shortcut.high,
                    "n": shortcut.slices,
                }
                for shortcut in report.shortcuts
            ]
        )
        st.dataframe(
            table,
            hide_index=True,
            key="shortcut-table",
            column_config={
                name: st.column_config.NumberColumn(format="%.2f") for name in ("AUC", "low", "high")
            },
        )
