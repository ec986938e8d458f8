"""Reading a bundle that came from outside: what it claims is checked against limits before it is inflated.

Nothing is unpacked to the disk, nothing in it is run or unpickled, and an array is taken only where its
bytes, shape and type are those that the record names.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ValidationError

from pipeline.data.opening import open_file, read_failure
from pipeline.data.slice_image import MAX_PIXELS, SliceError
from pipeline.errors import HilumError
from pipeline.handing_on.bundle import HEATMAP, RECORD, SLICE, Bundle
from pipeline.handing_on.record import READABLE, ArrayFacts, Record

MAX_BUNDLE_BYTES = 192 * 2**20
_MAX_BYTES = {RECORD: 2 * 2**20, HEATMAP: 16 * 2**20, SLICE: 4 * MAX_PIXELS + 4096}
_MAX_HEADER = 1024  # of an array's file, bytes
_MAX_TABLE = 4096  # of contents, bytes
_CONTROLS = re.compile(r"\\u00(?:[01]|7f|[89])|[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f-\x9f]", re.IGNORECASE)
_END = struct.Struct("<4sHHHHIIH")  # end of the table of contents


class BundleError(HilumError):
    """A file that is no bundle, or a damaged one, or one that would take more than it may."""


class _Head(BaseModel):
    """What every format's record begins with."""

    format: int


def read_bundle(path: Path) -> Bundle:
    """Read a bundle.

    Raises:
        BundleError: it is none, is damaged, or claims more than a bundle holds.
    """
    try:
        with open_file(path) as file:
            if os.fstat(file.fileno()).st_size > MAX_BUNDLE_BYTES:
                raise BundleError(f"{path} has more than {MAX_BUNDLE_BYTES // 2**20} MiB: no bundle has.")
            data = file.read()
    except SliceError as error:
        raise BundleError(f"{path} cannot be read: {error}") from error
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {read_failure(error)}") from error
    try:
        return _read(data)
    except BundleError as error:
        raise BundleError(f"{path} is not a bundle that Hilum reads: {error}") from error


def _read(data: bytes) -> Bundle:
    members = _inflated(data)
    if RECORD not in members or HEATMAP not in members:
        raise BundleError(f"it lacks {RECORD} or {HEATMAP}.")
    if _CONTROLS.search(members[RECORD].decode("utf-8", "replace")):
        raise BundleError(f"{RECORD} holds characters that a terminal would obey.")
    try:
        written = _Head.model_validate_json(members[RECORD]).format
        if written not in READABLE:
            known = " and ".join(map(str, READABLE))
            raise BundleError(f"it has format {written}, and this Hilum knows {known}.")
        record = Record.model_validate_json(members[RECORD])
    except (ValidationError, RecursionError) as error:
        raise BundleError(f"{RECORD} {_fault(error)}.") from error
    if sorted(record.arrays) != sorted(name for name in members if name != RECORD):
        raise BundleError("its arrays are not those that its record names.")
    arrays = {name: _array(name, members[name], facts) for name, facts in record.arrays.items()}
    _check_shapes(record)
    return Bundle(record, arrays[HEATMAP], arrays.get(SLICE))


def _inflated(data: bytes) -> dict[str, bytes]:
    """Return the members' bytes. What the table of contents claims is looked at first."""
    _check_table(data)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
            _check_members(infos)
            return {info.filename: _member(archive, info) for info in infos}
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        OSError,
        ValueError,
        RuntimeError,
        struct.error,
    ) as error:
        raise BundleError(f"it is damaged ({type(error).__name__}).") from error


def _check_table(data: bytes) -> None:
    """Refuse what is no small ZIP archive before its table of contents is read.

    A bundle's end is its last 22 bytes: no comment, no second disk, no 64-bit extension.
    """
    if len(data) < _END.size or data[-_END.size : -_END.size + 4] != b"PK\x05\x06":
        raise BundleError("it is no ZIP archive, or its end is missing.")
    _, *disks, here, entries, size, _, comment = _END.unpack(data[-_END.size :])
    if any(disks) or here != entries or comment or b"PK\x06\x07" in data[-_END.size - 20 : -_END.size]:
        raise BundleError("its table of contents is none that Hilum writes.")
    if entries > len(_MAX_BYTES) or size > _MAX_TABLE:
        raise BundleError(f"it holds {entries:,} files; a bundle holds two or three.")


def _check_members(infos: list[zipfile.ZipInfo]) -> None:
    names = [info.filename for info in infos]
    unknown = [name for name in names if name not in _MAX_BYTES]
    if unknown or len(set(names)) != len(names):
        raise BundleError("it holds files that are no bundle's.")
    for info in infos:
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or info.flag_bits & 0x1:
            raise BundleError(f"{info.filename} is packed or encrypted in a way that Hilum does not write.")
        if info.file_size > _MAX_BYTES[info.filename]:
            raise BundleError(
                f"{info.filename} claims {info.file_size / 2**20:,.0f} MiB; at most "
                f"{_MAX_BYTES[info.filename] / 2**20:,.0f} are read."
            )


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    with archive.open(info) as file:
        data = file.read(info.file_size + 1)
    if len(data) != info.file_size:
        raise BundleError(f"{info.filename} is not as long as it says.")
    return data


def _array(name: str, data: bytes, facts: ArrayFacts) -> np.ndarray:
    """Return an array whose bytes, shape and type are those that the record names."""
    if hashlib.sha256(data).hexdigest() != facts.sha256:
        raise BundleError(f"{name} is not what was written (the sha256 differs).")
    file = io.BytesIO(data)
    try:
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError("version")
        header = np.lib.format.read_array_header_1_0(file, max_header_size=_MAX_HEADER)
        wanted: tuple[Any, ...] = (tuple(facts.shape), False, np.dtype(facts.dtype))
        if header != wanted:
            raise ValueError("header")
        array = np.frombuffer(data, wanted[2], offset=file.tell()).reshape(wanted[0])
    except (ValueError, EOFError) as error:
        raise BundleError(f"{name} does not hold the array that the record names.") from error
    if not np.isfinite(array).all():
        raise BundleError(f"{name} holds values that are no numbers.")
    return array


def _check_shapes(record: Record) -> None:
    heatmap, pixels = record.arrays[HEATMAP], record.arrays.get(SLICE)
    classes, facts = record.model.classes, record.slice
    if len(heatmap.shape) != 3 or heatmap.shape[0] != len(classes) or heatmap.dtype != "<f4":
        raise BundleError(f"{HEATMAP} has not one map a class.")
    if pixels is not None:
        known = ("<i2", "<f4") if facts.intensity == "hu" else ("|u1",)
        if pixels.shape != [facts.rows, facts.columns] or pixels.dtype not in known:
            raise BundleError(f"{SLICE} has not the slice's size or type.")
    if any(set(given) != set(classes) for given in (record.answer.probabilities, record.answer.logits)):
        raise BundleError("its probabilities are not those of its classes.")


def _fault(error: Exception) -> str:
    """Say what is wrong with a record, without repeating what somebody wrote into it."""
    if isinstance(error, ValidationError):
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        place = ".".join(str(part)[:40] for part in first["loc"][:4])
        return f"is not as it must be{f' at {place}' if place else ''} ({first['type']})"
    return "is nested too deeply"
