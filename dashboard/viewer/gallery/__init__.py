"""A grid of small pictures with captions and class-coloured borders: click or keyboard picks one.

items = [GalleryItem(thumbnail(image), caption="case 12", color=class_color(label)) for ...]
picked = gallery(items, key="slices")
if picked is not None:
    widgets.remember("slice", rows[picked].slice_id)
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import streamlit as st
from numpy.typing import NDArray

from dashboard.viewer.layers import ViewerDataError

HERE = Path(__file__).parent


@dataclass(frozen=True)
class GalleryItem:
    """One picture of a gallery: JPEG or PNG bytes (see `thumbnail`) and what is written on it.

    `detail` is smaller than the caption, `color` is the border's, `badge` stands in a corner. A file that
    could not be read has no `picture`; say why in `badge`.
    """

    picture: bytes | None
    caption: str = ""
    color: str = ""
    badge: str = ""
    detail: str = ""


def thumbnail(image: NDArray[np.uint8], *, size: int = 160) -> bytes:
    """Return a picture reduced to fit `size` x `size` as JPEG bytes; uint8 grey or RGB (rows, columns[, 3]).

    Raises:
        ViewerDataError: the array is no such picture.
    """
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or 0 in image.shape:
        raise ViewerDataError(
            f"A thumbnail is made of uint8 grey or RGB; received {image.dtype} {image.shape}."
        )
    scale = min(1.0, size / max(image.shape[:2]))
    reduced = (
        cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else image
    )
    if reduced.ndim == 3:
        reduced = cv2.cvtColor(reduced[..., :3], cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", reduced, [cv2.IMWRITE_JPEG_QUALITY, 88])[1].tobytes()


def gallery(
    items: Sequence[GalleryItem],
    *,
    key: str,
    selected: int | None = None,
    size: int = 128,
    height: int | None = None,
) -> int | None:
    """Show the items in a grid that fills the width; return the index that was just picked, else None.

    `selected` is drawn as chosen. `size` is the least width of a picture in pixels. `height` makes the grid
    scroll inside that many pixels. Arrow keys move, Enter picks.
    """
    offset = 0
    described = []
    for item in items:
        length = len(item.picture or b"")
        described.append(
            {
                "caption": item.caption,
                "detail": item.detail,
                "color": item.color,
                "badge": item.badge,
                "offset": offset,
                "length": length,
            }
        )
        offset += length
    pictures = b"".join(item.picture or b"" for item in items)
    header: dict[str, Any] = {"items": described, "selected": selected, "size": size, "height": height}
    digest = hashlib.blake2b(pictures, digest_size=12)
    digest.update(json.dumps(described).encode())
    header["digest"] = digest.hexdigest()
    text = json.dumps(header, separators=(",", ":")).encode()
    payload = len(text).to_bytes(4, "little") + text + pictures
    picked = _component()(key=key, data=payload, on_pick_change=_nothing).get("pick")
    return picked if isinstance(picked, int) and 0 <= picked < len(items) else None


@cache
def _component() -> Any:
    return st.components.v2.component(
        "hilum_gallery",
        html='<div class="gallery"></div>',
        css=(HERE / "gallery.css").read_text("utf-8"),
        js=(HERE / "gallery.js").read_text("utf-8"),
    )


def _nothing() -> None:
    """Streamlit reports only events that have a callback."""
