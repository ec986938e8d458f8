"""Choices that pages share and links carry: data set, run, slice.

A choice lives in the address (`?dataset=demo&run=ab12&slice=...`), so a link opens what its sender saw, and
in the session, so that it survives going from page to page (which empties the address).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import streamlit as st

from dashboard import loaders
from dashboard.widgets.parts import synthetic_badge

if TYPE_CHECKING:
    from pipeline.data.datasets import DatasetInfo
    from pipeline.runs import RunInfo


def recall(name: str) -> str | None:
    """Return the choice called `name`: from the address, else what this session last chose, else None."""
    chosen = st.query_params.get(name) or st.session_state.get(f"choice.{name}")
    if chosen:
        remember(name, chosen)
    return chosen


def remember(name: str, value: str | None) -> None:
    """Keep a choice in the session and in the address; None forgets it."""
    st.session_state[f"choice.{name}"] = value
    if value is None:
        if name in st.query_params:
            del st.query_params[name]
    elif st.query_params.get(name) != value:
        st.query_params[name] = value


def dataset_picker(*, label: str = "Data set", only: Sequence[str] | None = None) -> DatasetInfo | None:
    """Draw the choice of data set (bound to `?dataset=`) and return it; None where there is none.

    A new data set forgets the chosen slice. `only` limits the names offered. Synthetic data gets its badge
    here, as a synthetic run does in `run_picker`: pages need not think of it.
    """
    found = {info.name: info for info in loaders.datasets() if only is None or info.name in only}
    name = _pick("dataset", label, list(found), forgets=("slice",))
    if name is None:
        return None
    synthetic_badge(found[name].synthetic)
    return found[name]


def run_picker(
    *,
    label: str = "Model",
    keep: Callable[[RunInfo], bool] = lambda run: True,
) -> RunInfo | None:
    """Draw the choice of run (bound to `?run=`) and return it; None, drawing nothing, where there is none.

    `keep` says which runs are offered, for example only finished ones.
    """
    found = {run.id: run for run in loaders.runs() if keep(run)}
    chosen = recall("run")
    if chosen and chosen not in found:  # a link may give a name or the beginning of an id
        matches = [run.id for run in found.values() if run.name == chosen or run.id.startswith(chosen)]
        if matches:
            remember("run", matches[0])
    run_id = _pick("run", label, list(found), describe=_distinct_names(found).__getitem__)
    if run_id is None:
        return None
    synthetic_badge(found[run_id].tags.get("synthetic") == "true")
    return found[run_id]


def _distinct_names(runs: Mapping[str, RunInfo]) -> dict[str, str]:
    """Return a text for each run: of two that read alike a choice would come back as either."""
    count = Counter(run.name for run in runs.values())
    return {
        key: key[:8] if not run.name else run.name if count[run.name] == 1 else f"{run.name} ({key[:8]})"
        for key, run in runs.items()
    }


def _pick(
    name: str,
    label: str,
    options: list[str],
    *,
    describe: Callable[[str], str] = str,
    forgets: tuple[str, ...] = (),
) -> str | None:
    if not options:
        return None
    chosen = recall(name)
    if chosen not in options:
        if chosen is not None:
            st.toast(f"There is no {label.lower()} called {chosen!r} here; showing {describe(options[0])}.")
        chosen = options[0]
        remember(name, chosen)
    key = f"picker.{name}"

    def changed() -> None:
        remember(name, st.session_state[key])
        for other in forgets:
            remember(other, None)

    st.session_state[key] = chosen
    st.selectbox(label, options, key=key, format_func=describe, on_change=changed, width=280)
    return chosen
