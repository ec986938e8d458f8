"""Known masks of a data set's slices: those that phantoms bring along, or a folder that the user names.

A folder holds one file a slice, PNG with 0 / 255 or NIfTI, under the slice's own path with another ending
(`pCT/pCT1.png` for `pCT/pCT1.dcm`), or flat under its stem (`pCT1.png`, `pCT1.nii.gz`). Phantoms carry
`masks/lungs` and `masks/lesions` beside their slices; so may any indexed folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.data.datasets import require_manifest
from pipeline.data.reading import read_slice
from pipeline.data.slice_image import SliceError
from pipeline.errors import HilumError
from pipeline.workspace import Workspace, atomic_write_json, read_json

Kind = Literal["lungs", "lesions"]
KINDS: tuple[Kind, ...] = ("lungs", "lesions")
_ENDINGS = (".png", ".nii.gz", ".nii")
_FILE = "masks.json"


class MaskFolderError(HilumError):
    """A folder of masks that is not there, or holds none of this data set's slices."""


@dataclass(frozen=True, eq=False)
class KnownMasks:
    """The known masks of one slice, bool (rows, columns), None where there is none.

    `problem` says in a sentence why one that is there can't be used.
    """

    lungs: NDArray[np.bool_] | None = None
    lesions: NDArray[np.bool_] | None = None
    problem: str = ""

    def __bool__(self) -> bool:
        return self.lungs is not None or self.lesions is not None


def mask_folders(workspace: Workspace, dataset: str) -> dict[Kind, Path]:
    """Return where the masks of a data set lie, by kind: folders the user named, else `masks/` beside it.

    Raises:
        DatasetNotFoundError: there is no such data set.
    """
    source = Path(str(require_manifest(workspace, dataset)["source"]))
    found: dict[Kind, Path] = {kind: source / "masks" / kind for kind in KINDS}
    found |= {kind: Path(path) for kind, path in _named(workspace, dataset).items()}
    return {kind: folder for kind, folder in found.items() if folder.is_dir()}


def named_folders(workspace: Workspace, dataset: str) -> dict[Kind, Path]:
    """Return the folders that the user named, by kind."""
    return {kind: Path(path) for kind, path in _named(workspace, dataset).items()}


def name_mask_folder(workspace: Workspace, dataset: str, kind: Kind, folder: str) -> Path | None:
    """Remember `folder` as the one of a data set's masks of this kind; an empty text forgets it.

    Raises:
        MaskFolderError: it is no folder, or holds neither PNG nor NIfTI files.
    """
    named: dict[Kind, str] = _named(workspace, dataset)
    named.pop(kind, None)
    path = Path(folder.strip()).expanduser() if folder.strip() else None
    if path is not None:
        if not path.is_dir():
            raise MaskFolderError(f"There is no folder {path}. Give the folder that holds the masks.")
        if not any(_is_mask(each) for each in path.rglob("*")):
            raise MaskFolderError(
                f"{path} holds no mask. A mask is a PNG (0 and 255) or NIfTI file with its slice's stem."
            )
        named[kind] = str(path.absolute())
    atomic_write_json(workspace.dataset_dir(dataset) / _FILE, named)
    return path


def load_masks(workspace: Workspace, dataset: str, row: Mapping[str, Any]) -> KnownMasks:
    """Return what is known of an index row's slice (`path`, `frame`)."""
    loaded: dict[str, NDArray[np.bool_]] = {}
    problem = ""
    for kind, folder in mask_folders(workspace, dataset).items():
        file = find_mask(folder, str(row["path"]))
        if file is None:
            continue
        try:
            loaded[kind] = _read_mask(file, frame=int(row["frame"]))
        except SliceError as error:
            problem = f"Its mask {file.name} cannot be read: {error}"
    return KnownMasks(**loaded, problem=problem)


def find_mask(folder: Path, path: str) -> Path | None:
    """Return the mask file of the slice at `path` (relative to its data set), None where there is none."""
    stem = _stem(path)
    beside = PurePosixPath(path).parent
    for name in (beside / stem, PurePosixPath(stem)):
        for ending in _ENDINGS:
            file = folder / f"{name}{ending}"
            if file.is_file():
                return file
    return _stems(folder).get(stem)


class _Listing(NamedTuple):
    """A folder tree as it was listed: when each of its folders last changed, and its masks by stem."""

    folders: dict[Path, int]
    stems: dict[str, Path]


_listings: dict[Path, _Listing] = {}


def _stems(folder: Path) -> dict[str, Path]:
    """Return the files of a folder tree by stem, listed again once a file came, went or was renamed."""
    known = _listings.get(folder)
    if known is None or any(_changed_at(each) != then for each, then in known.folders.items()):
        # Times first: what comes while the files are listed makes the next call list them again.
        folders = {each: _changed_at(each) for each in (folder, *folder.rglob("*/"))}
        known = _listings[folder] = _Listing(folders, _list_stems(folder))
    return known.stems


def _changed_at(folder: Path) -> int:
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return 0


def _list_stems(folder: Path) -> dict[str, Path]:
    """Return the files of a folder tree by stem; a stem that two files share means neither."""
    found: dict[str, Path | None] = {}
    for file in sorted(folder.rglob("*")):
        if _is_mask(file):
            stem = _stem(file.name)
            found[stem] = None if stem in found else file
    return {stem: file for stem, file in found.items() if file is not None}


def _is_mask(file: Path) -> bool:
    return file.name.lower().endswith(_ENDINGS) and file.is_file()


def _stem(path: str) -> str:
    name = PurePosixPath(path).name
    return name[:-7] if name.lower().endswith(".nii.gz") else PurePosixPath(name).stem


def _read_mask(file: Path, *, frame: int) -> NDArray[np.bool_]:
    if file.name.lower().endswith(".png"):
        return np.asarray(read_slice(file).image) > 0
    return np.asarray(read_slice(file, frame=frame).image) > 0


def _named(workspace: Workspace, dataset: str) -> dict[Kind, str]:
    try:
        stored = read_json(workspace.dataset_dir(dataset) / _FILE)
    except (OSError, ValueError):
        return {}
    if not isinstance(stored, dict):
        return {}
    return {kind: str(stored[kind]) for kind in KINDS if isinstance(stored.get(kind), str)}
