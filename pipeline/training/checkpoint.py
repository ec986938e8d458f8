"""The state of a training: one file, written whole, holding arrays and a few numbers, no code.

Weights alone would not do: the optimizer's moments and the states of dropout's random generators (which
Keras's own `.keras` files leave out) belong to it, and within an epoch the sums of its figures, so that the
steps after a resume are those that would have come. The best weights so far lie beside it under a second
name: what a run shows as its best may be newer than its checkpoint when it is killed, and is then put back.

    resume/state.npz                         variables, sums of the running epoch's figures, TrainingState
    resume/best-<epoch>.weights.h5           the best weights at that moment (the same file, no copy)
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from pipeline.training.errors import NothingToResumeError
from pipeline.training.plan import BEST
from pipeline.workspace import atomic_file

FILE = "resume/state.npz"


class TrainingState(BaseModel):
    """Where a training stands.

    Attributes:
        epoch: whole epochs done.
        step: batches done of the epoch after those.
        best_epoch: counted from 1; 0 before the first.
        best_value: of the monitored metric, None before the first.
        best_loss: validation loss of the best epoch, which decides between equal values.
        waited: epochs since the best one.
        seconds: spent in epochs so far.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epoch: int = 0
    step: int = 0
    best_epoch: int = 0
    best_value: float | None = None
    best_loss: float | None = None
    waited: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Fitted:
    """How a fit ended. `seconds` count epochs only, not what came before the first."""

    state: TrainingState
    stopped: bool
    ended_early: bool


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A training at one moment, in memory: it can be written while the training goes on.

    Attributes:
        variables: weights, random states and the optimizer's.
        counters: sums of the running epoch's figures; none between epochs.
    """

    state: TrainingState
    variables: list[np.ndarray]
    counters: list[np.ndarray]


def take_snapshot(model: Any, state: TrainingState) -> Snapshot:
    """Copy where `model` stands."""
    if hasattr(model, "jax_state_sync"):
        model.jax_state_sync()  # on JAX the variables lie elsewhere while a fit runs
    counters = counters_of(model) if state.step else []
    return Snapshot(
        state,
        [np.asarray(variable).copy() for variable in _variables(model)],
        [np.asarray(variable).copy() for variable in counters],
    )


def write_snapshot(path: Path, snapshot: Snapshot) -> None:
    """Write a snapshot to one file, whole or not at all.

    Raises:
        WorkspaceUnwritableError: the disk is full; the older file stays.
    """
    arrays = {f"v{i}": array for i, array in enumerate(snapshot.variables)}
    arrays |= {f"c{i}": array for i, array in enumerate(snapshot.counters)}
    numbers = np.frombuffer(snapshot.state.model_dump_json().encode(), np.uint8)
    with atomic_file(path) as file:
        np.savez(file, state=numbers, **arrays)  # type: ignore[arg-type]
    held = _held_best(path, snapshot.state)
    for other in path.parent.glob(f"best-*{_suffix()}"):
        if other != held:
            other.unlink(missing_ok=True)


def save_state(path: Path, model: Any, state: TrainingState) -> None:
    """Write where `model` stands, with `state`, to one file, whole or not at all.

    Raises:
        WorkspaceUnwritableError: the disk is full; the older file stays.
    """
    hold_best(path, state)
    write_snapshot(path, take_snapshot(model, state))


def hold_best(path: Path, state: TrainingState) -> None:
    """Give the best weights as they are now a second name, beside the checkpoint that will tell of them."""
    best, held = path.parents[1] / BEST, _held_best(path, state)
    if not state.best_epoch or not best.is_file() or (held.is_file() and held.samefile(best)):
        return
    held.parent.mkdir(parents=True, exist_ok=True)
    beside = held.with_name(f".{held.name}")
    beside.unlink(missing_ok=True)
    try:
        os.link(best, beside)
    except OSError:  # a file system without links
        shutil.copyfile(best, beside)
    os.replace(beside, held)


def put_best_back(path: Path, state: TrainingState) -> None:
    """Make the best weights those that a checkpoint tells of; remove what a kill left half-written."""
    folder, best, held = path.parent, path.parents[1] / BEST, _held_best(path, state)
    if held.is_file() and not (best.is_file() and held.samefile(best)):
        beside = best.with_name(f".{best.name}")
        shutil.copyfile(held, beside)
        os.replace(beside, best)
    for leftover in [*folder.glob(f".{path.name}-*"), *best.parent.glob(".weights-*")]:
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                leftover.unlink()


def read_state(path: Path) -> TrainingState:
    """Return where the training of a checkpoint stood; the initial state where there is none.

    Raises:
        NothingToResumeError: the file is damaged.
    """
    if not path.is_file():
        return TrainingState()
    try:
        with np.load(path, allow_pickle=False) as file:
            return TrainingState.model_validate(json.loads(file["state"].tobytes()))
    except (OSError, ValueError, KeyError) as error:
        raise _damaged(path, error) from error


def load_state(path: Path, model: Any) -> TrainingState:
    """Put the saved variables into a compiled `model` of the same configuration; return where it stood.

    Raises:
        NothingToResumeError: the file is of another model, or damaged.
    """
    variables = _variables(model)
    try:
        with np.load(path, allow_pickle=False) as file:
            state = TrainingState.model_validate(json.loads(file["state"].tobytes()))
            arrays = [file[f"v{i}"] for i in range(sum(name[0] == "v" for name in file.files))]
    except (OSError, ValueError, KeyError) as error:
        raise _damaged(path, error) from error
    if [array.shape for array in arrays] != [tuple(variable.shape) for variable in variables]:
        raise NothingToResumeError(f"The checkpoint {path} belongs to another model. Train anew.")
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)
    return state


def read_counters(path: Path) -> list[np.ndarray]:
    """Return the sums of the epoch that was running when a checkpoint was written; none between epochs."""
    with np.load(path, allow_pickle=False) as file:
        return [file[f"c{i}"] for i in range(sum(name[0] == "c" for name in file.files))]


def counters_of(model: Any) -> list[Any]:
    """List the variables of the running epoch's figures; Keras makes them when `fit` begins."""
    return [variable for metric in model.metrics for variable in metric.variables]


def _held_best(path: Path, state: TrainingState) -> Path:
    return path.parent / f"best-{state.best_epoch}{_suffix()}"


def _suffix() -> str:
    return "".join(Path(BEST).suffixes)


def _damaged(path: Path, error: Exception) -> NothingToResumeError:
    return NothingToResumeError(
        f"The checkpoint {path} cannot be read ({type(error).__name__}). Train anew, from this run's best "
        "weights if it has some (`--weights run:RUN`)."
    )


def _variables(model: Any) -> list[Any]:
    """List weights, random states and optimizer variables, in an order that the configuration fixes."""
    counters = {id(variable) for variable in counters_of(model)}
    model.optimizer.build(model.trainable_variables)
    return [v for v in model.variables if id(v) not in counters] + list(model.optimizer.variables)
