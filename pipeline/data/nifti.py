"""Reading NIfTI: axial planes as a radiologist sees them, Hounsfield units where the air says so.

A file is `.nii` or `.nii.gz`, NIfTI-1 or -2, of two to four dimensions. Its frames are the planes across the
voxel axis that runs closest to feet-head, in stored order, whatever the order and direction of the axes.

Runs inside the sandbox's worker. The header is read and judged first. Of a `.nii` whose planes lie in one
piece only the plane asked for is read; everything else is inflated into memory once, up to a limit.
"""

from __future__ import annotations

import math
import warnings
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from nibabel.arrayproxy import ArrayProxy
from numpy.typing import NDArray

from pipeline.data.formats import is_gzip
from pipeline.data.opening import open_file
from pipeline.data.slice_image import (
    MAX_FRAMES,
    DicomHeader,
    SliceError,
    SliceImage,
    check_size,
    stored_range_to_grey,
)

MAX_VOLUME_BYTES = 400 * 2**20  # 512 x 512 x 800 of 16 bits
AIR_HU = -1024.0
AIR_BELOW_HU = -300.0
NO_ORIENTATION = "the header gives no orientation: planes are taken as stored"
_HEADER_BYTES = 540
_SAMPLED_PLANES, _SAMPLED_EVERY = 16, 4
_AIR_PERCENTILE = 1.0
_CHUNK = 2**20  # read at once
_AT_ONCE = 16 * 2**20  # inflated at once: a bomb's megabyte holds a gigabyte
_MILLIMETRES = {"meter": 1000.0, "mm": 1.0, "micron": 0.001}


@dataclass(frozen=True)
class NiftiVolume:
    """An opened volume.

    Attributes:
        stored: (i, j, k, time), an array or a proxy that reads from the file what is asked for.
        scaling: slope and intercept from stored to real values.
        affine: from (i, j, k) to mm to the right, to the front, to the head.
        axes: the voxel axes that run right-left, front-back and feet-head.
        rising: whether each of `axes` runs to the right, to the front, to the head.
        is_hu: whether the air lies below -300.
    """

    stored: Any
    scaling: tuple[float, float]
    affine: NDArray[np.float64]
    axes: tuple[int, int, int]
    rising: tuple[bool, bool, bool]
    bit_depth: int
    is_hu: bool = False
    notes: tuple[str, ...] = ()

    @property
    def planes(self) -> int:
        """Planes of one moment."""
        return int(self.stored.shape[self.axes[2]])

    @property
    def frames(self) -> int:
        """Planes of all moments."""
        return self.planes * int(self.stored.shape[3])


def open_nifti(source: Path | bytes) -> NiftiVolume:
    """Open a volume and judge what it claims.

    Raises:
        SliceError: `corrupt`, `truncated`, `too-large`, `too-small`, `unsupported-format`.
    """
    head = _read_start(source, _HEADER_BYTES)
    packed = is_gzip(source[:3] if isinstance(source, bytes) else _first_bytes(source))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            header = _parse(bytes(head))
            shape, dtype = header.get_data_shape(), header.get_data_dtype()
            offset, scaling = int(header.get_data_offset()), header.get_slope_inter()
            affine, notes = _orientation(header)
    except MemoryError:
        raise
    except Exception as error:  # nibabel raises nearly anything on a damaged header
        raise SliceError("corrupt", f"The NIfTI header is damaged ({type(error).__name__}).") from error
    _check_kind(shape, dtype, offset)
    full = (*shape, 1, 1)[:4] if len(shape) < 4 else shape[:4]
    oriented = nibabel.io_orientation(affine)
    axes = tuple(int(np.flatnonzero(oriented[:, 0] == world)[0]) for world in range(3))
    check_size(full[axes[1]], full[axes[0]])
    frames = full[axes[2]] * full[3]
    if frames > MAX_FRAMES:
        raise SliceError("too-large", f"It claims {frames:,} planes; up to {MAX_FRAMES:,} are read.")
    stored = _load(source, full, dtype, offset, packed=packed, in_pieces=axes[2] != 2)
    volume = NiftiVolume(
        stored=stored,
        scaling=(1.0 if scaling[0] is None else float(scaling[0]), float(scaling[1] or 0.0)),
        affine=affine,
        axes=(axes[0], axes[1], axes[2]),
        rising=tuple(bool(oriented[axis, 1] > 0) for axis in axes),  # type: ignore[arg-type]
        bit_depth=8 * dtype.itemsize,
        notes=notes,
    )
    return replace(volume, is_hu=_air_is_hu(volume))


