"""Which prepared slices lie on the disk, what they take, who uses them; and giving the room back."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from pipeline.cache.build import DONE, ROW_STATE
from pipeline.cache.errors import CacheBusyError, CacheNotFoundError
from pipeline.cache.lease import BUILDERS, READERS, alone
from pipeline.cache.store import content_key, read_cache, readable_rows
from pipeline.data.datasets import DatasetNotFoundError, load_index
from pipeline.run_info import RunInfo
from pipeline.runs import RunStore
from pipeline.workspace import Workspace

State = Literal["complete", "partial", "outdated"]


@dataclass(frozen=True)
class CacheInfo:
    """One cache as it lies there now.

    Attributes:
        folder: its name in the workspace's `cache`; `evict` takes it.
        recipe: what the recipe was called when the cache was begun; others of equal parameters share it.
        slices: how many the data set has; prepared: how many of them are done.
        bytes: on the disk.
        state: complete, but for what can't be read; partial: its build was cut short or is going on;
            outdated: the data set is another by now or was removed, and the next build copies from it what
            is the same.
        in_use: it is being built or read now.
        last_used: when it was last built or opened.
        runs: the runs that were trained on it, newest first.
    """

    folder: str
    dataset: str
    recipe: str
    recipe_hash: str
    slices: int
    prepared: int
    bytes: int
    state: State
    in_use: bool
    last_used: datetime
    runs: tuple[str, ...]

    @property
    def words(self) -> str:
        """How it stands, in words: a complete cache says how many slices could not be read."""
        left_out = self.slices - self.prepared if self.state == "complete" else 0
        said = f"{self.state}, {left_out:,} left out" if left_out else self.state
        return f"{said}, in use" if self.in_use else said

    def to_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        more = {"words": self.words, "last_used": self.last_used.isoformat(), "runs": list(self.runs)}
        return asdict(self) | more


def list_caches(workspace: Workspace) -> list[CacheInfo]:
    """Return the caches of a workspace, those used last first."""
    runs = RunStore(workspace).list()
    keys: dict[str, str | None] = {}
    found = []
    for folder in _folders(workspace):
        made_of = _made_of(folder)
        dataset = str(made_of["dataset"])
        if dataset not in keys:
            keys[dataset] = _current_key(workspace, dataset)
        found.append(_describe(folder, made_of, keys[dataset], runs))
    return sorted(found, key=lambda info: info.last_used, reverse=True)


def evict(workspace: Workspace, folder: str) -> int:
    """Remove a cache and return how many bytes that gave back; it is prepared again when it is needed.

    Raises:
        CacheNotFoundError: there is no cache of this name.
        CacheBusyError: a process builds it, or reads it (a training).
    """
    path = _find(workspace, folder)
    with alone(path / BUILDERS) as no_builder, alone(path / READERS) as no_reader:
        if not no_builder:
            raise CacheBusyError(f"The cache {folder} is being prepared: wait for that, or stop it first.")
        if not no_reader:
            raise CacheBusyError(
                f"The cache {folder} is in use by a training or an evaluation: wait for it, or stop it first."
            )
        freed = _bytes(path)
        # What says that it is complete goes first; the locks stay, others may wait for them.
        for file in sorted(_files(path), key=lambda each: not each.name.startswith("index-")):
            file.unlink(missing_ok=True)
    return freed


def damaged_slices(workspace: Workspace, folder: str) -> list[str]:
    """Read a cache from end to end and return the ids of the slices whose checksum is another by now.

    Raises:
        CacheNotFoundError: there is no cache of this name.
    """
    path = _find(workspace, folder)
    found: list[str] = []
    for key in _keys(path):
        cache = read_cache(path, key)
        found += cache.damaged() if cache is not None else []
    return found


def _find(workspace: Workspace, folder: str) -> Path:
    folders = {path.name: path for path in _folders(workspace)}
    if folder not in folders:
        there = ", ".join(sorted(folders)) or "none"
        raise CacheNotFoundError(f"There is no cache {folder!r}. There are: {there}.")
    return folders[folder]


def _folders(workspace: Workspace) -> list[Path]:
    return sorted(path.parent for path in workspace.cache.glob("*/cache.json"))


def _made_of(folder: Path) -> dict[str, Any]:
    """Return what a cache is of; one whose file is damaged is listed all the same, so that it can go."""
    unknown = {"dataset": folder.name.rpartition("-")[0], "recipe": {"name": "?"}, "recipe_hash": ""}
    try:
        return unknown | dict(json.loads((folder / "cache.json").read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return unknown


def _current_key(workspace: Workspace, dataset: str) -> str | None:
    try:
        return content_key(readable_rows(load_index(workspace, dataset)))
    except DatasetNotFoundError:
        return None


def _keys(folder: Path) -> list[str]:
    return [path.stem.removeprefix("index-") for path in sorted(folder.glob("index-*.parquet"))]


def _describe(
    folder: Path, made_of: dict[str, Any], current: str | None, runs: Iterable[RunInfo]
) -> CacheInfo:
    slices, prepared, state = _progress_of(folder, current)
    recipe_hash = str(made_of["recipe_hash"])
    used_by = [
        run.name
        for run in runs
        if run.params.get("dataset") == made_of["dataset"]
        and recipe_hash[:12] == (run.params.get("recipe_hash") or "-")
    ]
    with alone(folder / BUILDERS) as no_builder, alone(folder / READERS) as no_reader:
        in_use = not (no_builder and no_reader)
    return CacheInfo(
        folder=folder.name,
        dataset=str(made_of["dataset"]),
        recipe=str(made_of["recipe"]["name"]),
        recipe_hash=recipe_hash,
        slices=slices,
        prepared=prepared,
        bytes=_bytes(folder),
        state=state,
        in_use=in_use,
        last_used=datetime.fromtimestamp((folder / "cache.json").stat().st_mtime, UTC),
        runs=tuple(used_by),
    )


def _progress_of(folder: Path, current: str | None) -> tuple[int, int, State]:
    """Return how many slices a cache is of, how many are prepared, and how it stands."""
    keys = _keys(folder)
    key = current if current in keys else None
    for rows_path in sorted(folder.glob("partial-*.rows")):
        if key is None:
            rows = np.fromfile(rows_path, ROW_STATE)
            return rows.size, int((rows["state"] == DONE).sum()), "partial"
    if not keys:
        return 0, 0, "partial"
    ok = pd.read_parquet(folder / f"index-{key or keys[-1]}.parquet", columns=["ok"])["ok"]
    whole = read_cache(folder, key, quietly=True) is not None if key is not None else False
    return len(ok), int(ok.sum()), "complete" if whole else "outdated"


def _files(folder: Path) -> list[Path]:
    """Return a cache's files without its locks and what SQLite keeps beside them."""
    return [path for path in folder.iterdir() if not path.name.startswith((BUILDERS, READERS))]


def _bytes(folder: Path) -> int:
    total = 0
    for path in _files(folder):
        try:
            total += path.stat().st_size
        except FileNotFoundError:
            continue  # a build replaced it meanwhile
    return total
