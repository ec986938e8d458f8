"""Every stage of one slice at once, what each costs, and the verdict in words."""

from __future__ import annotations

import html

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from dashboard.viewer import ColorLayer, GreyLayer, MaskLayer, Outline, Panel, viewer
from dashboard.widgets.parts import Tone
from pipeline.preprocessing.apply import Preprocessed, to_model_input
from pipeline.preprocessing.recipe import Recipe

FOUND, DOUBTED = "#35c2a5", "#f2777a"  # outlines of masks that are believed, and that are not
SEEN_AT = 224  # the input size of the smaller networks


def draw_stages(done: Preprocessed, recipe: Recipe, *, subject: str) -> None:
    """Draw the stages in eight linked panels."""
    believed = done.verdict.plausible
    color = FOUND if believed else DOUBTED
    took = done.milliseconds
    stages = done.stages
    mask = MaskLayer(done.mask_on_stages(), name="lungs", color=color, opacity=0.22)
    panels = [
        Panel([GreyLayer(stages["grey"])], title="Grey", caption=_ms(took["grey"])),
        _binary(stages["local-threshold"], "Local threshold", _ms(took["local-threshold"])),
        _binary(stages["erosion"], "Erosion", ""),
        _binary(stages["closing"], "Closing", f"both and mask {_ms(took['isolation'])}"),
        Panel(
            [GreyLayer(stages["edges"], name="edges", center=64, width=128)],
            title="Edges",
            caption=_ms(took["edges"]),
        ),
        Panel(
            [GreyLayer(stages["grey"]), mask],
            title="Lung mask" if believed else "Lung mask, doubted",
            outlines=[Outline(done.outlines(), name="lungs", color=color)],
        ),
        Panel(
            [picture_layer(done.output)],
            title=f"Network input, {recipe.size} px",
            caption=_ms(took["network-input"]),
        ),
        Panel([picture_layer(_reduced(done.output))], title=f"As a {SEEN_AT} px network sees it"),
    ]
    viewer(panels, key="prep-stages", subject=subject, columns=4, height=246)


def draw_verdict(done: Preprocessed, recipe: Recipe) -> None:
    """Draw the verdict and what all stages took in one line."""
    tone, title, text = verdict_words(done, recipe)
    st.html(
        f'<div class="h-callout prep-verdict" data-tone="{tone}" style="flex-direction:row;gap:10px">'
        f"<strong>{html.escape(title)}</strong><span>{html.escape(text)}</span>"
        '<span style="margin-left:auto;color:var(--h-muted);white-space:nowrap">'
        f"{sum(done.milliseconds.values()):.1f} ms in all</span></div>"
    )


def verdict_words(done: Preprocessed, recipe: Recipe) -> tuple[Tone, str, str]:
    """Return tone, title and sentence of a verdict."""
    verdict = done.verdict
    if recipe.lungs.method == "none":
        return "neutral", "No mask asked for.", "The whole slice goes to the network."
    if not verdict.plausible:
        whole = "" if recipe.output == "grey" else " The whole slice goes to the network instead."
        return "warn", "Mask not believed.", " ".join(verdict.reasons) + whole
    area = f" ({verdict.lung_area_cm2:.0f} cm²)" if verdict.lung_area_cm2 is not None else ""
    symmetry = dict(verdict.measures)["symmetry"]
    return (
        "good",
        "Mask believed.",
        f"Lungs fill {verdict.lung_fraction:.0%} of the body{area}; the smaller side has {symmetry:.0%} "
        "of the larger one's area.",
    )


def picture_layer(output: NDArray[np.uint8]) -> GreyLayer | ColorLayer:
    """Return an output, grey or of three channels, as a layer of the viewer."""
    return ColorLayer(output, name="channels") if output.ndim == 3 else GreyLayer(output)


def _binary(picture: NDArray[np.uint8], title: str, caption: str) -> Panel:
    return Panel([GreyLayer(picture, name="binary")], title=title, caption=caption)


def _reduced(output: NDArray[np.uint8]) -> NDArray[np.uint8]:
    channels = 3 if output.ndim == 3 else 1
    reduced = to_model_input(output, image_size=SEEN_AT, channels=channels)
    return np.rint(reduced).astype(np.uint8).squeeze()


def _ms(milliseconds: float) -> str:
    return f"{milliseconds:.1f} ms"