def decode_plane(volume: NiftiVolume, *, frame: int = 0) -> SliceImage:
    """Read one axial plane: the patient's right on the image's left, the front on top.

    Raises:
        SliceError: `no-such-frame`, `truncated`, `corrupt`.
    """
    if not 0 <= frame < volume.frames:
        raise SliceError(
            "no-such-frame", f"It has {volume.frames} plane(s); plane {frame + 1} was asked for."
        )
    stored = _plane(volume, frame)
    values = stored
    if volume.scaling != (1.0, 0.0):
        slope, intercept = volume.scaling
        values = stored.astype(np.float32) * np.float32(slope) + np.float32(intercept)
    image: NDArray[Any]
    if volume.is_hu:
        image = np.nan_to_num(values.astype(np.float32), nan=AIR_HU, posinf=AIR_HU, neginf=AIR_HU)
    else:
        image = stored_range_to_grey(values, bit_depth=volume.bit_depth)
    return SliceImage(
        np.ascontiguousarray(image),
        "hu" if volume.is_hu else "grey",
        "nifti",
        volume.bit_depth,
        frame=frame,
        frames=volume.frames,
        header=read_plane_header(volume, frame),
        notes=volume.notes,
    )


def read_plane_header(volume: NiftiVolume, frame: int) -> DicomHeader:
    """Return a plane's geometry as a DICOM header would give it. Descriptions and names are not read."""
    voxel = np.zeros(4)
    voxel[3] = 1
    for axis, rises in zip(volume.axes[:2], volume.rising[:2], strict=True):
        voxel[axis] = volume.stored.shape[axis] - 1 if rises else 0  # the first pixel lies right and in front
    voxel[volume.axes[2]] = frame % volume.planes
    to_lps = np.array([-1.0, -1.0, 1.0])
    position = (volume.affine @ voxel)[:3] * to_lps
    steps = [
        volume.affine[:3, axis] * to_lps * (-1 if rises else 1)
        for axis, rises in zip(volume.axes[:2], volume.rising[:2], strict=True)
    ]
    lengths = [float(np.linalg.norm(step)) for step in steps]
    along_row, along_column = (step / length for step, length in zip(steps, lengths, strict=True))
    return DicomHeader(
        slice_location=round(float(np.cross(along_row, along_column) @ position), 3),
        pixel_spacing=round(math.sqrt(lengths[0] * lengths[1]), 5),
        image_position=" ".join(f"{value + 0.0:.6g}" for value in position),
        image_orientation=" ".join(f"{value + 0.0:.6g}" for value in (*along_row, *along_column)),
    )


def _parse(head: bytes) -> Any:
    length = [int.from_bytes(head[:4], order) for order in ("little", "big")]
    if 540 in length:
        return nibabel.Nifti2Header(head[:540], check=False)
    return nibabel.Nifti1Header(head[:348], check=False)


def _orientation(header: Any) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Return the affine in mm; where the header's makes no sense, the one of an unturned volume."""
    scale = _MILLIMETRES.get(header.get_xyzt_units()[0], 1.0)
    affine = np.asarray(header.get_best_affine(), np.float64) * [[scale], [scale], [scale], [1.0]]
    known = int(header["qform_code"]) > 0 or int(header["sform_code"]) > 0
    if not _makes_sense(affine):
        affine, known = np.asarray(header.get_base_affine(), np.float64), False
    if not _makes_sense(affine):
        affine = np.diag([-1.0, 1.0, 1.0, 1.0])
    return affine, () if known else (NO_ORIENTATION,)


def _makes_sense(affine: NDArray[np.float64]) -> bool:
    if not np.isfinite(affine).all():
        return False
    turn = affine[:3, :3]
    lengths = np.linalg.norm(turn, axis=0)
    return bool((lengths > 1e-6).all() and abs(np.linalg.det(turn / lengths)) > 1e-3)


