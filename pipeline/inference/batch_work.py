"""What a process of a batch does with a slice before the network sees it: read, judge, prepare, recognise."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from pipeline.data.inputs import InputSlice
from pipeline.data.reading import read_slice
from pipeline.data.slice_image import SliceError, SliceImage
from pipeline.inference.drawn import unlike_drawn
from pipeline.inference.predict import judge
from pipeline.inference.seen import SeenSlices
from pipeline.preprocessing.apply import preprocess_slice
from pipeline.preprocessing.recipe import Recipe


@dataclass(frozen=True)
class Prepared:
    """One slice, ready for the network.

    Attributes:
        image: uint8 (size, size[, 3]); None where it could not be read, and `error` says why.
        refusals: the gate's sentences.
        lung_share: the lungs' share of the body's area, [0, 1].
        lungs_believed: whether the lung mask is.
        unlike_drawn: of a model that learnt from synthetic slices, why this is none.
        seen: see `pipeline.inference.seen`.
    """

    image: np.ndarray | None
    error: str = ""
    refusals: tuple[str, ...] = ()
    lung_share: float | None = None
    lungs_believed: bool = False
    unlike_drawn: str = ""
    seen: str = "no"
    patient_id: str | None = None
    series_uid: str | None = None


class Equipment(NamedTuple):
    """What every slice needs: the recipe, what the run was made with, the key of pseudonyms, and whether the
    model learnt from synthetic slices."""

    recipe: Recipe
    seen: SeenSlices | None
    key: bytes
    synthetic: bool


_equipment: Equipment | None = None


def equip(recipe_json: str, artifacts: str, key: bytes, synthetic: bool = False) -> None:
    """Make this process ready: load what every slice needs, and end when the batch's own process ends."""
    global _equipment
    cv2.setNumThreads(1)  # the processes share the cores already
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    seen = SeenSlices.load(Path(artifacts))
    _equipment = Equipment(Recipe.model_validate_json(recipe_json), seen, key, synthetic)


def prepare(slices: Sequence[InputSlice]) -> list[Prepared]:
    """Prepare slices, in their order, in a process that was equipped."""
    if _equipment is None:
        raise RuntimeError("This process was not equipped.")
    return [_prepare(each, _equipment) for each in slices]


def _prepare(source: InputSlice, equipment: Equipment) -> Prepared:
    try:
        if source.problem is not None:
            raise source.problem
        image = read_slice(source.path, frame=source.frame, key=equipment.key)
    except SliceError as error:
        return Prepared(None, error=str(error))
    return _prepared(image, equipment)


def _prepared(image: SliceImage, equipment: Equipment) -> Prepared:
    """Judge, prepare and recognise a slice that was read."""
    recipe, seen, _, synthetic = equipment
    made = preprocess_slice(image.image, intensity=image.intensity, recipe=recipe)
    header = image.header
    return Prepared(
        made.output,
        refusals=judge(image).reasons,
        lung_share=made.verdict.lung_fraction,
        lungs_believed=made.verdict.plausible,
        unlike_drawn=unlike_drawn(image) if synthetic else "",
        seen=seen.find(image) if seen is not None else "unknown",
        patient_id=header.patient_id if header is not None else None,
        series_uid=header.series_uid if header is not None else None,
    )


def _end_with(parent: multiprocessing.process.BaseProcess) -> None:
    parent.join()  # of a parent that was killed the system tells too
    os._exit(1)
