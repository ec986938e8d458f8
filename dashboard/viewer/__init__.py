"""The one image viewer of every page, and the gallery of small pictures beside it.

    from dashboard.viewer import GreyLayer, HeatLayer, Outline, Panel, viewer

    state = viewer(
        [
            Panel([GreyLayer(image)], title="Slice", spacing=0.7),
            Panel([GreyLayer(image), HeatLayer(heatmap, unit="logit margin")], title="Heatmap"),
        ],
        key="predict",
        subject=slice_id,
    )

Zoom, pan, window, opacity, swipe and the value under the cursor happen in the browser; Python hears only of
what `events` asks for. All panels share zoom, cursor and settings. See `Panel` and the layers for what can be
shown.
"""

from dashboard.viewer.component import Click, ViewerState, viewer
from dashboard.viewer.gallery import GalleryItem, gallery, thumbnail
from dashboard.viewer.layers import (
    ColorLayer,
    GreyLayer,
    HeatLayer,
    HuLayer,
    Layer,
    MaskLayer,
    Outline,
    Panel,
    Stack,
    ViewerDataError,
)

__all__ = [
    "Click",
    "ColorLayer",
    "GalleryItem",
    "GreyLayer",
    "HeatLayer",
    "HuLayer",
    "Layer",
    "MaskLayer",
    "Outline",
    "Panel",
    "Stack",
    "ViewerDataError",
    "ViewerState",
    "gallery",
    "thumbnail",
    "viewer",
]
