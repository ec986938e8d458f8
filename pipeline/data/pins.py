"""Slices of a data set that the user pinned, so that they stay in view while a recipe is tuned."""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.workspace import Workspace, atomic_write_json, read_json

_FILE = "pins.json"


def pinned_slices(workspace: Workspace, dataset: str) -> list[str]:
    """Return the ids of the pinned slices, in the order in which they were pinned."""
    try:
        stored = read_json(workspace.dataset_dir(dataset) / _FILE)
    except (OSError, ValueError):
        return []
    return [str(slice_id) for slice_id in stored] if isinstance(stored, list) else []


def pin_slices(workspace: Workspace, dataset: str, slice_ids: Iterable[str]) -> None:
    """Pin slices besides those that are; pinning twice does no harm."""
    wanted = dict.fromkeys([*pinned_slices(workspace, dataset), *slice_ids])
    atomic_write_json(workspace.dataset_dir(dataset) / _FILE, list(wanted))


def unpin_slices(workspace: Workspace, dataset: str, slice_ids: Iterable[str]) -> None:
    """Let go of slices; of one that isn't pinned, nothing is said."""
    gone = set(slice_ids)
    kept = [each for each in pinned_slices(workspace, dataset) if each not in gone]
    atomic_write_json(workspace.dataset_dir(dataset) / _FILE, kept)
