"""ZIP archives of slices: what they hold, and a member's bytes. Nothing is ever unpacked to the disk.

A member is a slice like a file of a folder. Its path is the archive's, `/`, and its name inside:
`scans.zip/pCT/a.dcm` (backslashes of old Windows programs count as `/`). Such a path is told from others by
one of its folders being a file, so it may be given wherever a slice's path may.

Runs inside the sandbox's worker. A member is inflated in memory, up to the size that it declares and no
further; one that is encrypted, leads outside, overlaps another or inflates absurdly is refused by name.
"""

from __future__ import annotations

import os
import re
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from pipeline.data.opening import open_file
from pipeline.data.slice_image import SliceError

MAX_MEMBERS = 50_000
MAX_MEMBER_BYTES = 256 * 2**20
MAX_TOTAL_BYTES = 64 * 2**30
MAX_RATIO = 200  # CT deflates two- or threefold
RATIO_COUNTS_FROM = 16 * 2**20  # a black slice of half a megabyte is no bomb
MAX_NAME = 1000
_LOCAL_HEADER_BYTES = 30
_OFFICE_MARKS = frozenset({"[Content_Types].xml", "META-INF/MANIFEST.MF", "META-INF/manifest.xml"})


@dataclass(frozen=True)
class Member:
    """A file inside an archive. `problem` is set where it is not read."""

    name: str
    bytes: int
    problem: SliceError | None = None


class Archive:
    """An opened ZIP archive.

    Raises:
        SliceError: `corrupt`, `too-large`, `no-slices`, `unsupported-format`, or why it can't be opened.
    """

    def __init__(self, path: Path) -> None:
        self._file = open_file(path)
        try:
            self._zip = zipfile.ZipFile(self._file)
            self._infos = [info for info in self._zip.infolist() if not info.is_dir()]
        except MemoryError:
            self._file.close()
            raise
        except Exception as error:  # zipfile raises nearly anything on a damaged directory
            self._file.close()
            raise SliceError(
                "corrupt", f"The ZIP archive's table of contents is damaged ({type(error).__name__})."
            ) from error
        self._check()
        self.members: list[Member] = []
        self._by_name: dict[str, zipfile.ZipInfo] = {}
        self._problems: dict[str, SliceError] = {}
        overlapping = _overlapping(self._infos)
        for info in self._infos:
            self._add(info, overlaps=info.header_offset in overlapping)

    def read(self, name: str) -> bytes:
        """Return a member's bytes.

        Raises:
            SliceError: there is no such member, it is refused, or it is damaged.
        """
        if (problem := self._problems.get(name)) is not None:
            raise problem
        info = self._by_name.get(name)
        if info is None:
            raise SliceError("missing-file", "There is no such file in the archive.")
        try:
            with self._zip.open(info) as member_file:
                data = member_file.read(info.file_size + 1)
        except NotImplementedError as error:
            reason = "It is packed by a method that Hilum does not read; pack the archive again with deflate."
            raise SliceError("unsupported-format", reason) from error
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError) as error:
            reason = f"The archive is damaged at this file ({type(error).__name__})."
            raise SliceError("corrupt", reason) from error
        if len(data) != info.file_size:
            raise SliceError("truncated", "The archive holds less of this file than it says.")
        return data

    def close(self) -> None:
        """Close the archive's file."""
        self._zip.close()
        self._file.close()

    def _check(self) -> None:
        problem = None
        if not self._infos:
            problem = SliceError("no-slices", "This ZIP archive holds no file.")
        elif len(self._infos) > MAX_MEMBERS:
            reason = f"This ZIP archive holds {len(self._infos):,} files; up to {MAX_MEMBERS:,} are read."
            problem = SliceError("too-large", reason)
        elif sum(info.file_size for info in self._infos) > MAX_TOTAL_BYTES:
            problem = SliceError("too-large", "This ZIP archive claims to inflate to more than 64 GiB.")
        elif any(info.filename in _OFFICE_MARKS for info in self._infos):
            reason = "This is an office document or a program in a ZIP archive, and no archive of slices."
            problem = SliceError("unsupported-format", reason)
        if problem is not None:
            self.close()
            raise problem

    def _add(self, info: zipfile.ZipInfo, *, overlaps: bool) -> None:
        name, problem = _clean_name(info.filename)
        problem = problem or _problem(info, overlaps=overlaps)
        if name in self._by_name:
            problem = SliceError("duplicate-name", "The archive holds another file of this name before it.")
            name = f"{name} ({len(self.members) + 1})"
        self._by_name[name] = info
        if problem is not None:
            self._problems[name] = problem
        self.members.append(Member(name, info.file_size, problem))


