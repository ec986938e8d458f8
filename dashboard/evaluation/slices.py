"""The slices behind a figure: a gallery of them, the picked one large, and the way to Predict."""

from __future__ import annotations

import numpy as np
import streamlit as st

from dashboard import widgets
from dashboard.charts import class_color
from dashboard.loaders import pictures
from dashboard.viewer import GalleryItem, GreyLayer, HuLayer, Panel, gallery, viewer
from pipeline.evaluation.predictions import Predictions

PAGE = 24  # pictures at once


def show_slices(
    predictions: Predictions, rows: np.ndarray, *, dataset: str | None, run_id: str, key: str
) -> None:
    """Draw the slices at the places `rows`, most confidently called first; a picked one is shown large.

    `dataset` is where their pictures are, None where it is gone.
    """
    if not len(rows):
        widgets.callout("There is no such slice.")
        return
    confidence = predictions.probabilities[rows, predictions.y_pred[rows]]
    ordered = rows[np.argsort(-confidence, kind="stable")]
    page = _page(len(ordered), key)
    shown = ordered[page * PAGE : (page + 1) * PAGE]
    chosen = st.session_state.get(f"{key}.picked")
    places = [int(place) for place in shown]
    left, right = st.columns([3, 2], gap="medium")
    with left:
        picked = gallery(
            [_item(predictions, place, dataset) for place in places],
            key=f"{key}.gallery.{page}",
            selected=places.index(chosen) if chosen in places else None,
            size=118,
            height=430,
        )
    if picked is not None and places[picked] != chosen:
        st.session_state[f"{key}.picked"] = places[picked]
        st.rerun()
    with right:
        if chosen in places:
            _show_one(predictions, chosen, dataset=dataset, run_id=run_id, key=key)
        else:
            st.caption("Pick a slice to see it large, with its scores.")


def _page(count: int, key: str) -> int:
    pages = -(-count // PAGE)
    if pages == 1:
        return 0
    return (
        int(st.number_input(f"Page, of {pages} ({count:,} slices)", 1, pages, key=f"{key}.page", width=180))
        - 1
    )


def _item(predictions: Predictions, place: int, dataset: str | None) -> GalleryItem:
    slice_id = str(predictions.table["slice_id"].iloc[place])
    known = pictures.has_slice(dataset, slice_id)
    called = predictions.labels[predictions.y_pred[place]]
    score = predictions.probabilities[place, predictions.y_pred[place]]
    truth = predictions.labels[predictions.y_true[place]]
    return GalleryItem(
        pictures.thumbnail(dataset, slice_id) if known and dataset else None,
        caption=f"{called} {score:.2f}",
        detail=f"is {truth}",
        color=class_color(truth, predictions.labels),
        badge="" if known else "no picture",
    )


def _show_one(predictions: Predictions, place: int, *, dataset: str | None, run_id: str, key: str) -> None:
    row = predictions.table.iloc[place]
    slice_id = str(row["slice_id"])
    if dataset is None or not pictures.has_slice(dataset, slice_id):
        widgets.callout("Its data set is not in this workspace any more.")
        return
    with widgets.guarded("The slice could not be shown."):
        found = pictures.slice_image(dataset, slice_id)
        layer = HuLayer(found.image) if found.intensity == "hu" else GreyLayer(found.image)
        panel = Panel([layer], **pictures.placement(found))
        viewer([panel], key=f"{key}.viewer", subject=slice_id, height=330)
    scores = " · ".join(
        f"{label} {value:.2f}"
        for label, value in zip(predictions.labels, predictions.probabilities[place], strict=True)
    )
    patient = (
        row["patient_id"]
        if row["patient_id"] is not None and row["patient_id"] == row["patient_id"]
        else "unknown"
    )
    st.caption(f"Scores: {scores}. Patient {patient}.")
    if st.button(
        "Read it on Predict, with the heatmap", key=f"{key}.predict", icon=":material/arrow_forward:"
    ):
        widgets.remember("dataset", dataset)
        widgets.remember("run", run_id)
        widgets.remember("slice", slice_id)
        st.switch_page("views/predict.py")
