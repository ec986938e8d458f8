"""What the Preprocess page reads: slices by id, a mixed sample of them, and what a recipe makes of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from dashboard.loaders import pictures
from dashboard.loaders.shared import stamp, workspace
from pipeline.data import masks as known_masks
from pipeline.data import pins
from pipeline.data.masks import Kind, KnownMasks
from pipeline.data.slice_image import SliceError, SliceImage
from pipeline.preprocessing.recipe import Recipe

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from pipeline.inference.sensitivity import SweepSlice
    from pipeline.preprocessing.apply import Preprocessed
    from pipeline.preprocessing.lungs.verdict import MaskVerdict
    from pipeline.preprocessing.reference import MaskComparison
    from pipeline.preprocessing.suspicion import Suspicion

# In the small pictures of a sample, RGB: outlines by whether the mask is believed; what it lost, or may have.
OUTLINES = {True: (0x35, 0xC2, 0xA5), False: (0xF2, 0x77, 0x7A)}
LOST, SUSPECTED = (0xFF, 0x3B, 0x3B), (0xFF, 0xB0, 0x20)

# Workspace, data set, slice, time of change: what a slice's work is kept by.
_Place = tuple[str, str, str, int]


@dataclass(frozen=True, eq=False)
class Evidence:
    """What speaks for or against a slice's mask: known masks, or the suspicion that something was left out.

    Attributes:
        masks: what is known of the slice.
        comparison: the found mask beside the known ones, None where nothing is known.
        suspicion: what was left out that looks like lesion; asked where no lesion mask is known.
        spacing: pixel size in mm, None where unknown.
        problem: why known masks could not be used, in a sentence.
    """

    masks: KnownMasks
    comparison: MaskComparison | None
    suspicion: Suspicion | None
    spacing: float | None
    problem: str = ""

    @property
    def lesions_known(self) -> bool:
        """Whether a lesion mask is known, an empty one too."""
        return self.comparison is not None and self.comparison.missed is not None

    @property
    def lost(self) -> NDArray[Any] | None:
        """What the mask lost, or is suspected to have lost: (rows, columns) of the slice."""
        if self.comparison is not None and self.comparison.missed is not None:
            return self.comparison.missed
        return self.suspicion.mask if self.suspicion is not None else None


def readable(dataset: str) -> pd.DataFrame:
    """Return the rows of a data set's index that can be read, by slice id, in the order of their paths.

    They must not be changed.
    """
    mark = stamp(workspace().dataset_dir(dataset) / "index.parquet")
    return _readable(str(workspace().root), dataset, mark)


@st.cache_resource(show_spinner=False, max_entries=4)
def _readable(root: str, dataset: str, mark: float) -> pd.DataFrame:
    index = pictures.index_of(dataset)
    return index[index["status"] == "ok"].sort_values(["path", "frame"], kind="stable")


def _place(dataset: str, slice_id: str) -> _Place:
    _, _, mtime_ns = pictures.place(dataset, slice_id)
    return str(workspace().root), dataset, slice_id, mtime_ns


def preprocessed(dataset: str, slice_id: str, recipe: Recipe) -> Preprocessed:
    """Return every stage of a slice; the last ones are kept.

    Raises:
        SliceError: its file cannot be read any more.
    """
    found = pictures.slice_image(dataset, slice_id)
    return _preprocessed(_place(dataset, slice_id), recipe.hash, found, recipe)


@st.cache_resource(show_spinner=False, max_entries=64)
def _preprocessed(place: _Place, recipe_hash: str, _found: SliceImage, _recipe: Recipe) -> Preprocessed:
    from pipeline.preprocessing.apply import preprocess_slice

    spacing = _found.header.pixel_spacing if _found.header else None
    return preprocess_slice(_found.image, intensity=_found.intensity, recipe=_recipe, pixel_spacing=spacing)


def evidence(dataset: str, slice_id: str, recipe: Recipe) -> Evidence:
    """Return what speaks for or against the mask that a recipe finds on a slice; the last ones are kept.

    Raises:
        SliceError: its file cannot be read any more.
    """
    return _evidence(_place(dataset, slice_id), recipe.hash, mask_stamp(dataset, slice_id), recipe)


@st.cache_resource(show_spinner=False, max_entries=64)
def _evidence(place: _Place, recipe_hash: str, mark: str, _recipe: Recipe) -> Evidence:
    _, dataset, slice_id, _ = place
    found = pictures.slice_image(dataset, slice_id)
    done = preprocessed(dataset, slice_id, _recipe)
    return weigh(dataset, slice_id, found, done.found_mask if _asks_for_mask(_recipe) else None)


def _asks_for_mask(recipe: Recipe) -> bool:
    return recipe.lungs.method != "none"


def weigh(dataset: str, slice_id: str, found: SliceImage, mask: NDArray[np.uint8] | None) -> Evidence:
    """Return what speaks for or against a found mask of a slice, nothing where none was asked for (None)."""
    from pipeline.preprocessing.reference import MaskSizeError, compare_masks
    from pipeline.preprocessing.suspicion import find_suspects

    known = masks_of(dataset, slice_id)
    spacing = found.header.pixel_spacing if found.header else None
    if mask is None:
        return Evidence(known, None, None, spacing)
    problem, comparison = known.problem, None
    if known:
        try:
            comparison = compare_masks(mask, lungs=known.lungs, lesions=known.lesions)
        except MaskSizeError as error:
            problem, known = str(error), KnownMasks()
    suspicion = None
    if comparison is None or comparison.missed is None:
        suspicion = find_suspects(found.image, mask, intensity=found.intensity)
    return Evidence(known, comparison, suspicion, spacing, problem)


def masks_of(dataset: str, slice_id: str) -> KnownMasks:
    """Return the known masks of a slice, none where there are none."""
    path, frame, _ = pictures.place(dataset, slice_id)
    return _masks(str(workspace().root), dataset, path, frame, mask_stamp(dataset, slice_id))


@st.cache_resource(show_spinner=False, max_entries=256)
def _masks(root: str, dataset: str, path: str, frame: int, mark: str) -> KnownMasks:
    from pipeline.workspace import Workspace

    return known_masks.load_masks(Workspace.open(root), dataset, {"path": path, "frame": frame})


def mask_stamp(dataset: str, slice_id: str) -> str:
    """Return a mark that changes with the known masks of a slice: another file, or written anew."""
    path, _, _ = pictures.place(dataset, slice_id)
    folders = known_masks.mask_folders(workspace(), dataset)
    files = {kind: known_masks.find_mask(folder, path) for kind, folder in folders.items()}
    return ";".join(f"{kind}={file}@{stamp(file)}" for kind, file in files.items() if file is not None)


def has_masks(dataset: str) -> bool:
    """Return whether a data set has a folder of masks."""
    return bool(known_masks.mask_folders(workspace(), dataset))


def named_mask_folders(dataset: str) -> dict[Kind, Path]:
    """Return the mask folders that the user named."""
    return known_masks.named_folders(workspace(), dataset)


def name_mask_folder(dataset: str, kind: Kind, folder: str) -> None:
    """Remember a folder of masks; an empty text forgets it.

    Raises:
        MaskFolderError: it is no folder of masks.
    """
    known_masks.name_mask_folder(workspace(), dataset, kind, folder)


def pinned(dataset: str) -> list[str]:
    """Return the pinned slices that can be read."""
    here = pictures.index_of(dataset)
    return [each for each in pins.pinned_slices(workspace(), dataset) if each in here.index]


def pin(dataset: str, slice_ids: list[str], *, on: bool = True) -> None:
    """Pin slices, or let go of them."""
    (pins.pin_slices if on else pins.unpin_slices)(workspace(), dataset, slice_ids)


@dataclass(frozen=True)
class SampleSlice:
    """What a recipe makes of one slice of a sample: a small picture with outlines, and its figures."""

    slice_id: str
    picture: bytes
    asked: bool  # for a mask, by the recipe
    believed: bool
    doubt: float
    reason: str
    dice: float | None
    lesion_recall: float | None
    lesions: int
    lost: int
    lesions_known: bool
    suspect_pixels: int
    one_side_small: bool

    @property
    def is_doubted(self) -> bool:
        """Whether a mask was asked for and is not believed."""
        return self.asked and not self.believed

    @property
    def is_suspicious(self) -> bool:
        """Whether something seems to be left out: a dense region beside the mask, or much of one side."""
        return self.suspect_pixels > 0 or self.one_side_small


def sample_slice(dataset: str, slice_id: str, recipe: Recipe) -> SampleSlice | None:
    """Return a slice of a sample, None where its file cannot be read any more; the last ones are kept."""
    return _sample_slice(_place(dataset, slice_id), recipe.hash, mask_stamp(dataset, slice_id), recipe)


@st.cache_resource(show_spinner=False, max_entries=1500)
def _sample_slice(place: _Place, recipe_hash: str, mark: str, _recipe: Recipe) -> SampleSlice | None:
    from dashboard.viewer import thumbnail
    from pipeline.preprocessing.apply import draw_outline, preprocess_slice

    _, dataset, slice_id, _ = place
    found = sample_image(dataset, slice_id)
    if found is None:
        return None
    done = preprocess_slice(found.image, intensity=found.intensity, recipe=_recipe)
    asked = _asks_for_mask(_recipe)
    weighed = weigh(dataset, slice_id, found, done.found_mask if asked else None)
    comparison, verdict = weighed.comparison, done.verdict
    picture = draw_outline(
        done.stages["grey"], done.mask_on_stages(), color=OUTLINES[verdict.plausible], thickness=3
    )
    if (lost := weighed.lost) is not None and lost.any():
        side = picture.shape[0]
        region = cv2.warpAffine(
            (lost > 0).astype(np.uint8), done.stage_matrix, (side, side), flags=cv2.INTER_NEAREST
        )
        picture[region > 0] = LOST if weighed.lesions_known else SUSPECTED
    return SampleSlice(
        slice_id=slice_id,
        picture=thumbnail(picture, size=190),
        asked=asked,
        believed=verdict.plausible,
        doubt=verdict.doubt,
        reason=_reason(verdict) if asked else "no mask asked for",
        dice=comparison.dice if comparison else None,
        lesion_recall=comparison.lesion_recall if comparison else None,
        lesions=comparison.lesions if comparison else 0,
        lost=comparison.lost if comparison else 0,
        lesions_known=weighed.lesions_known,
        suspect_pixels=weighed.suspicion.pixels if weighed.suspicion else 0,
        one_side_small=verdict.suspicion is not None,
    )


def _reason(verdict: MaskVerdict) -> str:
    if verdict.plausible:
        return f"lungs {verdict.lung_fraction:.0%} of the body"
    return verdict.reasons[0].split(":")[0]


@st.cache_resource(show_spinner=False, max_entries=128)
def _sample_image(root: str, dataset: str, slice_id: str, mtime_ns: int) -> SliceImage | None:
    try:
        return pictures.slice_image(dataset, slice_id)
    except SliceError:
        return None  # its row says why; the sample shows the others


def sample_image(dataset: str, slice_id: str) -> SliceImage | None:
    """Return a slice of a sample, None where it can't be read any more."""
    return _sample_image(*_place(dataset, slice_id))


