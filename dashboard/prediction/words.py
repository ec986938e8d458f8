"""What a map means and what it does not, in sentences."""

from __future__ import annotations

from pipeline.explanation.closed_form import Heatmap
from pipeline.explanation.methods import DEFAULT, METHODS
from pipeline.explanation.share import share_inside
from pipeline.inference.prediction import Prediction


def map_meaning(prediction: Prediction, label: str, method: str, *, signed: bool) -> str:
    """Say what the shown map is."""
    if method != DEFAULT:
        return f"{METHODS[method].title}: {METHODS[method].summary}"
    heatmap = prediction.heatmap_of(label)
    colors = f"Red speaks for {label}, blue against it."
    if not signed:
        colors = f"The brighter, the more speaks for {label}; what speaks against it is left out."
    cell = f"A cell covers about {_cell_size(prediction, heatmap)}."
    if prediction.withheld:  # a margin is as good as a probability
        return f"{colors} {cell}"
    return (
        f"{colors} The {heatmap.values.size} cells add up to "
        f"{_signed(heatmap.values.sum())}; with the {_signed(heatmap.constant)} that the model starts from "
        f"they make the margin of {_signed(heatmap.margin)} over the other classes. {cell}"
    )


def map_limits(prediction: Prediction, label: str, method: str) -> str:
    """Say what the map does not mean, and for the exact map how much of it lies in the lungs."""
    where = _in_lungs(prediction, label) if method == DEFAULT else ""
    return where + (
        "The map shows where the model's evidence lies, not where disease is, and not whether the model is "
        "right."
    )


def _in_lungs(prediction: Prediction, label: str) -> str:
    lungs = prediction.preprocessed.lung_mask
    inside = share_inside(prediction.on_slice(prediction.heatmap_of(label).values), lungs)
    if not prediction.preprocessed.verdict.plausible:
        return "No lung mask is believed for this slice, so how much of it lies in the lungs is not known. "
    if inside is None:
        return f"Nothing in this slice speaks for {label}. "
    return f"{inside:.0%} of what speaks for {label} lies inside the lungs. "


def _cell_size(prediction: Prediction, heatmap: Heatmap) -> str:
    """Return the size of one cell on the slice, in mm where the spacing is known."""
    scale = abs(float(prediction.preprocessed.matrix[0, 0]))
    pixels = prediction.preprocessed.output.shape[0] / heatmap.values.shape[1] / scale
    header = prediction.image.header
    if header is not None and header.pixel_spacing:
        side = pixels * header.pixel_spacing
        return f"{side:.0f} x {side:.0f} mm"
    return f"{pixels:.0f} x {pixels:.0f} pixels"


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "\N{MINUS SIGN}")
