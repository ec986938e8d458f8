"""Telling a file's format by its first bytes; names lie."""

from __future__ import annotations

from pathlib import PurePath

from pipeline.data.slice_image import SliceError

RASTER = frozenset({"png", "jpeg", "tiff", "bmp"})
READABLE = RASTER | {"dicom"}
HEAD_BYTES = 132

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
    (0, b"PK\x03\x04", "ZIP"),
    (0, b"\x1f\x8b", "gzip"),
    (0, b"\x5c\x01\x00\x00", "NIfTI"),
    (0, b"\x00\x00\x01\x5c", "NIfTI"),
    (0, b"\x00\x00\x00\x0cjP", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
)
_EXTENSIONS = {
    "png": {".png"},
    "jpeg": {".jpg", ".jpeg", ".jpe", ".jfif"},
    "tiff": {".tif", ".tiff"},
    "bmp": {".bmp", ".dib"},
    "dicom": {".dcm", ".dicom", ".ima", ".img", ""},
}


def detect_format(head: bytes) -> str:
    """Return the format of a file from its first 132 bytes: png, jpeg, tiff, bmp or dicom.

    Raises:
        SliceError: `empty-file`, `unsupported-format` (recognised, not read) or `not-an-image`.
    """
    if not head:
        raise SliceError("empty-file", "The file is empty.")
    for offset, signature, name in _SIGNATURES:
        if head[offset : offset + len(signature)] == signature:
            if name in READABLE:
                return name
            raise SliceError(
                "unsupported-format", f"This is a {name} file; Hilum reads PNG, JPEG, TIFF, BMP and DICOM."
            )
    if _is_bare_dicom(head):
        return "dicom"
    raise SliceError(
        "not-an-image", "This is not an image: its first bytes are of no format that Hilum reads."
    )


def extension_agrees(path: str, format: str) -> bool:
    """Return whether the file's extension is one of its true format's. DICOM files often have none.

    >>> extension_agrees("pCT/a.JPG", "jpeg"), extension_agrees("pCT/a.jpg", "png")
    (True, False)
    """
    suffix = PurePath(path).suffix.lower()
    return suffix in _EXTENSIONS.get(format, {suffix}) or (format == "dicom" and suffix[1:].isdigit())


def _is_bare_dicom(head: bytes) -> bool:
    """Whether the bytes begin with an element of group 0002 or 0008: DICOM without its preamble."""
    if len(head) < 8 or head[:2] not in (b"\x02\x00", b"\x08\x00") or head[3:4] != b"\x00":
        return False
    explicit = head[4:6] in (b"UI", b"CS", b"UL", b"OB", b"SH", b"LO", b"DA", b"TM", b"DT")
    implicit = 0 < int.from_bytes(head[4:8], "little") <= 64
    return explicit or implicit
