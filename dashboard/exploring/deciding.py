"""Deciding of slices on the Findings tab: fine or exclude, one or all of a finding, and taking it back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from dashboard import loaders, widgets
from dashboard.loaders import explore as load
from dashboard.loaders import pictures
from dashboard.viewer import GalleryItem, gallery

if TYPE_CHECKING:
    from pipeline.data.audit import AuditReport
    from pipeline.data.findings import Finding

SHOWN = 60  # decided slices that are drawn
CLICKS = {"open": "Opens it", "fine": "Fine", "exclude": "Exclude"}


def describe(report: AuditReport) -> str:
    """Return what is decided in a few words."""
    decided = [f"{count:,} {name}" for name, count in report.decisions.items() if count]
    return f"Decided: {', '.join(decided)}." if decided else ""


def already(finding: Finding) -> str:
    """Return how many slices left a finding because they were decided of, in words."""
    return ", ".join(
        f"{finding.details[name]:,} {name}" for name in ("fine", "excluded") if finding.details.get(name)
    )


def draw_undo(dataset: str, report: AuditReport) -> None:
    """Draw the button that takes the last decision back, where there is one."""
    if any(report.decisions.values()):
        st.button(
            "Undo",
            key="decide-undo",
            icon=":material/undo:",
            help="Takes the last decision back",
            shortcut="U",
            on_click=_undo_last,
            args=[dataset],
        )


def draw_actions(dataset: str, finding: Finding, ids: Sequence[str], *, key: str) -> str:
    """Draw what a click on a picture means and the buttons for all slices; return what a click means."""
    chosen = st.segmented_control(
        "A click on a picture",
        list(CLICKS),
        default="open",
        format_func=CLICKS.__getitem__,
        key=f"click-{key}",
    )
    for verdict, text, icon in (
        ("fine", "All fine", ":material/check:"),
        ("exclude", "Exclude all", ":material/block:"),
    ):
        st.button(
            f"{text} ({finding.count if finding.unit == 'slices' else len(ids):,})",
            key=f"all-{verdict}-{key}",
            icon=icon,
            on_click=_keep_all,
            args=[dataset, verdict, finding.code, tuple(ids)],
        )
    if others := load.all_but_one(dataset, finding.code):
        st.button(
            f"Exclude all but one of each ({len(others):,})",
            key=f"all-but-one-{key}",
            icon=":material/filter_1:",
            help="Of each group of copies the first by path stays.",
            on_click=keep,
            args=[dataset, "exclude", others, finding.code],
        )
    return chosen or "open"


def draw_slice_actions(dataset: str, slice_id: str) -> None:
    """Draw what is decided of one slice, with the buttons that decide of it or take that back."""
    verdict = load.decisions(dataset).verdict_of(slice_id)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="slice-actions"):
        if verdict:
            st.caption(f"Decided: {verdict}.", width="content")
            if st.button("Undo", key="slice-undo", icon=":material/undo:"):
                _undo(dataset, slice_id)
                st.rerun()
        else:
            fine = st.button("Fine", key="slice-fine", icon=":material/check:", help="As to every finding")
            if st.button("Exclude", key="slice-exclude", icon=":material/block:") or fine:
                keep(dataset, "fine" if fine else "exclude", [slice_id])
                st.rerun()


def keep(dataset: str, verdict: str, slice_ids: Sequence[str], code: str | None = None) -> None:
    """Keep a decision, of slices that are fine as to one finding or as to all, and say so."""
    from pipeline.data.decisions import decide

    with widgets.guarded():
        decide(loaders.workspace(), dataset, verdict, slice_ids, finding=code if verdict == "fine" else None)
        many = f"{len(slice_ids):,} slices" if len(slice_ids) != 1 else "1 slice"
        word = "excluded" if verdict == "exclude" else "called fine"
        st.toast(f"{many} {word}. Undo takes it back.")


def draw_decided(dataset: str) -> None:
    """Draw the slices that something was decided of; a click takes a decision back."""
    known = load.decisions(dataset)
    index = pictures.index_of(dataset)
    last = {each.slice_id: place for place, each in enumerate(known.log)}
    decided = sorted({*known.excluded, *known.fine}, key=lambda one: -last[one])
    ids = [one for one in decided if one in index.index]
    if not ids:
        return
    counts = known.counts()
    with st.expander(f"Decided: {counts['excluded']:,} excluded, {counts['fine']:,} fine"):
        st.caption(
            "Excluded slices are in no new split, training, audit or evaluation; Explore's counts and charts "
            "have them still, and the files stay where they are. A click takes back what was decided of one."
        )
        shown = ids[:SHOWN]
        picked = gallery([_item(dataset, one) for one in shown], key="decided-gallery", size=104)
        if len(ids) > len(shown):
            st.caption(f"The last {len(shown):,} of {len(ids):,}.")
        if picked is not None:
            _undo(dataset, shown[picked])
            st.rerun()


def _item(dataset: str, slice_id: str) -> GalleryItem:
    known = load.decisions(dataset)
    path = str(pictures.index_of(dataset).loc[slice_id, "path"])
    codes = sorted(known.fine.get(slice_id, ())) if slice_id not in known.excluded else []
    about = ", ".join("all findings" if code == "*" else code.replace("-", " ") for code in codes)
    return GalleryItem(
        pictures.thumbnail(dataset, slice_id),
        caption=path.rpartition("/")[2],
        detail=about,
        badge=known.verdict_of(slice_id),
    )


def _keep_all(dataset: str, verdict: str, code: str, ids: Sequence[str]) -> None:
    """Decide of every slice of a finding: of a quality finding those too that are not listed."""
    from pipeline.data.deciding import open_slices
    from pipeline.data.decisions import DecisionError

    try:
        every: Sequence[str] = open_slices(loaders.workspace(), dataset, code)
    except DecisionError:
        every = ids
    keep(dataset, verdict, every, code)


def _undo(dataset: str, slice_id: str) -> None:
    from pipeline.data.decisions import decide

    decide(loaders.workspace(), dataset, "undo", [slice_id])
    st.toast("Taken back.")


def _undo_last(dataset: str) -> None:
    from pipeline.data.decisions import undo_last

    taken = undo_last(loaders.workspace(), dataset)
    st.toast(f"Taken back: {len(taken):,} slice{'' if len(taken) == 1 else 's'}.")
