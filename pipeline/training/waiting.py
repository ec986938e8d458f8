"""What the queue waits for: which training ends before another begins, and in about how long."""

from __future__ import annotations

import heapq
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import HilumError
from pipeline.jobs import Job
from pipeline.runs import RunInfo
from pipeline.training.config import TrainConfig, load_config, make_config
from pipeline.training.estimate import estimate_training
from pipeline.training.order import epoch_length
from pipeline.training.plan import make_plan
from pipeline.training.stages import Stage, stages_of
from pipeline.workspace import Workspace


@dataclass(frozen=True)
class Wait:
    """What a waiting training waits for.

    Attributes:
        after: the job whose end lets it begin; None where it begins at once.
        seconds: until then, at most; None where that is not known.
    """

    after: str | None
    seconds: float | None


def waits_of(
    running: Sequence[str], waiting: Sequence[str], left: Mapping[str, float | None], *, at_once: int
) -> dict[str, Wait]:
    """Return what each waiting job waits for, where each free place takes the first that waits.

    Args:
        running, waiting: ids of jobs, those that wait in the order of the queue.
        left: seconds that each will still take; None or missing where that is not known.
        at_once: how many run side by side.
    """
    places: list[tuple[float, int, str | None]] = [
        (_known(left.get(job_id)), number, job_id) for number, job_id in enumerate(running)
    ]
    places += [(0.0, -1, None)] * (at_once - len(places))
    heapq.heapify(places)
    for _ in range(len(places) - max(1, at_once)):  # more run than may: the first to end frees no place
        heapq.heappop(places)
    found = {}
    for number, job_id in enumerate(waiting, len(running)):
        free, _, after = heapq.heappop(places)
        found[job_id] = Wait(after, free if math.isfinite(free) else None)
        heapq.heappush(places, (free + _known(left.get(job_id)), number, job_id))
    return found


def config_of(job: Job, run: RunInfo | None) -> TrainConfig | None:
    """Return what a queued training will do: the configuration of its run or of its file, None if unknown."""
    if run is not None:
        return make_config(run.load_config())
    if "--config" in job.argv[:-1]:
        return make_config(load_config(Path(job.argv[job.argv.index("--config") + 1])))
    return None


def expected_seconds(workspace: Workspace, config: TrainConfig, runs: Iterable[RunInfo]) -> float:
    """Return how long all epochs of a training will take, if it does not end early: an estimate.

    Raises:
        HilumError: it can't be trained (any more).
    """
    plan = make_plan(workspace, config)
    labels = plan.labels(plan.part("train"))
    return estimate_training(
        config,
        classes=len(plan.classes),
        train_places=epoch_length(labels, balance=config.balance),
        val_slices=len(plan.part("val")),
        runs=runs,
    ).seconds


def seconds_left(job: Job, run: RunInfo | None) -> float | None:
    """Return about how long a running training still takes, by the pace of its last epoch with validation.

    None before the first epoch of its last stage is whole: another stage has another pace. It may end early.
    """
    steps = int(run.params.get("steps_per_epoch", 0)) if run is not None else 0
    if run is None or not steps or "seconds" not in run.metrics or not job.message.startswith("Epoch"):
        return None
    if (last := _last_stage(run)) is not None and run.metrics.get("epoch", 0) <= last.first:
        return None
    return max(0, job.total - job.done) / steps * run.metrics["seconds"]


def without_pace(message: str) -> str:
    """Return what a training says without its speed and the time left, for a page that shows both beside it.

    >>> without_pace("Epoch 2 of 3, batch 1 of 9, loss 0.7, 60.1 images/s, about 3 min left of this stage")
    'Epoch 2 of 3, batch 1 of 9, loss 0.7'
    """
    return re.sub(r", [\d.]+ images/s, about .*$", "", message)


def _last_stage(run: RunInfo) -> Stage | None:
    """Return a run's last stage, None where its configuration can't be read."""
    try:
        return stages_of(make_config(run.load_config()))[-1]
    except HilumError:
        return None


def _known(seconds: float | None) -> float:
    return math.inf if seconds is None else seconds
