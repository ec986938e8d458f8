"""Many trainings that belong together: all architectures on one split, all folds of a split, a search.

Each trial is an ordinary run in the queue, tagged with the sweep's id: it is watched, stopped, resumed and
compared like any other. What a sweep is lies in `sweeps/<id>.json`; how it stands is read off its runs.
"""

from __future__ import annotations

import itertools
import secrets
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from models.registry import ARCHITECTURES
from pipeline.cluster.place import Cluster
from pipeline.data.splits import load_split
from pipeline.errors import HilumError
from pipeline.jobs import JobStore
from pipeline.run_info import SWEEP_TAG, RunInfo
from pipeline.runs import RunStore
from pipeline.training.config import TrainConfig, make_config
from pipeline.training.errors import ConfigError
from pipeline.training.estimate import Estimate, estimate_training
from pipeline.training.launch import resume_in_background, submit_training
from pipeline.training.order import epoch_length
from pipeline.training.plan import make_plan
from pipeline.workspace import Workspace, atomic_write_json, checked_name, read_json

TRIAL_TAG = "hilum.trial"  # the trial's number in its sweep
Kind = Literal["architectures", "folds", "search"]
_SETTINGS = ("architecture", "image_size", "seed", "fold")


class SweepNotFoundError(HilumError):
    """No sweep, or more than one, has this id or name."""


class Sweep(BaseModel):
    """What a sweep is.

    Attributes:
        trials: configurations by number; a search makes its own, one after the other, from `base`.
        options: of a search: `trials`, `space`, `seed`.
        cluster: tags of the cluster that its trials are trained on; none where each is trained here.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    name: str
    kind: Kind
    created: float
    base: dict[str, Any]
    trials: tuple[dict[str, Any], ...] = ()
    options: dict[str, Any] = {}
    cluster: dict[str, str] = {}


@dataclass(frozen=True)
class TrialPlan:
    """One training of a sweep before it begins, with what it will cost."""

    config: TrainConfig
    estimate: Estimate

    @property
    def fits(self) -> bool:
        """Whether the machine's memory is likely to do."""
        return self.estimate.fits

    def to_json(self) -> dict[str, Any]:
        """Return the row of the table that is shown before launch."""
        settings = {key: getattr(self.config, key) for key in _SETTINGS}
        return settings | {
            "parameters": self.estimate.parameters,
            "memory": self.estimate.memory,
            "seconds": round(self.estimate.seconds),
            "measured": self.estimate.measured,
            "speed": self.estimate.speed,
            "fits": self.fits,
        }


def plan_architectures(
    workspace: Workspace,
    base: TrainConfig,
    *,
    architectures: Sequence[str] = (),
    sizes: Sequence[int] = (),
    seeds: Sequence[int] = (),
) -> list[TrialPlan]:
    """Plan architectures x sizes x seeds on one split, small architectures first.

    Args:
        base: everything else, the split among it (the data set's newest where it names none).
        architectures: names; all that there are where none is given.
        sizes: pixels a side; `base.image_size` where none is given.
        seeds: `base.seed` where none is given.

    Raises:
        HilumError: what can't be trained.
    """
    names = list(architectures) or sorted(
        ARCHITECTURES, key=lambda name: ARCHITECTURES[name].parameters_millions
    )
    combinations = itertools.product(names, sizes or [base.image_size], seeds or [base.seed])
    return _plan(
        workspace,
        base,
        [
            {"architecture": architecture, "image_size": size, "seed": seed}
            for architecture, size, seed in combinations
        ],
    )


def plan_folds(workspace: Workspace, base: TrainConfig) -> list[TrialPlan]:
    """Plan one training for each fold of a split, validated on that fold.

    Raises:
        ConfigError: the split has no folds.
    """
    split = load_split(workspace, base.dataset, base.split)
    if not split.folds:
        raise ConfigError(
            f"The split {split.name!r} has no folds. Make one that has: `python -m pipeline split "
            f"{base.dataset} --folds 5`, and name it with --split."
        )
    return _plan(workspace, base, [{"fold": fold} for fold in range(split.folds)])


def launch_sweep(
    workspace: Workspace,
    kind: Kind,
    configs: Iterable[TrainConfig],
    *,
    name: str | None = None,
    cluster: Cluster | None = None,
) -> Sweep:
    """Queue a training for each configuration, tagged with the new sweep's id.

    Raises:
        ConfigError: there is none.
        HilumError: one of them can't be trained; then none is queued.
    """
    chosen = list(configs)
    if not chosen:
        raise ConfigError("No training of this sweep was chosen, or none fits the memory of this machine.")
    for config in chosen:
        make_plan(workspace, config)
    sweep = save_sweep(workspace, kind, chosen[0], name=name, trials=chosen, cluster=cluster)
    go_on(workspace, sweep)
    return sweep


