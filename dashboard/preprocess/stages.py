"""Every stage of one slice at once, what each costs, and the verdict in words."""

from __future__ import annotations

import html

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from dashboard.loaders.preprocess import Evidence
from dashboard.preprocess.evidence import evidence_words, mask_panel
from dashboard.viewer import ColorLayer, GreyLayer, Panel, viewer
from dashboard.widgets.parts import Tone
from pipeline.data.colour import COLOUR_NOTE, FILLED_NOTE
from pipeline.preprocessing.apply import Preprocessed, to_model_input
from pipeline.preprocessing.recipe import Recipe

HEIGHT = 246  # of a row of pictures: all stages are in view on 1440 x 900
SEEN_AT = 224  # the input size of the smaller networks


def draw_stages(
    done: Preprocessed, recipe: Recipe, evidence: Evidence, *, subject: str, notes: tuple[str, ...] = ()
) -> int | None:
    """Draw the stages in eight linked panels; return the step to another slice that was asked for there.

    Args:
        notes: what was done to the slice when it was read.
    """
    believed = done.verdict.plausible
    took = done.milliseconds
    stages = done.stages
    panels = [
        Panel([GreyLayer(stages["grey"])], title=grey_title(notes), caption=_ms(took["grey"])),
        _binary(stages["local-threshold"], "Local threshold", _ms(took["local-threshold"])),
        _binary(stages["erosion"], "Erosion", ""),
        _binary(stages["closing"], "Closing", f"with erosion, mask {_ms(took['isolation'])}"),
        Panel(
            [GreyLayer(stages["edges"], name="edges", center=64, width=128)],
            title="Edges",
            caption=_ms(took["edges"]),
        ),
        mask_panel(done, evidence, title=_mask_title(recipe, believed=believed)),
        Panel(
            [picture_layer(done.output)],
            title=f"Network input, {recipe.size} px",
            caption=_ms(took["network-input"]),
        ),
        Panel([picture_layer(_reduced(done.output))], title=f"As a {SEEN_AT} px network sees it"),
    ]
    return viewer(panels, key="prep-stages", subject=subject, columns=4, height=HEIGHT, events=("step",)).step


def _mask_title(recipe: Recipe, *, believed: bool) -> str:
    if recipe.lungs.method == "none":
        return "No lung mask"
    return "Lung mask" if believed else "Lung mask, doubted"


def draw_verdict(done: Preprocessed, recipe: Recipe, evidence: Evidence) -> None:
    """Draw the verdict, what speaks for or against it, and what all stages took: always two lines."""
    tone, title, text = verdict_words(done, recipe)
    said, against = evidence_words(evidence, doubted=done.verdict.suspicion is not None)
    tone = "warn" if against and tone == "good" else tone
    warnings = recipe.warnings()
    doubts = "1 conflict" if len(warnings) == 1 else f"{len(warnings)} conflicts"
    conflict = (
        f'<span class="prep-conflict" title="{html.escape(chr(10).join(warnings))}">'
        f"{doubts} in the recipe</span>"
        if warnings
        else ""
    )
    line = "display:flex;gap:10px;align-items:baseline"
    clipped = "overflow:hidden;text-overflow:ellipsis;white-space:nowrap"
    aside = "margin-left:auto;color:var(--h-muted);white-space:nowrap"
    told = "var(--h-warn)" if against else "var(--h-muted)"
    st.html(
        f'<div class="h-callout prep-verdict" data-tone="{tone}" style="flex-direction:column;gap:2px">'
        f'<div style="{line}"><strong style="white-space:nowrap">{html.escape(title)}</strong>'
        f'<span title="{html.escape(text)}" style="{clipped}">{html.escape(text)}</span>'
        f'<span style="{aside}">{sum(done.milliseconds.values()):.1f} ms in all</span></div>'
        f'<div class="prep-evidence" style="{line};font-size:12.5px">'
        f'<span title="{html.escape(said)}" style="{clipped};color:{told}">{html.escape(said)}</span>'
        f'<span style="{aside};color:var(--h-warn)">{conflict}</span></div></div>'
    )


def grey_title(notes: tuple[str, ...]) -> str:
    """Return the title of a slice as it was read."""
    if FILLED_NOTE in notes:
        return "Grey, colour marks filled"
    return "Grey, from colour" if COLOUR_NOTE in notes else "Grey"


def verdict_words(done: Preprocessed, recipe: Recipe) -> tuple[Tone, str, str]:
    """Return tone, title and sentence of a verdict."""
    verdict = done.verdict
    if recipe.lungs.method == "none":
        return "neutral", "No mask asked for.", _without_mask(done, recipe)
    if not verdict.plausible:
        is_missed = recipe.output != "grey" or recipe.crop.to == "lungs"
        instead = [_without_mask(done, recipe)] if is_missed else []
        return "warn", "Mask not believed.", " ".join([*verdict.reasons, *instead])
    area = f" ({verdict.lung_area_cm2:.0f} cm²)" if verdict.lung_area_cm2 is not None else ""
    if verdict.suspicion:
        return "warn", "One side doubted.", verdict.suspicion
    symmetry = dict(verdict.measures)["symmetry"]
    return (
        "good",
        "Mask believed.",
        f"Lungs fill {verdict.lung_fraction:.0%} of the body{area}; the smaller side has {symmetry:.0%} "
        "of the larger one's area.",
    )


def _without_mask(done: Preprocessed, recipe: Recipe) -> str:
    """Say what of a slice without a mask goes to the network: a crop to the body needs none."""
    if done.is_cropped:
        return "The slice goes to the network unmasked, cropped to the body."
    return f"The whole slice goes to the network{'' if recipe.crop.to == 'none' else ', not cropped'}."


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