def _check_kind(shape: tuple[int, ...], dtype: np.dtype[Any], offset: int) -> None:
    if dtype.fields is not None or dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise SliceError(
            "unsupported-format",
            "This NIfTI file holds no grey values (colour, complex or wider than 64 bits).",
        )
    if len(shape) < 2 or any(length < 1 for length in shape) or offset < 0:
        raise SliceError("corrupt", f"The NIfTI header claims the shape {shape[:7]}.")
    if any(length > 1 for length in shape[4:]):
        raise SliceError("unsupported-format", "This NIfTI file has more than four dimensions.")


def _load(
    source: Path | bytes,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    offset: int,
    *,
    packed: bool,
    in_pieces: bool,
) -> Any:
    """Return the stored values: a proxy that reads plane by plane where that is cheap, else all of them."""
    size = math.prod(shape) * dtype.itemsize
    if isinstance(source, Path) and not packed and not in_pieces:
        if source.stat().st_size < offset + size:
            raise SliceError("truncated", "The NIfTI file ends too early: it was cut off.")
        return ArrayProxy(str(source), (shape, dtype, offset, 1.0, 0.0), mmap=False)
    if size > MAX_VOLUME_BYTES:
        reason = f"It inflates to {size / 2**20:,.0f} MiB; up to 400 MiB are. "
        raise SliceError("too-large", reason + "Save it as .nii, uncompressed, with axial planes.")
    data = _read_start(source, offset + size)
    if len(data) < offset + size:
        raise SliceError("truncated", "The NIfTI file ends too early: it was cut off.")
    return np.frombuffer(data, dtype, math.prod(shape), offset).reshape(shape, order="F")


def _first_bytes(path: Path) -> bytes:
    with open_file(path) as file:
        return file.read(3)


def _read_start(source: Path | bytes, size: int) -> bytes | bytearray:
    """Return the first bytes of a file, inflated where it is packed: `size` of them, fewer where it ends."""
    if isinstance(source, bytes):
        return _inflate([source], size) if is_gzip(source) else source[:size]
    with open_file(source) as file:
        first = file.read(min(size, _CHUNK))
        if not is_gzip(first):
            return first + file.read(size - len(first)) if len(first) < size else first
        file.seek(0)
        return _inflate(iter(lambda: file.read(_CHUNK), b""), size)


def _inflate(chunks: Iterable[bytes], size: int) -> bytearray:
    """Inflate gzip streams, one after the other, into `size` bytes and not one more."""
    found = bytearray()
    inflater = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        for chunk in chunks:
            rest = chunk
            while rest and len(found) < size:
                found += inflater.decompress(rest, min(size - len(found), _AT_ONCE))
                rest = inflater.unconsumed_tail
                if inflater.eof:
                    rest = inflater.unused_data
                    inflater = zlib.decompressobj(16 + zlib.MAX_WBITS)
            if len(found) >= size:
                break
    except zlib.error as error:
        raise SliceError("corrupt", "The gzip stream is damaged.") from error
    return found


def _plane(volume: NiftiVolume, frame: int) -> NDArray[Any]:
    """Return a plane's stored values, turned as a radiologist sees it."""
    moment, place = divmod(frame, volume.planes)
    where: list[Any] = [slice(None)] * 3
    where[volume.axes[2]] = place
    try:
        plane = np.asarray(volume.stored[(*where, moment)])
    except MemoryError:
        raise
    except Exception as error:  # the file may have shrunk since
        raise SliceError("corrupt", f"The plane could not be read ({type(error).__name__}).") from error
    across, down = volume.axes[0], volume.axes[1]
    if across < down:
        plane = plane.T
    rises_right, rises_front, _ = volume.rising
    plane = plane[::-1] if rises_front else plane
    plane = plane[:, ::-1] if rises_right else plane
    return np.ascontiguousarray(plane.astype(plane.dtype.newbyteorder("=")))


def _air_is_hu(volume: NiftiVolume) -> bool:
    """Return whether the air of a volume lies below -300: of some planes, the lowest hundredth."""
    slope, intercept = volume.scaling
    sampled = []
    for frame in np.unique(np.linspace(0, volume.frames - 1, _SAMPLED_PLANES).astype(int)):
        values = _plane(volume, int(frame))[::_SAMPLED_EVERY, ::_SAMPLED_EVERY]
        sampled.append(values.astype(np.float64).ravel() * slope + intercept)
    values = np.concatenate(sampled)
    values = values[np.isfinite(values)]
    return bool(len(values) and np.percentile(values, _AIR_PERCENTILE) < AIR_BELOW_HU)
