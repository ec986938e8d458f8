"""Training slices that the network takes for alike: of other patients, with their labels, and their maps."""

from __future__ import annotations

import html

import streamlit as st

from dashboard import widgets
from dashboard.charts import class_color
from dashboard.loaders import pictures
from dashboard.loaders import predict as read
from dashboard.prediction.source import Asked
from dashboard.viewer import GalleryItem, GreyLayer, HeatLayer, HuLayer, Layer, Panel, gallery, viewer
from pipeline.inference.prediction import Prediction
from pipeline.inference.reference import Neighbour, Reference
from pipeline.runs import RunInfo

COUNT = 6
HEIGHT = 330


def draw_similar(run: RunInfo, asked: Asked) -> None:
    """Draw the nearest training slices in a row, and the picked one with its map."""
    reference = asked.prediction.engine.reference
    if reference is None:
        return
    with widgets.panel(
        "Most alike in training",
        "to this network's eye; it may look at other things than a radiologist does",
        key="predict-similar",
    ):
        found = asked.prediction.similar(COUNT)
        dataset = reference.trained_on.dataset
        here = [one for one in found if pictures.has_slice(dataset, one.slice_id)]
        if here:
            _draw_row(run, asked, dataset, here)
        st.html(f'<div class="p-meaning"><p>{html.escape(_words(asked, reference, found, here))}</p></div>')


def _words(asked: Asked, reference: Reference, found: list[Neighbour], here: list[Neighbour]) -> str:
    own = (
        "this slice's own patient is left out"
        if asked.prediction.patient_id
        else "whose slice this is is not known: its own patient may be among them"
    )
    kept = len(reference.points)
    sample = f", of which {kept:,} are kept" if kept < reference.trained_on.slices else ""
    basis = f"Searched: {reference.trained_on.text}{sample}; one a patient, {own}."
    if len(here) == len(found):
        return basis
    counts = {one.label: sum(other.label == one.label for other in found) for one in found}
    labels = ", ".join(f"{count} {label}" for label, count in counts.items())
    return (
        f"The pictures of {len(found) - len(here)} of the {len(found)} nearest are not in this workspace "
        f"(data set {reference.trained_on.dataset}). All {len(found)} by label: {labels}. {basis}"
    )


def _draw_row(run: RunInfo, asked: Asked, dataset: str, here: list[Neighbour]) -> None:
    key = f"predict.similar.{asked.subject}"
    chosen = st.session_state.get(key)
    ids = [one.slice_id for one in here]
    rows = pictures.index_of(dataset).loc[ids].assign(slice_id=ids)
    labels = list(asked.prediction.engine.classes)
    items = [
        GalleryItem(
            picture,
            caption=f"{one.label}, distance {one.distance:.1f}",
            detail=f"patient {one.patient_id}" if one.patient_id else "patient unknown",
            color=class_color(one.label, labels),
            badge="" if picture is not None else "file is gone",
        )
        for one, picture in zip(here, pictures.thumbnails(dataset, rows), strict=True)
    ]
    picked = gallery(
        items, key="predict-similar", selected=ids.index(chosen) if chosen in ids else None, size=130
    )
    if picked is not None:
        chosen = st.session_state[key] = None if ids[picked] == chosen else ids[picked]
    if chosen in ids:
        with widgets.guarded("That training slice could not be shown."):
            _draw_chosen(read.of_slice(run, dataset, chosen), here[ids.index(chosen)])


def _draw_chosen(prediction: Prediction, one: Neighbour) -> None:
    """Draw a training slice beside the map of its own label."""
    image = prediction.image
    base: Layer = HuLayer(image.image) if image.intensity == "hu" else GreyLayer(image.image)
    values = prediction.on_slice(prediction.heatmap_of(one.label).values)
    limit = prediction.heat_limit(one.label)
    heat = HeatLayer(
        values, low=-limit, high=limit, signed=True, opacity=0.6, fade=True, unit="logit margin a cell"
    )
    placed = pictures.placement(image)
    viewer(
        [
            Panel([base], title=f"Labelled {one.label}", **placed),
            Panel([base, heat], title=f"What speaks for {one.label}", **placed),
        ],
        key="predict-similar-viewer",
        subject=one.slice_id,
        height=HEIGHT,
    )
