"""The picked slice in its series: the stack that the viewer goes through, and its own window."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from dashboard.charts import class_color
from dashboard.viewer import Stack
from pipeline.data.series import series_of

_UNLABELLED = "#6b7280"
_FEW = 2  # slices: fewer are no stack


def find_stack(index: pd.DataFrame, slice_id: str, labels: Sequence[str]) -> tuple[Stack | None, list[str]]:
    """Return a slice's place in its series, each slice in the colour of its class, and the series' ids.

    Without a series of at least two readable slices there is no stack.
    """
    series = series_of(index, slice_id)
    if len(series) < _FEW:
        return None, []
    ids = list(series["slice_id"])
    position = ids.index(slice_id)
    location = series["slice_location"].iloc[position]
    colors = [
        class_color(label, labels) if isinstance(label, str) else _UNLABELLED for label in series["label"]
    ]
    label = f"{location:.1f} mm" if np.isfinite(location) else ""
    return Stack(position, len(ids), label=label.replace("-", "\u2212"), colors=colors), ids


def stored_window(row: pd.Series) -> list[tuple[str, float, float]]:
    """Return the window stored with a slice in HU as the viewer's preset; none where none is known."""
    center, width = row["window_center"], row["window_width"]
    known = row["intensity"] == "hu" and pd.notna(center) and pd.notna(width) and width > 0
    return [("As stored", float(center), float(width))] if known else []
