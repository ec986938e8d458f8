"""A training that can't go on for now: no room on the disk, or slices that are not there any more.

It is paused with the reason, and `resume` goes on from its last checkpoint once the cause is gone.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd

from pipeline.cache.errors import CacheSpaceError, NothingToCacheError
from pipeline.data.datasets import DatasetNotFoundError
from pipeline.runs import RunInfo
from pipeline.storage import WorkspaceUnwritableError, meaning
from pipeline.training.errors import TrainingError, WorkersLostError
from pipeline.training.journal import StoreFullError
from pipeline.training.plan import Plan
from pipeline.workspace import Workspace, atomic_write_bytes

RESERVE_BYTES = 2 << 20  # what the last words on a full disk need: pages of two databases, a line of log


class SlicesMissingError(TrainingError):
    """The slices that a run began with are not those that its data set has now."""


_PAUSING = (
    WorkspaceUnwritableError,
    StoreFullError,
    CacheSpaceError,
    NothingToCacheError,
    DatasetNotFoundError,
    SlicesMissingError,
    WorkersLostError,
)


def keep_reserve(run: RunInfo) -> None:
    """Take some room on the disk, to be able to say that it is full.

    Raises:
        WorkspaceUnwritableError: it is full already.
    """
    atomic_write_bytes(_reserve(run), bytes(RESERVE_BYTES))


def free_reserve(run: RunInfo) -> None:
    """Give the room back."""
    _reserve(run).unlink(missing_ok=True)


def reason_to_pause(error: BaseException, workspace: Workspace) -> str | None:
    """Return why a training is to be paused, None where `error` is no reason to.

    A library may have met the full disk and said so in its own words (HDF5, MLflow's store).
    """
    if isinstance(error, _PAUSING):
        return str(error)
    if isinstance(error, FileNotFoundError) and error.filename is not None:
        return _lost_input(Path(str(error.filename)), workspace)
    meant = meaning(error) if isinstance(error, Exception) else None
    return None if meant is None else str(meant)


def _lost_input(path: Path, workspace: Workspace) -> str | None:
    """Say that prepared slices or the index were removed while a training read them, if `path` is of them."""
    if not {workspace.cache, workspace.datasets} & set(path.parents):
        return None
    return (
        f"{path} is gone: the data set or its prepared slices were removed while the training needed them. "
        "Index the folder again if it is not in the list of data sets; slices are prepared anew."
    )


def same_slices(run: RunInfo, plan: Plan) -> Plan:
    """Return `plan` with the slices that the run began with: order and steps are counted in them.

    Raises:
        SlicesMissingError: some are not there, or can't be read any more.
    """
    path = run.artifacts / "seen.parquet"
    if not path.is_file():
        return plan
    seen = pd.read_parquet(path)["slice_id"]
    missing = len(set(seen) - set(plan.table["slice_id"]))
    if missing:
        raise SlicesMissingError(
            f"{missing:,} of the {len(seen):,} slices that the run began with are not in the data set "
            f"{plan.config.dataset} any more, or cannot be read. Bring them back (is their folder there?) "
            "and index it again."
        )
    # Some may be readable now that were not then.
    return replace(plan, table=plan.table[plan.table["slice_id"].isin(seen)].reset_index(drop=True))


def _reserve(run: RunInfo) -> Path:
    return run.artifacts / "resume" / "reserve"
