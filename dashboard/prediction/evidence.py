"""What the network said of a slice's changed copies, gathered in the background while the page is read.

One slice at a time: choosing another one, or another model, gives up what is on its way. What was gathered is
kept for the session, and serves the maps of all classes and of every method.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import streamlit as st

from dashboard.prediction.source import Asked
from pipeline.explanation.checks import Check, MapInQuestion, randomized_unmade
from pipeline.explanation.probe import Probe
from pipeline.explanation.report_card import ReportCard
from pipeline.explanation.task import BackgroundTask, TaskCancelledError
from pipeline.inference.prediction import Prediction
from pipeline.progress import Progress, section
from pipeline.runs import RunInfo

REST_SECONDS = 0.6  # who steps through a series does not stop at each slice
_KEPT = 6  # slices a session remembers; each holds two copies of the network's input
_KEY = "predict.evidence"


@dataclass(eq=False)
class Evidence:
    """What is known of one slice so far; its parts come one after the other.

    Attributes:
        prediction: the slice and its answer.
        occluded: logits without each patch, and of the whole slice.
        probe: what report cards need.
        randomized: the model's own check; what says so, where it could not be made.
        cards: by what names a map.
        task: what is on its way, None where nothing is.
    """

    prediction: Prediction
    occluded: tuple[np.ndarray, np.ndarray] | None = None
    probe: Probe | None = None
    randomized: Check | None = None
    cards: dict[Any, ReportCard] = field(default_factory=dict)
    task: BackgroundTask[None] | None = None

    @property
    def is_busy(self) -> bool:
        """Whether something is on its way."""
        return self.task is not None and not self.task.done

    def gather(self) -> None:
        """Begin to ask the network, where that was not done."""
        if not self.is_busy and self.probe is None:
            self.task = BackgroundTask(self._gather)

    def card(self, key: Any) -> ReportCard | None:
        """Return a map's report card, with the model's own check where that was made."""
        card = self.cards.get(key)
        return card.with_check(self.randomized) if card is not None and self.randomized is not None else card

    def finished_card(self, key: Any) -> ReportCard | None:
        """Return a map's report card once all that it rests on was checked."""
        card = self.card(key)
        return card if card is not None and (self.randomized is not None or not card.checks) else None

    def check_model(self) -> None:
        """Begin the model's own check; it is made once for a model."""
        if not self.is_busy:
            self.task = BackgroundTask(self._check_model)

    def answer(self, key: Any, question: MapInQuestion) -> None:
        """Begin a map's report card, once the network was asked."""
        probe = self.probe
        if probe is not None and not self.is_busy:
            self.task = BackgroundTask(lambda progress: self._answer(key, question, probe, progress))

    def cancel(self) -> None:
        """Give up what is on its way; what is known stays."""
        if self.task is not None:
            self.task.cancel()

    def _gather(self, progress: Progress) -> None:
        from pipeline.explanation.probe import occlude_slice, probe_slice
        from pipeline.inference.map_report import patches_of
        from pipeline.inference.randomized import known_map_check

        _rest(progress)
        network, patches = self.prediction.engine, patches_of(self.prediction)
        if self.occluded is None:
            self.occluded = occlude_slice(network, patches, progress=section(progress, 0.0, 0.3))
        known = known_map_check(network)
        self.randomized = known.check if known is not None else None
        self.probe = probe_slice(
            network, patches, occluded=self.occluded, progress=section(progress, 0.3, 1.0)
        )

    def _answer(self, key: Any, question: MapInQuestion, probe: Probe, progress: Progress) -> None:
        from pipeline.explanation.report_card import make_report_card

        progress(0, 1, "hiding parts in the map's order")
        self.cards[key] = make_report_card(self.prediction.engine, probe, question)

    def _check_model(self, progress: Progress) -> None:
        from pipeline.inference.randomized import map_check

        try:
            self.randomized = map_check(self.prediction.engine, progress=progress).check
        except TaskCancelledError:
            raise
        except Exception:
            self.randomized = randomized_unmade()  # it would fail again at each drawing of the page
            raise


def _rest(progress: Progress) -> None:
    """Wait whether the slice is stayed at: stepping on is not slowed by work for slices left behind."""
    for _ in range(6):
        progress(0, 1)
        time.sleep(REST_SECONDS / 6)


def evidence_of(run: RunInfo, asked: Asked) -> Evidence:
    """Return what is known of the slice; whatever was on its way for another one is given up."""
    kept: dict[tuple[str, str], Evidence] = st.session_state.setdefault(_KEY, {})
    key = (run.id, asked.subject)
    for other, evidence in kept.items():
        if other != key:
            evidence.cancel()
    found = kept.pop(key, None)
    if found is None or found.prediction.engine is not asked.prediction.engine:
        found = Evidence(asked.prediction)
    kept[key] = found  # the last in line: the oldest goes first
    for oldest in list(kept)[:-_KEPT]:
        del kept[oldest]
    return found