def split_archive_path(path: Path) -> tuple[Path, str] | None:
    """Return the archive and the member's name where a folder of `path` is a file, else None."""
    for parent in path.parents:
        try:
            if parent.is_file():
                return parent, path.relative_to(parent).as_posix()
            if parent.exists():
                return None
        except (OSError, ValueError):
            continue
    return None


_kept: tuple[tuple[str, int, int], Archive] | None = None


def keep_archive(path: Path) -> Archive:
    """Return an archive, opened once while it stays the same: members are mostly asked for one by one.

    Raises:
        SliceError: see `Archive`.
    """
    global _kept
    with open_file(path) as file:
        status = os.fstat(file.fileno())
    identity = (str(path), status.st_size, status.st_mtime_ns)
    if _kept is None or _kept[0] != identity:
        forget_archive()
        _kept = identity, Archive(path)
    return _kept[1]


def forget_archive() -> None:
    """Close the archive that is kept open, if any."""
    global _kept
    if _kept is not None:
        _kept[1].close()
    _kept = None


def _clean_name(name: str) -> tuple[str, SliceError | None]:
    """Return a member's name as a relative path, and what is wrong with the name."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
    clean = "/".join("__" if part == ".." else part for part in parts) or "__"
    if len(clean) > MAX_NAME:
        reason = f"Its name in the archive has more than {MAX_NAME:,} characters."
        return clean[:MAX_NAME], SliceError("bad-name", reason)
    if ".." in parts or name.startswith(("/", "\\")) or re.match("[A-Za-z]:", name):
        reason = "Its name leads outside the archive, which no honest archive does; it is not read."
        return clean, SliceError("unsafe-name", reason)
    return clean, None


def _problem(info: zipfile.ZipInfo, *, overlaps: bool) -> SliceError | None:
    if info.flag_bits & 0x1:
        reason = "It is encrypted in the archive; unpack it with its password and index the folder."
        return SliceError("encrypted", reason)
    if overlaps:
        reason = "It overlaps another file of the archive, as in a bomb; it is not read."
        return SliceError("archive-bomb", reason)
    if info.file_size > MAX_MEMBER_BYTES:
        reason = (
            f"It inflates to {info.file_size / 2**20:,.0f} MiB; files of up to 256 MiB are read in archives. "
            "Unpack it and index the folder."
        )
        return SliceError("too-large", reason)
    if info.file_size > max(RATIO_COUNTS_FROM, MAX_RATIO * info.compress_size):
        ratio = info.file_size / max(info.compress_size, 1)
        reason = f"It inflates {ratio:,.0f}-fold, to {info.file_size / 2**20:.0f} MiB, as a bomb does."
        return SliceError("archive-bomb", reason)
    return None


def _overlapping(infos: list[zipfile.ZipInfo]) -> set[int]:
    """Return where members begin that begin inside another: one packed piece counted many times."""
    found, end = set(), 0
    for info in sorted(infos, key=lambda each: each.header_offset):
        if info.header_offset < end:
            found.add(info.header_offset)
        end = max(end, info.header_offset + _LOCAL_HEADER_BYTES + info.compress_size)
    return found
