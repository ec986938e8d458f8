"""Telling a file's format by its first bytes; names lie."""

from __future__ import annotations

import zlib
from pathlib import PurePath

from pipeline.data.slice_image import SliceError

RASTER = frozenset({"png", "jpeg", "tiff", "bmp"})
READABLE = RASTER | {"dicom", "nifti", "zip"}
HEAD_BYTES = 4096  # enough to look into a gzip stream, too
FORMATS_TEXT = "PNG, JPEG, TIFF, BMP, DICOM, NIfTI, and ZIP archives of them"

_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (128, b"DICM", "dicom"),  # first: a DICOM file may carry a TIFF header in its preamble
    (0, b"\x89PNG\r\n\x1a\n", "png"),
    (0, b"\xff\xd8\xff", "jpeg"),
    (0, b"II*\x00", "tiff"),
    (0, b"MM\x00*", "tiff"),
    (0, b"BM", "bmp"),
    (0, b"GIF8", "GIF"),
    (8, b"WEBP", "WebP"),
    (0, b"%PDF", "PDF"),
    (0, b"PK\x03\x04", "zip"),
    (0, b"PK\x05\x06", "zip"),  # an empty one
    (0, b"PK\x07\x08", "zip"),  # the first volume of several
    (0, b"7z\xbc\xaf\x27\x1c", "7-Zip"),
    (0, b"Rar!\x1a\x07", "RAR"),
    (0, b"BZh", "bzip2"),
    (0, b"\xfd7zXZ", "xz"),
    (0, b"\x28\xb5\x2f\xfd", "Zstandard"),
    (257, b"ustar", "tar"),
    (0, b"\x00\x00\x00\x0cjP", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
)
_EXTENSIONS = {
    "png": {".png"},
    "jpeg": {".jpg", ".jpeg", ".jpe", ".jfif"},
    "tiff": {".tif", ".tiff"},
    "bmp": {".bmp", ".dib"},
    "dicom": {".dcm", ".dicom", ".ima", ".img", ""},
    "nifti": {".nii", ".gz"},
    "zip": {".zip"},
}
_HEADER_BYTES = (348, 540)  # the first field of a NIfTI-1 and a NIfTI-2 header: its own length


def detect_format(head: bytes) -> str:
    """Return the format of a file from its first 4096 bytes: png, jpeg, tiff, bmp, dicom, nifti or zip.

    Raises:
        SliceError: `empty-file`, `unsupported-format` (recognised, not read) or `not-an-image`.
    """
    if not head:
        raise SliceError("empty-file", "The file is empty.")
    for offset, signature, name in _SIGNATURES:
        if head[offset : offset + len(signature)] == signature:
            if name in READABLE:
                return name
            raise SliceError("unsupported-format", f"This is a {name} file; Hilum reads {FORMATS_TEXT}.")
    if is_gzip(head):
        _require_nifti(_inflated_head(head))
        return "nifti"
    if _header_bytes(head) is not None:
        _require_nifti(head)
        return "nifti"
    if _is_bare_dicom(head):
        return "dicom"
    raise SliceError(
        "not-an-image", "This is not an image: its first bytes are of no format that Hilum reads."
    )


def is_gzip(head: bytes) -> bool:
    """Return whether the bytes begin a gzip stream."""
    return head[:3] == b"\x1f\x8b\x08"


def extension_agrees(path: str, format: str) -> bool:
    """Return whether the file's extension is one of its true format's. DICOM files often have none.

    >>> extension_agrees("pCT/a.JPG", "jpeg"), extension_agrees("pCT/a.jpg", "png")
    (True, False)
    """
    suffix = PurePath(path).suffix.lower()
    return suffix in _EXTENSIONS.get(format, {suffix}) or (format == "dicom" and suffix[1:].isdigit())


def _inflated_head(head: bytes) -> bytes:
    """Return the first bytes of what a gzip stream holds, empty where it is damaged."""
    try:
        return zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(head, 600)
    except zlib.error:
        return b""


def _header_bytes(head: bytes) -> int | None:
    """Return the length that a NIfTI or Analyze header gives of itself, in either byte order, else None."""
    lengths = [int.from_bytes(head[:4], order) for order in ("little", "big")]
    return next((length for length in lengths if length in _HEADER_BYTES), None)


def _require_nifti(head: bytes) -> None:
    """Refuse what a gzip stream or a header of 348 bytes may hold besides NIfTI in one file."""
    length = _header_bytes(head)
    magic = head[4:8] if length == 540 else head[344:348]
    if length is not None and magic in (b"n+1\0", b"n+2\0"):
        return
    if length is None:
        raise SliceError(
            "unsupported-format", f"This is a gzip file that holds no NIfTI; Hilum reads {FORMATS_TEXT}."
        )
    if len(head) < 348:
        raise SliceError("truncated", "The NIfTI file ends within its header: it was cut off.")
    name = "the header of a NIfTI pair (.hdr and .img)" if magic[:2] == b"ni" else "an Analyze header"
    raise SliceError("unsupported-format", f"This is {name}; convert it to one .nii file.")


def _is_bare_dicom(head: bytes) -> bool:
    """Whether the bytes begin with an element of group 0002 or 0008: DICOM without its preamble."""
    if len(head) < 8 or head[:2] not in (b"\x02\x00", b"\x08\x00") or head[3:4] != b"\x00":
        return False
    explicit = head[4:6] in (b"UI", b"CS", b"UL", b"OB", b"SH", b"LO", b"DA", b"TM", b"DT")
    implicit = 0 < int.from_bytes(head[4:8], "little") <= 64
    return explicit or implicit
