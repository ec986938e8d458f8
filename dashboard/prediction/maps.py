"""The slice and its maps in the viewer: which class, which method, which scale."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard import widgets
from dashboard.loaders import pictures
from dashboard.prediction import background
from dashboard.prediction.evidence import evidence_of
from dashboard.prediction.source import Asked
from dashboard.prediction.words import map_limits, map_meaning
from dashboard.viewer import GreyLayer, HeatLayer, HuLayer, Layer, Outline, Panel, viewer
from pipeline.explanation.methods import DEFAULT, METHODS, OCCLUSION, SIGNED
from pipeline.explanation.occlusion import occlusion_values
from pipeline.inference.map_report import contrast_of
from pipeline.inference.prediction import Prediction
from pipeline.preprocessing.outlines import outline_polygons
from pipeline.runs import RunInfo

BOTH, FOR = "For and against", "For only"
COHORT, OWN = "All slices alike", "This slice alone"
ALONE, RIVAL, DIFFERENCE = "Nothing", "The rival's map", "The difference"
UNITS = {DEFAULT: "logit margin a cell", OCCLUSION: "logit margin a patch"}
LUNGS = "#35c2a5"
HEIGHT = 470  # with controls above and words below, all of it fits a laptop's screen
HEIGHT_OF_THREE = 350


@dataclass(frozen=True)
class MapChoice:
    """Whose map: of a class over the others, or over one rival."""

    label: str
    against: str | None = None

    @property
    def title(self) -> str:
        """What a panel is called."""
        rest = f" rather than {self.against}" if self.against else ""
        return f"What speaks for {self.label}{rest}"


@dataclass(frozen=True)
class Shown:
    """What the user chose to see: whose map, by which method, signed or not, on which scale."""

    label: str
    method: str
    signed: bool
    own_scale: bool
    beside: str

    def choices(self, prediction: Prediction) -> list[MapChoice]:
        """Return which maps are shown: the chosen class's, and beside it what was asked for."""
        rival = prediction.rival if self.label == prediction.label else prediction.label
        beside = {RIVAL: [MapChoice(rival)], DIFFERENCE: [MapChoice(self.label, rival)]}
        return [MapChoice(self.label), *beside.get(self.beside, [])]

    def limit(self, prediction: Prediction, maps: Sequence[np.ndarray]) -> float:
        """Return the end of the colour scale of the signed maps (h, w) that are shown, one for all."""
        cohort = prediction.engine.facts.heat_range
        if self.own_scale or not cohort:
            return max((float(np.abs(values).max()) for values in maps), default=0.0) or 1.0
        # A patch covers several cells, and its scale what so many of them could add up to.
        return cohort * max((prediction.features[..., 0].size / values.size for values in maps), default=1.0)


def draw_controls(prediction: Prediction) -> Shown:
    """Draw the choice of map in one row and return it."""
    labels = list(prediction.engine.classes)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="predict-controls"):
        label = st.segmented_control(
            "What speaks for", labels, default=prediction.label, required=True,
            key=f"predict.class.{prediction.label}",
        )  # fmt: skip
        method = st.selectbox(
            "Method", list(METHODS), format_func=lambda name: METHODS[name].title, key="predict.method",
            width=158, persist_state="session",
        )  # fmt: skip
        has_sign = method in SIGNED
        signed = st.segmented_control(
            "Evidence", [BOTH, FOR], default=BOTH, required=True, key="predict.sign", disabled=not has_sign,
            persist_state="session", help="Against is what speaks for the other classes instead.",
        )  # fmt: skip
        scale = st.segmented_control(
            "Colour scale", [COHORT, OWN], default=COHORT, required=True, key="predict.scale",
            disabled=not has_sign or not prediction.engine.facts.heat_range, persist_state="session",
            help="On a slice's own scale weak evidence looks as strong as strong evidence.",
        )  # fmt: skip
        beside = st.selectbox(
            "Beside it", [ALONE, RIVAL, DIFFERENCE] if has_sign else [ALONE, RIVAL], key="predict.beside",
            width=150, persist_state="session",
            help="The map of the class that comes second, or what speaks for the one rather than the other.",
        )  # fmt: skip
    return Shown(str(label), method, has_sign and signed == BOTH, scale == OWN, str(beside))


def draw_maps(run: RunInfo, asked: Asked, shown: Shown | None) -> DeltaGenerator:
    """Draw the slice and, where `shown` asks for them, its maps with what they mean.

    Returns:
        The place right below the pictures, for what is to be said of the maps.
    """
    prediction = asked.prediction
    base = _base(prediction)
    lungs = _lungs(prediction) if shown is not None else []  # a picture that was refused has none
    panels = [Panel([base], title="Slice", outlines=lungs, **pictures.placement(prediction.image))]
    above, between, below = st.container(), st.container(), st.container()
    if shown is not None:
        with below:  # where a map that is being computed says so: what is above stays in its place
            panels += _map_panels(run, asked, shown, base)
            meaning = map_meaning(prediction, shown.label, shown.method, signed=shown.signed)
            limits = map_limits(prediction, shown.label, shown.method)
            st.html(f'<div class="p-meaning"><p>{html.escape(meaning)}</p><p>{html.escape(limits)}</p></div>')
    with above:
        height = HEIGHT if len(panels) < 3 else HEIGHT_OF_THREE
        viewer(panels, key="predict-viewer", subject=asked.subject, height=height)
    return between


