"""The line of filters above the slices, and the chips of those that stand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from dashboard.exploring.selecting import MAP, PATH, QUALITIES, Filters, Lasso
from dashboard.loaders import explore as load
from dashboard.loaders import overview as load_overview

MOST_CHOICES = 3_000  # values that a choice offers; beyond, the search finds them
_COLUMNS = {"Part": "part", "Source": "source", "Patient": "patient_id", "Format": "format"}
_LASSO = "explore.lasso"


def draw_filters(dataset: str) -> Filters:
    """Draw what can be filtered and sorted by, and return what is wanted."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="explore-filters"):
        labels = load_overview.labels(dataset)
        chosen = st.pills("Class", labels, selection_mode="multi", key="explore.labels") if labels else []
        quality = st.selectbox("Show", QUALITIES, key="explore.quality", width=124)
        text = st.text_input("Search", key="explore.text", placeholder="path, patient or id", width=170)
        sorts = [PATH, *load_overview.statistics(dataset)]
        _forget_if_gone("explore.sort", sorts)
        sort = st.selectbox("Sort by", sorts, key="explore.sort", width=152)
        descending = st.toggle("Descending", key="explore.descending", help="The greatest first.")
        with st.popover("More filters", icon=":material/filter_list:", key="explore.more"):
            values = _draw_choices(dataset)
            finding, ids = _draw_finding(dataset)
        of, lasso = st.session_state.get(_LASSO, (dataset, None))
        lasso = lasso if of == dataset else None  # another data set's line means nothing here
        filters = Filters(tuple(chosen), values, quality, text, finding, ids, lasso, sort, descending)
        _draw_chips(dataset, filters)
    return filters


def set_lasso(dataset: str, lasso: Lasso | None) -> None:
    """Filter slices of a data set by a line drawn around points; None takes it away."""
    st.session_state[_LASSO] = (dataset, lasso)


def _draw_choices(dataset: str) -> tuple[tuple[str, str], ...]:
    """Draw a choice for each column that has several values, and return what is chosen."""
    chosen = []
    for title, column in _COLUMNS.items():
        values = load_overview.choices(dataset, column)
        if len(values) < 2:
            continue
        if len(values) > MOST_CHOICES:
            st.caption(f"{title}: {len(values):,}, too many to list: search for one.")
            continue
        _forget_if_gone(_key(title), values)
        value = st.selectbox(title, values, index=None, placeholder="any", key=_key(title))
        if value is not None:
            chosen.append((column, value))
    return tuple(chosen)


def _draw_finding(dataset: str) -> tuple[str, tuple[str, ...]]:
    """Draw the choice among what the audit found, and return its title and slices."""
    report = load.audit(dataset)
    if report is None:
        st.caption("Findings can be filtered by once the data set is audited (the Findings tab).")
        return "", ()
    found = {finding.title: finding for finding in report.findings if finding.slice_ids}
    if not found:
        return "", ()
    _forget_if_gone("explore.finding", list(found))
    title = st.selectbox("Finding", list(found), index=None, placeholder="any", key="explore.finding")
    if title is None:
        return "", ()
    finding = found[title]
    if finding.count > len(finding.slice_ids):
        st.caption(f"The first {len(finding.slice_ids):,} slices of {finding.count:,} {finding.unit}.")
    return title, tuple(finding.slice_ids)


def _draw_chips(dataset: str, filters: Filters) -> None:
    """Draw the filters that stand and are not seen in the line above, each to be taken away by a click."""
    chips: list[tuple[str, str, Callable[[], Any]]] = []
    titles = {column: title for title, column in _COLUMNS.items()}
    for column, value in filters.values:
        chips.append((f"{titles[column]}: {value}", _key(titles[column]), _taking_away(_key(titles[column]))))
    if filters.finding:
        chips.append((f"Finding: {filters.finding}", "finding", _taking_away("explore.finding")))
    if filters.lasso is not None:
        axes = f"{filters.lasso.x} and {filters.lasso.y}" if filters.lasso.x != MAP else "the map"
        chips.append((f"Drawn on {axes}", "lasso", lambda: set_lasso(dataset, None)))
    for words, key, take_away in chips:
        st.button(words, icon=":material/close:", key=f"chip.{key}", on_click=take_away)


def _taking_away(key: str) -> Callable[[], None]:
    def take_away() -> None:
        st.session_state[key] = None

    return take_away


def _forget_if_gone(key: str, options: list[str]) -> None:
    """Forget a choice that this data set doesn't have."""
    if st.session_state.get(key) not in (None, *options):
        del st.session_state[key]


def _key(title: str) -> str:
    return f"explore.{title.lower()}"
