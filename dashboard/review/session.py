"""Who reads what in this browser session: reader, worklist, the slice at hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import pandas as pd
import streamlit as st

from dashboard.loaders import review as read
from dashboard.review import clock
from pipeline.review.worklist import OpenList, build_worklist, name_worklist, open_lists

if TYPE_CHECKING:
    from pipeline.runs import RunInfo

SIZES = (20, 40, 60, 100, 200)
Stage = Literal["blind", "informed", "correcting"]


@dataclass(frozen=True)
class Worklist:
    """A reader's list for one run.

    Attributes:
        size: how many slices it was begun with.
        slices: in the order of reading, without those that were excluded.
        readings: what this reader has recorded for this run, by slice id.
    """

    reader: str
    run: RunInfo
    seed: int
    size: int
    slices: list[str]
    readings: dict[str, pd.Series]

    @property
    def name(self) -> str:
        """What the list is called in the record."""
        return name_worklist(self.seed, self.size)

    @property
    def done(self) -> int:
        """How many slices have their final label."""
        return sum(self._finished(slice_id) for slice_id in self.slices)

    def next(self) -> tuple[str, Stage] | None:
        """Return the next slice and where its reading stands; None when all are read.

        A reading that was left after its first label (a closed browser) comes first.
        """
        open_ones = [s for s in self.slices if not self._finished(s)]
        begun = [s for s in open_ones if s in self.readings]
        if begun:
            return begun[0], "informed"
        return (open_ones[0], "blind") if open_ones else None

    def last_finished(self) -> str | None:
        """Return the slice whose final label is the newest."""
        finished = [s for s in self.slices if self._finished(s)]
        return max(finished, key=lambda s: str(self.readings[s]["final_at"]), default=None)

    def _finished(self, slice_id: str) -> bool:
        row = self.readings.get(slice_id)
        return row is not None and isinstance(row["final_label"], str)


def reader() -> str | None:
    """Return who reads in this session."""
    return st.session_state.get("review.reader")


def begin(name: str, *, seed: int, size: int) -> None:
    """Remember who reads which list; kept while the user visits other pages."""
    st.session_state["review.reader"] = st.session_state["review.reader.last"] = read.store().spelled(name)
    st.session_state["review.seed"], st.session_state["review.size"] = seed, size
    st.session_state["review.begun"] = True
    for each in ("review.peek", "review.on-screen", "review.dropped"):
        st.session_state.pop(each, None)
    clock.forget_all()


def first_look(worklist: Worklist) -> bool:
    """Return whether this is the first slice since a list was gone on with: it may have been seen before."""
    begun = st.session_state.pop("review.begun", False)
    return bool(begun and any(slice_id in worklist.readings for slice_id in worklist.slices))


def leave() -> None:
    """Let another reader begin."""
    for name in ("review.reader", "review.correcting", "review.peek", "review.on-screen"):
        st.session_state.pop(name, None)


def current_worklist(run: RunInfo) -> Worklist:
    """Return the list of this session's reader for a run, with what is recorded by now."""
    name = reader() or ""
    seed, size = st.session_state.get("review.seed", 0), st.session_state.get("review.size", SIZES[0])
    found = read.readings(run, name)
    rows = {str(row["slice_id"]): row for _, row in found.iterrows()}
    test = read.slices(run)["slice_id"].tolist()
    slices = build_worklist(test, seed=seed, size=size, excluded=read.excluded(run))
    return Worklist(name, run, seed, min(size, len(test)), slices, rows)


def unfinished(run: RunInfo) -> list[OpenList]:
    """Return the lists of all readers of a run that are not read to the end."""
    test = read.slices(run)["slice_id"].tolist()
    return open_lists(read.readings(run), test, excluded=read.excluded(run))
