"""Choices that pages share and links carry: data set, run, slice.

A choice lives in the address (`?dataset=demo&run=ab12&slice=...`), so a link opens what its sender saw, and
in the session, so that it survives going from page to page (which empties the address). What was asked for
and can't be shown is never exchanged for something else: the picker stays empty, and `missing` says why.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from dashboard import loaders
from dashboard.widgets.parts import synthetic_badge

if TYPE_CHECKING:
    from pipeline.data.datasets import DatasetInfo
    from pipeline.runs import RunInfo


@dataclass(frozen=True)
class Missing:
    """A choice that was asked for and can't be shown.

    Attributes:
        title, text: what it is, and why.
        offered: what could be shown instead; `offered_text` is how it reads.
        forgets: choices that go with the one that is missing.
    """

    title: str
    text: str
    offered: str
    offered_text: str
    forgets: tuple[str, ...] = ()


def missing(name: str) -> Missing | None:
    """Return why the picker of `name` on this page chose nothing; None where there was nothing to choose."""
    found: Missing | None = st.session_state.get(f"missing.{name}")
    return found


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
    gone = (
        f"There is no {label.lower()} of this name here: it was removed, or the link is of another workspace."
    )
    name = _pick("dataset", label, list(found), forgets=("slice",), why=lambda asked: (asked, gone))
    if name is None:
        return None
    synthetic_badge(found[name].synthetic)
    return found[name]


def run_picker(
    *,
    label: str = "Model",
    keep: Callable[[RunInfo], bool] = lambda run: True,
    needs: str = "exported model",
) -> RunInfo | None:
    """Draw the choice of run (bound to `?run=`) and return it.

    None where there is none to choose (then nothing is drawn), or where another was asked for (`missing`).
    The newest finished run is chosen where nothing was asked for.

    Args:
        keep: which runs are offered, for example only finished ones.
        needs: what `keep` asks of a run, in words.
    """
    runs = loaders.runs()
    found = {run.id: run for run in runs if keep(run)}
    chosen = recall("run")
    if chosen and chosen not in found:  # a link may give a name or the beginning of an id
        matches = _answering(found.values(), chosen)
        if matches:
            remember("run", matches[0].id)
    run_id = _pick(
        "run",
        label,
        list(found),
        first=next((key for key, run in found.items() if run.status == "finished"), None),
        describe=_distinct_names(found).__getitem__,
        why=lambda asked: _why_no_run(_answering(runs, asked), asked, needs),
    )
    if run_id is None:
        return None
    synthetic_badge(found[run_id].tags.get("synthetic") == "true")
    return found[run_id]


def _answering(runs: Iterable[RunInfo], text: str) -> list[RunInfo]:
    """Return the runs that have this name, or an id that begins so."""
    return [run for run in runs if run.name == text or run.id.startswith(text)]


def _why_no_run(answering: Sequence[RunInfo], asked: str, needs: str) -> tuple[str, str]:
    """Return how a run is called that can't be chosen, and why it can't."""
    if not answering:
        return asked, "No run has this name or id: it was removed, or the link is of another workspace."
    run = answering[0]
    return run.name, (
        f"The run is there ({run.id[:8]}, {run.status}), but has left no {needs}: that comes at the end of a "
        "training. The Train page shows how it stands."
    )


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
    why: Callable[[str], tuple[str, str]],
    first: str | None = None,
    describe: Callable[[str], str] = str,
    forgets: tuple[str, ...] = (),
) -> str | None:
    """Draw a choice; return it, None where there is nothing to choose or what was asked for is missing.

    Args:
        why: returns how something that was asked for is called, and why it can't be chosen.
        first: what is chosen where nothing was asked for; by default the first.
    """
    st.session_state.pop(f"missing.{name}", None)
    if not options:
        return None
    first = first or options[0]
    chosen = recall(name)
    if chosen is None:
        chosen = first
        remember(name, chosen)
    elif chosen not in options:
        called, reason = why(chosen)
        title = f"The {label.lower()} {called} cannot be shown"
        st.session_state[f"missing.{name}"] = Missing(title, reason, first, describe(first), forgets)
        chosen = None
    key = f"picker.{name}"

    def changed() -> None:
        remember(name, st.session_state[key])
        for other in forgets:
            remember(other, None)

    st.session_state[key] = chosen
    st.selectbox(
        label, options, key=key, format_func=describe, on_change=changed, width=280,
        index=None if chosen is None else 0, placeholder="Choose",
    )  # fmt: skip
    return chosen
