"""The Split tab: the splits there are, and a new one shown before it is frozen."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from dashboard import loaders, widgets
from dashboard.charts.explore import parts_figure
from dashboard.loaders import explore as load
from dashboard.loaders.splitting import preview_split

if TYPE_CHECKING:
    from pipeline.data.splits import Split

GROUPINGS = {
    "patient": "by patient",
    "cluster": "by near-duplicate cluster",
    "none": "slice by slice (flatters)",
}
HINTS = {
    "patient": "All slices of one patient id, and all near-copies, are in one part.",
    "cluster": "Near-copies are in one part, and patients where they are known.",
    "none": "Slices of one patient are on both sides: to see how much that flatters a model.",
}
COLUMN_HINT = "All slices of one {} are in one part, and so are those of one patient id, and near-copies."
FROM_EVERYWHERE = "a share of everything"
MOST_VALUES = 40


def draw_splitting(dataset: str) -> None:
    """Draw the frozen splits and the leakage meter on one side, a new split on the other."""
    from dashboard.exploring.meter import draw_meter  # its statistics library takes a second to load

    left, right = st.columns([7, 5], gap="small")
    with right, widgets.panel("New split", "nothing is written before you freeze it", key="split-new"):
        with widgets.guarded("The new split could not be drawn."):
            _draw_new(dataset)
    with left:
        with widgets.panel("Splits", "frozen: runs refer to them", key="split-made"):
            _draw_made(load.splits(dataset))
        with widgets.panel("Leakage meter", "what a careless split is worth", key="split-meter"):
            draw_meter(dataset)


def describe_grouping(group_by: str) -> str:
    """Return how a split was made, in words."""
    from pipeline.data.grouping import COLUMN

    return GROUPINGS.get(group_by) or f"by {group_by.removeprefix(COLUMN)}"


def _draw_made(splits: list[Split]) -> None:
    if not splits:
        widgets.callout("No split yet. Training needs one: freeze the one on the right.", tone="neutral")
        return
    by_name = {split.name: split for split in splits}
    chosen = st.selectbox("Split", list(by_name), key="split.shown", help="The newest comes first.")
    split = by_name[chosen]
    folds = f", {split.folds} folds" if split.folds else ""
    tested = f", tested on {split.test_on}" if split.test_on else ""
    st.caption(
        f"{describe_grouping(split.group_by)}{tested}{folds}, seed {split.seed}, hash {split.hash[:12]}"
    )
    _draw_table(split.table, split.notes, key="made")


def _draw_new(dataset: str) -> None:
    from pipeline.data.splits import hash_table

    choice = _choose(dataset)
    left, middle, right = st.columns(3)
    parts = left.number_input("Folds", 0, 20, 0, key="split.folds", help="0 or 1: one validation part.")
    seed = middle.number_input("Seed", 0, 10_000, 0, key="split.seed")
    name = right.text_input("Name", key="split.name", placeholder="chosen for you")
    choice |= {"folds": int(parts) if parts > 1 else None, "seed": int(seed)}
    table, notes = preview_split(dataset, **choice)
    _draw_table(table, tuple(notes), key="new")
    same = next((split.name for split in load.splits(dataset) if split.hash == hash_table(table)), None)
    if same is not None and name in ("", same):
        st.caption(f"This very split is frozen already, as {same}.")
    elif st.button("Freeze this split", type="primary", key="split-freeze", icon=":material/lock:"):
        from pipeline.data.splits import make_split

        made = make_split(loaders.workspace(), dataset, name=name or None, **choice)
        st.session_state["split.made"] = made.name
        st.rerun()
    made = st.session_state.pop("split.made", None)
    if made is not None:
        st.toast(f"Frozen as {made}.")


def _choose(dataset: str) -> dict[str, Any]:
    """Ask what to keep together and what to test on; return both as `make_split` takes them."""
    from pipeline.data.grouping import COLUMN, origin_columns

    index = load.index(dataset)
    known = index["patient_id"].notna().any()
    columns = origin_columns(index.drop(columns=["cluster", "part", "copies", "alike"], errors="ignore"))
    options = [name for name in GROUPINGS if known or name != "patient"]
    by_column = "by a column"
    labels = {**GROUPINGS, by_column: by_column}
    group_by = st.radio(
        "Keep together",
        [*options, by_column] if columns else options,
        format_func=labels.get,
        key="split.group-by",
        horizontal=True,
    )
    left, right = st.columns(2)
    if group_by == by_column:
        column = left.selectbox("Column", columns, key="split.column")
        hint, group_by = COLUMN_HINT.format(column), f"{COLUMN}{column}"
    else:
        hint = HINTS[group_by]
    test_on = _choose_test(right if group_by.startswith(COLUMN) else st, index, columns)
    st.caption(hint + ("" if known else " No patient id is known here."))
    return {"group_by": group_by, "test_on": test_on}


def _choose_test(place: Any, index: pd.DataFrame, columns: list[str]) -> str | None:
    """Ask whether a whole source is held out for the test; None where nothing can be."""
    values = [
        f"{column}={value}"
        for column in columns
        if index[column].nunique() <= MOST_VALUES
        for value in sorted(index[column].dropna().unique())
    ]
    if not values:
        return None
    chosen = place.selectbox(
        "Test on",
        [FROM_EVERYWHERE, *values],
        key="split.test-on",
        help="A whole source or scanner that nothing is learnt from: what the model is worth elsewhere.",
    )
    return None if chosen == FROM_EVERYWHERE else str(chosen)


def _draw_table(table: pd.DataFrame, notes: tuple[str, ...], *, key: str) -> None:
    """Draw slices, patients, groups and classes of each part, as a table and as shares."""
    from pipeline.data.labels import order_labels
    from pipeline.data.splits import PARTS

    labels = order_labels(table["label"])
    counts = pd.crosstab(table["part"], table["label"]).reindex(index=PARTS, columns=labels, fill_value=0)
    grouped = table.groupby("part")
    totals = pd.DataFrame(
        {
            "slices": grouped.size(),
            "patients": grouped["patient_id"].nunique(),
            "groups": grouped["group"].nunique(),
        }
    ).reindex(PARTS, fill_value=0)
    head = "".join(f"<th>{html.escape(name)}</th>" for name in ("", *totals, *labels))
    rows = "".join(
        f"<tr><td>{part}</td>"
        + "".join(f"<td>{value:,}</td>" for value in [*totals.loc[part], *counts.loc[part]])
        + "</tr>"
        for part in PARTS
    )
    st.html(f'<table class="h-partition"><tr>{head}</tr>{rows}</table>')
    widgets.chart(parts_figure(counts), key=f"split-chart-{key}", height=210)
    for note in notes:
        widgets.callout(note, tone="warn")
