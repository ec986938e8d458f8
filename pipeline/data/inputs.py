"""What a command's INPUT stands for: a slice, a file's frames, a folder, an archive; in anatomical order."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.data.parallel import Through, members_of, work_through
from pipeline.data.reading import is_picture
from pipeline.data.scan import FoundFile, SourceError, scan_folder, without_litter
from pipeline.data.series import head_first
from pipeline.data.slice_image import SliceError


@dataclass(frozen=True)
class InputSlice:
    """One slice that was asked for.

    Attributes:
        path, frame: as `read_slice` takes them.
        stem: what to call what is made of it; no other slice of the same call has it.
        problem: why it is known by now that there is nothing to read.
        series: what tells its series from others of this call, None where no header names one.
        location: along the body, mm, None where unknown.
    """

    path: Path
    frame: int = 0
    stem: str = ""
    problem: SliceError | None = None
    series: str | None = None
    location: float | None = None

    @property
    def shown(self) -> str:
        """The path as text: bytes that are no UTF-8 are written as \\xNN."""
        return os.fsencode(self.path).decode("utf-8", "backslashreplace")


@dataclass(frozen=True)
class _Place:
    file: FoundFile
    frame: int
    series: str | None
    location: float | None
    problem: SliceError | None = None


def expand_inputs(inputs: Sequence[Path], *, through: Through = work_through) -> Iterator[list[InputSlice]]:
    """Yield the slices of each input, in their order.

    A folder and an archive stand for all slices below them, a file of several frames for each of them. Slices
    of one series (frames of one file, where the series is unknown) stand together, by `slice_location`, from
    the head down. What can't be read is in the list with its problem.

    Args:
        through: what asks the sandbox about files that are no pictures.
    """
    taken: set[str] = set()
    for path in inputs:
        if path.is_dir():
            places, base = _folder_places(path, through), path
        else:
            places = _places(path.parent, [FoundFile(path.name, _size(path))], through)
            base = path.parent
        stems = {file: _unused(file, taken) for file in dict.fromkeys(place.file.path for place in places)}
        yield [
            InputSlice(
                base / place.file.path,
                place.frame,
                stems[place.file.path] + (f"-frame-{place.frame + 1}" if place.frame else ""),
                place.problem,
                place.series,
                place.location,
            )
            for place in _in_order(places)
        ]


def _folder_places(folder: Path, through: Through) -> list[_Place]:
    try:
        files = scan_folder(folder).files
    except SourceError as error:
        return [_Place(FoundFile(""), 0, None, None, SliceError("permission-denied", str(error)))]
    if not files:
        return [_Place(FoundFile(""), 0, None, None, SliceError("no-slices", "This folder holds no slices."))]
    return _places(folder, files, through)


def _places(base: Path, files: list[FoundFile], through: Through) -> list[_Place]:
    """Return a place for every frame of the files and of the members of archives."""
    # Series are told apart by pseudonyms that hold for this call and tell nobody anything.
    request = {"verb": "outline", "key": secrets.token_hex(32)}
    looked = [(file, _at_once(base, file)) for file in files]
    found = [place for _, place in looked if place is not None]
    pending = [file for file, place in looked if place is None]
    while pending:
        inside: list[FoundFile] = []
        for file, answer, _ in through(base.absolute(), pending, request=request):
            inside += members_of(file, answer.get("members", []))
            found += _frames(file, answer)
        slices, _ = without_litter(inside)
        found += [_Place(file, 0, None, None, file.problem) for file in slices if file.problem is not None]
        pending = [file for file in slices if file.problem is None]
    return found


def _at_once(base: Path, file: FoundFile) -> _Place | None:
    """Return the place of a file that needs no worker: a picture, of one frame, or one known to be bad."""
    if file.problem is not None:
        return _Place(file, 0, None, None, file.problem)
    try:
        return _Place(file, 0, None, None) if is_picture(base / file.path) else None
    except SliceError as error:
        return _Place(file, 0, None, None, error)


def _frames(file: FoundFile, answer: dict[str, Any]) -> list[_Place]:
    if "error" in answer:
        return [_Place(file, 0, None, None, SliceError(*answer["error"]))]
    return [
        _Place(file, frame, series, location)
        for frame, (series, location) in enumerate(answer.get("frames", []))
    ]


def _in_order(places: list[_Place]) -> list[_Place]:
    """Sort slices by path, and those of a series from the head down, at the place of its first file."""
    by_path = sorted(places, key=lambda place: (place.file.path, place.frame))
    series: dict[str, list[_Place]] = {}
    for place in by_path:
        series.setdefault(place.series or f"file {place.file.path}", []).append(place)
    ordered = []
    for members in series.values():
        names = [(place.file.path, place.frame) for place in members]
        ordered += [members[at] for at in head_first([place.location for place in members], names)]
    return ordered


def _unused(path: str, taken: set[str]) -> str:
    """Return a file's stem, numbered where another file has it: `a`, `a-2`. No stem is a way up (`..`)."""
    name = path.rsplit("/", 1)[-1]
    stem = (name[:-7] if name.lower().endswith(".nii.gz") else Path(name).stem).lstrip(".") or "slice"
    number, unused = 1, stem
    while unused in taken:
        number += 1
        unused = f"{stem}-{number}"
    taken.add(unused)
    return unused


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except (OSError, ValueError):
        return 0
