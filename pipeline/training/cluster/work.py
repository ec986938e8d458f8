"""What each process of a group does: the training itself, with its share of the batches.

Worker 0 writes checkpoints, best weights, history and log; the others write nothing. What goes to MLflow's
store or to the job list goes through the launcher: their databases are for one machine.
"""

from __future__ import annotations

import math
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.cache.store import cache_folder, read_cache
from pipeline.jobs import no_progress
from pipeline.runs import RunInfo, RunStore
from pipeline.training.checkpoint import FILE, Fitted
from pipeline.training.errors import TrainingError
from pipeline.training.journal import Journal
from pipeline.training.plan import Plan
from pipeline.training.share import Share
from pipeline.training.switch import StopSwitch
from pipeline.workspace import Workspace

if TYPE_CHECKING:
    from pipeline.training.cluster.worker import Line

TELL_SECONDS = 0.2  # between two words of how far it is


class WorkspaceNotSharedError(TrainingError):
    """A machine of the cluster does not see the workspace."""


class GroupSwitch(StopSwitch):
    """What stops a group: worker 0 hears the launcher, and all stop at the same batch."""

    def __init__(self, line: Line, share: Share) -> None:
        super().__init__(no_progress)
        self._line = line
        self._share = share
        self._told = -math.inf

    def __call__(self, done: int, total: int, message: str = "") -> None:
        first, now = self._share.rank == 0, time.monotonic()
        if first and (now - self._told >= TELL_SECONDS or done in (0, total)):
            self._line.tell("progress", done, total, message)
            self._told = now
        self.asked |= self._share.any(first and self._line.asked)

    def epoch_done(self, epoch: int, value: float) -> None:
        first = self._share.rank == 0
        asked, pruned = self._line.ask("epoch", epoch, value) if first else (False, False)
        self.asked |= self._share.any(asked)
        self.pruned |= self._share.any(pruned)


class LineStore(RunStore):
    """The runs as worker 0 writes them: through the launcher."""

    def __init__(self, workspace: Workspace, line: Line) -> None:
        super().__init__(workspace)
        self._line = line

    def log_params(self, run_id: str, params: Mapping[str, Any]) -> None:
        self._line.ask("parameters", dict(params))

    def log_steps(self, run_id: str, rows: Sequence[tuple[int, Mapping[str, float]]]) -> None:
        self._line.ask("steps", list(rows))

    def forget_after(self, run_id: str, *, epoch: int, batch: int) -> None:
        self._line.ask("forget", epoch, batch)


class MuteJournal(Journal):
    """What the other workers write: nothing."""

    writes = False

    def say(self, sentence: str) -> None:
        pass

    def parameters(self, values: Mapping[str, Any]) -> None:
        pass

    def flush(self) -> None:
        self._points.clear()

    def restore(self, state: Any) -> None:
        pass


@dataclass(frozen=True)
class Order:
    """What a group is to train.

    Attributes:
        root: the workspace, under the same path on every machine.
        key: of the prepared slices.
    """

    root: Path
    run: RunInfo
    plan: Plan
    key: str


def train_share(share: Share, line: Line, order: Order) -> Fitted:
    """Train the run of `order` from where it stands, as one process of a group.

    Raises:
        See `fit_model`.
    """
    from pipeline.training.fit import build_model, fit_model

    workspace, plan = Workspace(order.root), order.plan
    folder = cache_folder(workspace, plan.split["dataset"], plan.recipe)
    cache = read_cache(folder, order.key, quietly=True)  # the launcher holds it
    if cache is None:
        raise WorkspaceNotSharedError(
            f"The prepared slices in {folder} cannot be read on {socket.gethostname()}. Put the workspace on "
            "a folder that all machines of the cluster see under the same path."
        )
    first = share.rank == 0
    journal = (Journal if first else MuteJournal)(LineStore(workspace, line), order.run)
    switch = GroupSwitch(line, share)
    if first:
        line.tell("joined", _facts())
        line.tell("progress", 0, 1, "Building the model")
    began = (order.run.artifacts / FILE).is_file()
    model = build_model(workspace, plan, channels=cache.channels, began=began)
    journal.parameters({"parameters": model.count_params(), "slices": len(plan.table)})
    switch(0, 1, "Compiling the first step, which takes a while")
    with journal.flushed():
        return fit_model(model, plan, cache, journal, switch, share)


def _facts() -> dict[str, Any]:
    """Return what a run keeps of where it was trained."""
    import jax
    import keras

    return {"backend": "jax", "jax": jax.__version__, "devices": keras.distribution.list_devices()}
