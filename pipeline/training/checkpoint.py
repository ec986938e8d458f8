"""The state of a training after an epoch: one file, written whole, holding arrays and a few numbers, no code.

Weights alone would not do: the optimizer's moments and the states of dropout's random generators (which
Keras's own `.keras` files leave out) belong to it, so that the epochs after a resume are those that would
have come.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from pipeline.training.errors import NothingToResumeError
from pipeline.workspace import atomic_file

FILE = "resume/state.npz"


class TrainingState(BaseModel):
    """Where a training stands.

    Attributes:
        epoch: whole epochs done.
        best_epoch: counted from 1; 0 before the first.
        best_value: of the monitored metric, None before the first.
        best_loss: validation loss of the best epoch, which decides between equal values.
        waited: epochs since the best one.
        seconds: spent in epochs so far.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epoch: int = 0
    best_epoch: int = 0
    best_value: float | None = None
    best_loss: float | None = None
    waited: int = 0
    seconds: float = 0.0


def save_state(path: Path, model: Any, state: TrainingState) -> None:
    """Write the model's and optimizer's variables and `state` to one file, whole or not at all.

    Raises:
        WorkspaceUnwritableError: the disk is full; the older file stays.
    """
    arrays = {f"v{i}": np.asarray(variable) for i, variable in enumerate(_variables(model))}
    numbers = np.frombuffer(state.model_dump_json().encode(), np.uint8)
    with atomic_file(path) as file:
        np.savez(file, state=numbers, **arrays)  # type: ignore[arg-type]


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
            arrays = [file[f"v{i}"] for i in range(len(file.files) - 1)]
    except (OSError, ValueError, KeyError) as error:
        raise _damaged(path, error) from error
    if [array.shape for array in arrays] != [tuple(variable.shape) for variable in variables]:
        raise NothingToResumeError(f"The checkpoint {path} belongs to another model. Train anew.")
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)
    return state


def _damaged(path: Path, error: Exception) -> NothingToResumeError:
    return NothingToResumeError(
        f"The checkpoint {path} cannot be read ({type(error).__name__}). Train anew, from this run's best "
        "weights if it has some (`--weights run:RUN`)."
    )


def _variables(model: Any) -> list[Any]:
    """List weights, random states and optimizer variables, in an order that the configuration fixes."""
    counters = {id(variable) for metric in model.metrics for variable in metric.variables}
    model.optimizer.build(model.trainable_variables)
    return [v for v in model.variables if id(v) not in counters] + list(model.optimizer.variables)
