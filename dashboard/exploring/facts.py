"""What is known of a slice, in words beside its picture."""

from __future__ import annotations

import html
from typing import Any

import pandas as pd

_FACTS = (
    ("File", "path"), ("Frame", "frame"), ("Class", "label"), ("Patient", "patient_id"), ("Part", "part"),
    ("Source", "source"), ("Format", "format"), ("Size", "size"), ("Stored", "stored"),
    ("Values", "values"), ("Spacing", "pixel_spacing"), ("Position", "slice_location"), ("Kernel", "kernel"),
    ("Scanner", "manufacturer"), ("Window", "window"), ("Sharpness", "sharpness"),
    ("Lung fraction", "lung_fraction"), ("Copies", "copies"), ("Note", "note"), ("Problem", "error"),
)  # fmt: skip
_WIDE = ("path", "note", "error")


def facts_html(row: pd.Series) -> str:
    """Return what is known of a row of the index as HTML."""
    values = dict(row)
    if row["status"] == "ok":
        unit = "HU" if row["intensity"] == "hu" else "grey"
        values["size"] = f"{row['width']} x {row['height']} pixels, {row['bytes'] / 1024:,.0f} KiB"
        channels = f"{row['channels']} channel{'' if row['channels'] == 1 else 's'}"
        equal = "" if row["channels"] == 1 else " (equal)" if row["channels_equal"] else " (unequal)"
        values["stored"] = f"{row['bit_depth']} bit, {channels}{equal}"
        values["values"] = f"{row['intensity_min']:.0f} to {row['intensity_max']:.0f} {unit}"
        values["values"] += f", mean {row['intensity_mean']:.0f}"
    if pd.notna(row["window_center"]) and pd.notna(row["window_width"]):
        values["window"] = f"{row['window_width']:.0f} / {row['window_center']:.0f}"
    values["copies"] = _copies_text(int(row["copies"]), int(row["alike"]))
    values["frame"] = f"{row['frame'] + 1}" if row["frame"] else None
    for name, unit, digits in (
        ("pixel_spacing", " mm", 2),
        ("slice_location", " mm", 1),
        ("sharpness", "", 0),
    ):
        values[name] = f"{values[name]:.{digits}f}{unit}" if pd.notna(values[name]) else None
    if pd.notna(row["lung_fraction"]):
        values["lung_fraction"] = f"{row['lung_fraction']:.0%} of the body"
    lines = [(title, text_of(values.get(name)), name in _WIDE) for title, name in _FACTS]
    body = "".join(
        f"<dt>{title}</dt><dd{' class=wide' if wide else ''}>{html.escape(text)}</dd>"
        for title, text, wide in lines
        if text
    )
    return f'<dl class="h-facts">{body}</dl>'


def _copies_text(copies: int, alike: int) -> str:
    """Return how many copies a slice has, and how many others are as alike as neighbours."""
    neighbours = alike - copies
    said = [f"{copies:,}"] if copies else []
    return ", ".join([*said, *([f"{neighbours:,} as alike as neighbours"] if neighbours else [])])


def text_of(value: Any) -> str:
    """Return a cell of the index as text, empty where unknown."""
    return "" if value is None or pd.isna(value) else str(value)