def sample_stamp(dataset: str, ids: list[str]) -> int:
    """Return a mark that changes with the files of a sample and their known masks."""
    return hash(tuple((_place(dataset, each), mask_stamp(dataset, each)) for each in ids))


def sweep_slices(dataset: str, ids: list[str]) -> list[SweepSlice]:
    """Return the slices of a sample for a sweep, with their known lesions."""
    from pipeline.inference.sensitivity import SweepSlice

    found = []
    for slice_id in ids:
        if (image := sample_image(dataset, slice_id)) is not None:
            lesions = masks_of(dataset, slice_id).lesions
            fits = lesions is not None and lesions.shape == image.image.shape
            found.append(SweepSlice(image.image, image.intensity, lesions if fits else None))
    return found


def histogram(
    dataset: str, slice_id: str, *, level: float | None, window: tuple[float, float] | None
) -> go.Figure:
    """Return the histogram of a slice with a threshold's level and a window's ends; it must not be changed.

    Of HU between air and bone, else of grey levels, where `window` says nothing.
    """
    return _histogram(_place(dataset, slice_id), level, window)


@st.cache_resource(show_spinner=False, max_entries=32)
def _histogram(place: _Place, level: float | None, window: tuple[float, float] | None) -> go.Figure:
    from dashboard.charts.preprocess import histogram_figure

    _, dataset, slice_id, _ = place
    found = pictures.slice_image(dataset, slice_id)
    has_hu = found.intensity == "hu"
    edges = np.linspace(-1100, 900, 161) if has_hu else np.arange(0, 257, 2, dtype=np.float64)
    counts, _ = np.histogram(found.image[::2, ::2], bins=edges)
    unit, ends = ("HU", window) if has_hu else ("grey", None)
    return histogram_figure(counts * 4.0, edges, unit=unit, level=level, window=ends)


@st.cache_data(show_spinner=False, max_entries=8)
def sample_ids(dataset: str, ids: tuple[str, ...], *, count: int, seed: int) -> list[str]:
    """Return `count` slices of those given, at random, classes and sources in turn."""
    rows = readable(dataset).loc[list(ids)].sample(frac=1, random_state=seed)
    turn = rows.groupby(["label", "source"], dropna=False).cumcount()
    return [str(name) for name in rows.assign(turn=turn).sort_values("turn", kind="stable").index[:count]]