def save_sweep(
    workspace: Workspace,
    kind: Kind,
    base: TrainConfig,
    *,
    name: str | None = None,
    trials: Sequence[TrainConfig] = (),
    options: dict[str, Any] | None = None,
    cluster: Cluster | None = None,
) -> Sweep:
    """Write what a sweep is, before any of its trials begins."""
    sweep = Sweep(
        id=time.strftime("%y%m%d-%H%M%S-") + secrets.token_hex(2),
        name=checked_name(name or f"{kind}-{base.dataset}"[:60]),
        kind=kind,
        created=time.time(),
        base=base.model_dump(mode="json"),
        trials=tuple(config.model_dump(mode="json") for config in trials),
        options=options or {},
        cluster=cluster.tags if cluster is not None else {},
    )
    atomic_write_json(_folder(workspace) / f"{sweep.id}.json", sweep.model_dump(mode="json"))
    return sweep


def go_on(workspace: Workspace, sweep: Sweep) -> list[str]:
    """Queue what of a sweep is not trained, not queued and not running; return those runs' ids.

    A kill while a sweep was launched leaves trials without a run: they get theirs.
    """
    runs = runs_of(workspace, sweep)
    by_number = {int(run.tags[TRIAL_TAG]): run for run in runs if TRIAL_TAG in run.tags}
    begun = []
    for number, values in enumerate(sweep.trials):
        run = by_number.get(number)
        if run is None:
            begun.append(submit_trial(workspace, sweep, number, make_config(values)))
        elif run.status in ("stopped", "paused", "failed", "lost"):
            resume_in_background(workspace, run)
            begun.append(run.id)
    return begun


def submit_trial(workspace: Workspace, sweep: Sweep, number: int, config: TrainConfig) -> str:
    """Queue one trial; return its run's id."""
    named = config.model_copy(update={"name": f"{sweep.name[:50]}-{number + 1}"})
    tags = {SWEEP_TAG: sweep.id, TRIAL_TAG: str(number)}
    return submit_training(workspace, named, cluster=Cluster.of(sweep.cluster), tags=tags)


def stop_sweep(workspace: Workspace, sweep: Sweep) -> int:
    """Stop what runs and take out what waits; return how many there were. `go_on` takes them up again."""
    store = JobStore(workspace)
    ids = {run.id for run in runs_of(workspace, sweep)}
    active = [
        job for job in store.list() if job.active and (job.run_id in ids or job.argv[-1:] == [sweep.id])
    ]
    for job in sorted(active, key=lambda job: job.kind == "train"):  # who makes new ones first
        store.stop(job.id)
    return len(active)


def list_sweeps(workspace: Workspace) -> list[Sweep]:
    """Return all sweeps, newest first."""
    paths = sorted(_folder(workspace).glob("*.json"), reverse=True)
    return [Sweep.model_validate(read_json(path)) for path in paths]


def find_sweep(workspace: Workspace, text: str) -> Sweep:
    """Return the sweep with this id, beginning of an id, or name (the newest of that name).

    Raises:
        SweepNotFoundError: none, or several.
    """
    sweeps = list_sweeps(workspace)
    named = [sweep for sweep in sweeps if sweep.name == text]
    matches = named[:1] or [sweep for sweep in sweeps if text and sweep.id.startswith(text)]
    if len(matches) != 1:
        known = ", ".join(f"{sweep.name} ({sweep.id})" for sweep in sweeps[:5])
        raise SweepNotFoundError(
            f"{'No sweep' if not matches else 'More than one sweep'} answers to {text!r}. "
            + (f"There are {known}." if known else "There is none yet.")
        )
    return matches[0]


def runs_of(workspace: Workspace, sweep: Sweep) -> list[RunInfo]:
    """Return the runs of a sweep in the order of its trials."""
    runs = [run for run in RunStore(workspace).list() if run.sweep == sweep.id]
    return sorted(runs, key=lambda run: int(run.tags.get(TRIAL_TAG, 0)))


def _plan(workspace: Workspace, base: TrainConfig, changes: list[dict[str, Any]]) -> list[TrialPlan]:
    """Plan a training for each set of changes, all on the split that `base` means now."""
    split = load_split(workspace, base.dataset, base.split)
    fixed = base.model_dump(mode="json", exclude={"name"}) | {"split": split.name}
    runs = [run for run in RunStore(workspace).list() if run.status == "finished"]
    counts: dict[int | None, tuple[int, int, int]] = {}
    planned = []
    for change in changes:
        config = make_config(fixed | change)
        if config.fold not in counts:
            plan = make_plan(workspace, config)
            train = plan.part("train")
            places = epoch_length(plan.labels(train), balance=config.balance)
            counts[config.fold] = len(plan.classes), places, len(plan.part("val"))
        classes, places, val = counts[config.fold]
        estimate = estimate_training(config, classes=classes, train_places=places, val_slices=val, runs=runs)
        planned.append(TrialPlan(config, estimate))
    return planned


def _folder(workspace: Workspace) -> Path:
    return workspace.root / "sweeps"
