"""Progress that remembers the request to stop, and asks its search whether to go on. Imports no Keras."""

from __future__ import annotations

from typing import Protocol

from pipeline.jobs import JobStopped, Progress


class StopSwitch:
    """Progress that remembers the request to stop instead of raising it, so that work can end cleanly."""

    def __init__(self, progress: Progress, trial: Trial | None = None) -> None:
        self._progress = progress
        self._trial = trial
        self.asked = False
        self.pruned = False

    def __call__(self, done: int, total: int, message: str = "") -> None:
        try:
            self._progress(done, total, message)
        except JobStopped:
            self.asked = True

    def epoch_done(self, epoch: int, value: float) -> None:
        """Hear of a whole epoch: whether to stop after it was asked for, or its search gives the trial up."""
        after_epoch = getattr(self._progress, "stop_after_epoch", None)
        if after_epoch is not None and after_epoch.is_set():
            self.asked = True
        if self._trial is not None and self._trial.should_prune(epoch, value):
            self.asked = self.pruned = True


class Trial(Protocol):
    """What a search wants to hear of one of its trials."""

    def should_prune(self, epoch: int, value: float) -> bool:
        """Take the monitored figure of `epoch` (counted from 1); return whether to give the trial up."""
