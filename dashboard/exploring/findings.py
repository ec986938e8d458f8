"""The Findings tab: what the audit found, the worst first, with pictures to decide about."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from dashboard import loaders, widgets
from dashboard.charts import class_color
from dashboard.exploring import deciding
from dashboard.loaders import explore as load
from dashboard.loaders import pictures
from dashboard.viewer import GalleryItem, gallery
from pipeline.data.findings import AREAS
from pipeline.data.labels import order_labels
from pipeline.jobs import Job, JobStore

if TYPE_CHECKING:
    from pipeline.data.audit import AuditReport
    from pipeline.data.findings import Finding

STRIP = 6  # pictures beside a finding
SHOWN = 48  # on a page of those that are opened
DECIDED_AREAS = frozenset({"quality", "duplicates", "leakage"})  # the others are about the data as a whole


def draw_findings(dataset: str) -> None:
    """Draw the last audit, or the way to one."""
    running = _running(dataset)
    if running is not None:
        _draw_progress(dataset)
        return
    report = load.audit(dataset)
    _draw_ending(dataset, report)
    if report is None:
        _draw_first(dataset)
        return
    _draw_state(dataset, report)
    if not report.findings:
        widgets.callout("Nothing is left that speaks against this data.", tone="good")
    for area, title in AREAS.items():
        found = [finding for finding in report.findings if finding.area == area]
        if found:
            with widgets.panel(title, key=f"findings-{area}"):
                for finding in found:
                    _draw_finding(dataset, finding)
    deciding.draw_decided(dataset)
    _draw_estimates(report)


def start_audit(dataset: str) -> None:
    """Queue the audit as a job."""
    JobStore(loaders.workspace()).submit("audit", ["audit", dataset], f"Audit {dataset}")


def _jobs(dataset: str) -> list[Job]:
    return [job for job in loaders.jobs("audit") if dataset in job.argv]


def _running(dataset: str) -> Job | None:
    return next((job for job in _jobs(dataset) if job.active), None)


@st.fragment(run_every=1.0)
def _draw_progress(dataset: str) -> None:
    job = _running(dataset)
    if job is None:
        st.rerun()
    with widgets.panel(key="audit-progress"), st.container(horizontal=True, vertical_alignment="center"):
        st.progress(job.fraction, text=f"**{job.title}**: {job.message or 'it begins'}")
        if st.button("Stop", key="audit-stop", icon=":material/stop:", disabled=job.stop_asked):
            JobStore(loaders.workspace()).stop(job.id)
            st.rerun(scope="fragment")


def _draw_ending(dataset: str, report: AuditReport | None) -> None:
    """Say why the last audit ended without a report, where it did."""
    last = next(iter(_jobs(dataset)), None)
    if last is None or last.status not in ("failed", "lost", "stopped"):
        return
    words = "What it had measured is kept: the next one goes on from there."
    tone: Any = "neutral" if last.status == "stopped" else "bad"
    widgets.callout(f"{last.message} {words}", tone=tone, title=f"The last audit was {_ended(last)}")


def _ended(job: Job) -> str:
    return {"failed": "broken off", "lost": "lost", "stopped": "stopped"}[job.status]


def _draw_first(dataset: str) -> None:
    pressed = widgets.empty_state(
        "Not audited yet",
        "The audit looks for slices that are broken, odd or no chest CT, for copies across classes and "
        "patients, for leaks in the newest split, and for anything that gives the class away without looking "
        "at the lungs. Each slice is measured once: about two minutes for 5,000.",
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
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(f"Audited {when} UTC, {split}. {deciding.describe(report)}", width="stretch")
        deciding.draw_undo(dataset, report)
        _draw_download(dataset, report)
        st.button(
            "Audit again", key="audit-again", icon=":material/refresh:", on_click=start_audit, args=[dataset]
        )
    if report.stale:
        widgets.callout(
            "The data, its newest split, or what is excluded changed since. Quality and decisions are of "
            "now; copies, leaks and shortcuts are of then: audit again.",
            tone="warn",
            title="Stale",
        )


def _draw_download(dataset: str, report: AuditReport) -> None:
    """Offer the audit as one file, made when it is asked for."""
    with st.popover("Report", icon=":material/download:", help="The audit as one HTML file to hand on"):
        with_pictures = st.toggle("With small pictures of slices", value=True, key="audit-pictures")
        st.caption("One HTML file that loads nothing. It names slices by their file names.")
        widgets.draw_download(
            "Report",
            lambda: load.audit_report(dataset, report, pictures=with_pictures),
            of=(dataset, report.created, report.stale, str(report.decisions), with_pictures),
            file_name=f"audit-{dataset}.html",
            mime="text/html",
            key="audit-download",
        )


def _draw_finding(dataset: str, finding: Finding) -> None:
    index = pictures.index_of(dataset)
    labels = order_labels(index["label"].dropna())
    ids = [one for one in finding.slice_ids if one in index.index]
    strip = "".join(_small(dataset, one, labels) for one in ids[:STRIP])
    decided = deciding.already(finding)
    aside = f"<span><i>Not counted: {html.escape(decided)}.</i></span>" if decided else ""
    st.html(
        f'<div class="h-finding" data-severity="{finding.severity}"><div>'
        f"<strong>{html.escape(finding.title)}</strong><span>{html.escape(finding.text)}</span>{aside}</div>"
        f"<div class=strip>{strip}</div></div>"
    )
    if ids and st.toggle(open_label(finding, len(ids)), key=f"finding-{_key(finding)}"):
        _draw_pictures(dataset, finding, ids, labels)


def open_label(finding: Finding, pictures: int) -> str:
    """Return what opens a finding's pictures: how many slices or pairs, and of how many."""
    unit, shown = ("pair", pictures // 2) if finding.unit == "pairs" else ("slice", pictures)
    of = f" of {finding.count:,}" if 1 < shown < finding.count else ""
    many = f"the {unit}" if shown == 1 else f"{shown:,}{of} {unit}s"
    title = finding.title if finding.title[:2].isupper() else finding.title[:1].lower() + finding.title[1:]
    return f"Look at {many}: {title}"


def _key(finding: Finding) -> str:
    """Return what tells a finding from others, whatever their order: an open one stays open."""
    return re.sub(r"[^a-z0-9]+", "-", f"{finding.code} {finding.title}".lower())


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


def _draw_pictures(dataset: str, finding: Finding, ids: list[str], labels: list[str]) -> None:
    key = _key(finding)
    page, pages = 1, -(-len(ids) // SHOWN)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        action = "open"
        if finding.area in DECIDED_AREAS:
            action = deciding.draw_actions(dataset, finding, ids, key=key)
        if pages > 1:
            page = int(st.number_input("Page", 1, pages, key=f"finding-page-{key}", width=120))
    shown = ids[(page - 1) * SHOWN : page * SHOWN]
    picked = gallery([_item(dataset, one, labels) for one in shown], key=f"finding-gallery-{key}", size=104)
    if finding.unit == "slices" and finding.count > len(ids):
        st.caption(f"{len(ids):,} of {finding.count:,} slices; the buttons for all mean every one of them.")
    if picked is not None:
        _act(dataset, finding, shown[picked], action)


def _act(dataset: str, finding: Finding, slice_id: str, action: str) -> None:
    """Do with a slice that was clicked what a click means now."""
    if action == "open":
        widgets.remember("slice", slice_id)
        st.toast("It is open in the Slices tab.")
    else:
        deciding.keep(dataset, action, [slice_id], finding.code)
        st.rerun()


def _item(dataset: str, slice_id: str, labels: Sequence[str]) -> GalleryItem:
    facts = _facts(dataset, slice_id)
    decided = load.decisions(dataset).verdict_of(slice_id)
    return GalleryItem(
        pictures.thumbnail(dataset, slice_id),
        caption=facts["path"].rpartition("/")[2],
        detail=" · ".join(text for text in (facts["label"], facts["patient_id"]) if text),
        color=class_color(facts["label"], labels) if facts["label"] else "",
        badge=decided or ("" if facts["status"] == "ok" else facts["status"].replace("-", " ")),
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
