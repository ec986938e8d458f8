"""Training an ended run longer, and beginning another with some of its settings changed."""

from __future__ import annotations

from typing import Any

from pipeline.run_info import EPOCHS_TAG
from pipeline.runs import RunInfo, RunStore
from pipeline.training.config import TrainConfig, make_config
from pipeline.training.errors import ConfigError, NothingToResumeError
from pipeline.training.train import CHECKPOINT
from pipeline.workspace import Workspace, atomic_write_json

_NOT_CLONED = ("name", "planned_epochs", "extensions")


def extend_run(workspace: Workspace, run: RunInfo, epochs: int) -> TrainConfig:
    """Let an ended run have `epochs` more than it has; `resume` then trains them.

    It goes on where it stands, with its weights, optimizer and history; one that was stopped first does what
    it was to do. The added epochs have a schedule of their own (`schedule.ExtendedSchedule`): from a tenth of
    the highest rate down to a hundredth by a cosine, or the constant rate; patience counts anew.

    Returns:
        The configuration that it has now.

    Raises:
        ConfigError: fewer than one epoch, or too many.
        NothingToResumeError: it runs or waits, or left nothing to go on from.
    """
    if epochs < 1:
        raise ConfigError(f"A run is extended by one epoch or more; {epochs} came.")
    if run.status in ("running", "queued"):
        raise NothingToResumeError(
            f"The run {run.name} is {run.status}: let it end or stop it first, then extend it."
        )
    if not (run.artifacts / CHECKPOINT).is_file():
        raise NothingToResumeError(
            f"The run {run.name} left no checkpoint, so its optimizer cannot go on. Begin another from its "
            f"weights: `--weights run:{run.id[:8]}`."
        )
    config = make_config(run.load_config())
    first = int(run.metrics.get("epoch", 0)) if run.status == "finished" else config.epochs
    values = config.model_dump(mode="json") | {
        "epochs": first + epochs,
        "planned_epochs": config.planned_epochs or config.epochs,
        "extensions": [*config.extensions, (first, first + epochs)],
    }
    extended = make_config(values, source=f"{run.name} with {epochs} epochs more")
    store = RunStore(workspace)
    atomic_write_json(run.artifacts / "config.json", extended.model_dump(mode="json"))
    store.label(run.id, EPOCHS_TAG, str(extended.epochs))
    if run.status == "finished":
        store.take_end_back(run.id)
    return extended


def clone_config(run: RunInfo, **changes: Any) -> TrainConfig:
    """Return a run's configuration with some values changed, on the very split that it was trained on.

    Raises:
        ConfigError: a wrong key or value.
    """
    values = run.load_config()
    values |= {"epochs": values.get("planned_epochs") or values["epochs"], "split": run.load_split()["name"]}
    if changes.get("weights", values["weights"]) != values["weights"]:
        values.pop("weights_sha256", None)
    if changes.get("dataset", values["dataset"]) != values["dataset"]:
        values["split"] = None
    kept = {key: value for key, value in values.items() if key not in _NOT_CLONED}
    return make_config(kept | changes, source=f"{run.name} with changes")
