"""Parameters that are in each other's way: allowed, since one may want to see it, but hardly meant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.preprocessing.parameters import Lungs
    from pipeline.preprocessing.recipe import Recipe

# A local neighbourhood below this share of the slice's side lies inside a lung and sees no chest wall.
_LEAST_BLOCK = 0.1
# What an opening of more than this radius takes is as wide as a lung's tip.
_WIDE_OPENING = 6


def doubts(recipe: Recipe) -> Iterator[str]:
    """Yield a sentence for each conflict in a recipe: what it does, and which way out there is."""
    if recipe.lungs.method == "none":
        if recipe.output != "grey" or recipe.crop.to == "lungs":
            seen = (
                "the slice unmasked, cropped to the body" if recipe.crop.to == "body" else "the whole slice"
            )
            yield f"No lungs are looked for (method none), so the network gets {seen}."
        return
    yield from _in_the_threshold(recipe)
    yield from _in_the_lung_steps(recipe)
    masked = recipe.output == "masked"
    if masked and recipe.crop.to == "lungs" and recipe.crop.margin < recipe.margin:
        yield (
            f"The crop's margin ({recipe.crop.margin}) is smaller than the mask's ({recipe.margin}): some of "
            "what the mask leaves in view is cut off."
        )


def _in_the_threshold(recipe: Recipe) -> Iterator[str]:
    block, least = recipe.threshold.block, _LEAST_BLOCK * recipe.size
    if recipe.threshold.method.startswith("local") and block < least:
        yield (
            f"The block ({block} pixels) is much smaller than a lung: inside one nothing is darker than its "
            f"neighbourhood, and lungs come out hollow. Take {int(least) | 1} or more."
        )
    if recipe.threshold.method == "hu" and recipe.denoise.method != "none":
        yield (
            "A fixed level in HU is asked of the slice as it is: denoising doesn't reach it. Only slices "
            "without HU, whose level is measured, are smoothed before it."
        )


def _in_the_lung_steps(recipe: Recipe) -> Iterator[str]:
    lungs = recipe.lungs
    if lungs.erosion_radius == 0:
        yield "The erosion is off (radius 0): airways and bowel that touch a lung count as lung."
    if lungs.closing_radius == 0:
        yield "The closing is off (radius 0): vessels at the border stay dents in the mask."
    elif lungs.closing_radius < lungs.erosion_radius:
        yield (
            f"The closing (radius {lungs.closing_radius}) is smaller than the erosion (radius "
            f"{lungs.erosion_radius}): gaps that the erosion widens stay open. Take a closing of "
            f"{lungs.erosion_radius} or more."
        )
    if lungs.opening_radius > _WIDE_OPENING:
        yield (
            f"The opening (radius {lungs.opening_radius}) takes everything narrower than "
            f"{2 * lungs.opening_radius + 1} pixels, tips of lungs among it."
        )
    if lungs.method == "classic" and not lungs.clear_border:
        yield "The picture's border is not cleared: the air around the body may be the largest dark part."
    if lungs.method == "anatomy" and not lungs.hull:
        yield from _at_the_pleura(lungs)


def _at_the_pleura(lungs: Lungs) -> Iterator[str]:
    """Yield what leaves dents open: they are filled in one step with the holes."""
    if not lungs.fill_holes:
        yield "Holes aren't filled, so dents at the pleura aren't either: lesions there are lost."
    elif lungs.repair == 0:
        yield "The pleura's repair is off: consolidation that touches it is left out of the lungs."