def shown_values(run: RunInfo, asked: Asked, shown: Shown) -> np.ndarray | None:
    """Return the chosen class's map over the network's field, None while it is computed."""
    if shown.method in SIGNED:
        return _signed_values(run, asked, shown.method, MapChoice(shown.label))
    return background.known_map(run, asked, method=shown.method, label=shown.label)


def _map_panels(run: RunInfo, asked: Asked, shown: Shown, base: Layer) -> list[Panel]:
    prediction = asked.prediction
    choices = shown.choices(prediction)
    if shown.method not in SIGNED:
        return [_gradient_panel(run, asked, shown, choice, base) for choice in choices]
    maps = [_signed_values(run, asked, shown.method, choice) for choice in choices]
    limit = shown.limit(prediction, [values for values in maps if values is not None])
    heats = [[] if values is None else [_signed_heat(prediction, shown, values, limit)] for values in maps]
    return [
        _panel(prediction, choice.title, [base, *heat]) for choice, heat in zip(choices, heats, strict=True)
    ]


def _gradient_panel(run: RunInfo, asked: Asked, shown: Shown, choice: MapChoice, base: Layer) -> Panel:
    found = background.gradient_map(run, asked, method=shown.method, label=choice.label)
    heat = [] if found is None else [_own_heat(asked.prediction.on_slice(found))]
    return _panel(asked.prediction, f"{METHODS[shown.method].title}, {choice.label}", [base, *heat])


def _panel(prediction: Prediction, title: str, layers: list[Layer]) -> Panel:
    return Panel(layers, title=title, outlines=_lungs(prediction), **pictures.placement(prediction.image))


def _signed_values(run: RunInfo, asked: Asked, method: str, choice: MapChoice) -> np.ndarray | None:
    """Return a signed map over the network's field; None while the network is asked about hidden parts."""
    prediction = asked.prediction
    if method == DEFAULT:
        return prediction.heatmap_of(choice.label, against=choice.against).values
    evidence = evidence_of(run, asked)
    if evidence.occluded is None:
        return None
    without, logits = evidence.occluded
    return occlusion_values(without, logits, contrast_of(prediction, choice.label, choice.against))


def _signed_heat(prediction: Prediction, shown: Shown, values: np.ndarray, limit: float) -> HeatLayer:
    placed, unit = prediction.on_slice(values), UNITS[shown.method]
    if shown.signed:
        return HeatLayer(placed, low=-limit, high=limit, signed=True, opacity=0.6, fade=True, unit=unit)
    positive = np.maximum(placed, 0)
    return HeatLayer(positive, name="for", low=0.0, high=limit, opacity=0.55, fade=True, unit=unit)


def _own_heat(values: np.ndarray) -> HeatLayer:
    """Return the layer of a map that comes scaled to its own maximum."""
    return HeatLayer(
        values, name="own", low=0.0, high=1.0, opacity=0.55, fade=True, unit="share of this map's maximum"
    )


def _base(prediction: Prediction) -> Layer:
    image = prediction.image
    return HuLayer(image.image) if image.intensity == "hu" else GreyLayer(image.image)


def _lungs(prediction: Prediction) -> list[Outline]:
    polygons = outline_polygons(prediction.preprocessed.lung_mask)
    return [Outline(polygons, name="lungs", color=LUNGS, width=1.2)] if polygons else []


def draw_stages(asked: Asked) -> None:
    """Draw what the recipe made of the slice, up to what the network saw."""
    prediction = asked.prediction
    recipe = prediction.engine.recipe
    with widgets.panel(
        "What the network saw",
        f"recipe {recipe.name}, then {prediction.engine.facts.image_size} x "
        f"{prediction.engine.facts.image_size} pixels",
        key="predict-stages",
    ):
        names = {
            "grey": "Grey", "local-threshold": "Local threshold", "erosion": "Erosion", "closing": "Closing",
            "edges": "Edges", "lung-mask": "Lung mask",
        }  # fmt: skip
        stages = prediction.preprocessed.stages
        panels = [Panel([GreyLayer(stages[name], name=name)], title=title) for name, title in names.items()]
        seen = np.clip(np.rint(prediction.model_input), 0, 255).astype(np.uint8)
        panels.append(
            Panel([GreyLayer(np.ascontiguousarray(seen[..., 0]), name="input")], title="Network input")
        )
        viewer(panels, key="predict-stages", subject=asked.subject, columns=7, height=190, toolbar=False,
               link=False)  # fmt: skip
