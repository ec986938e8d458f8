"""Gradient maps on a page: asked for once, waited for without blocking, given up with a button.

The worker loads TensorFlow; this process never does.
"""

from __future__ import annotations

import html

import numpy as np
import streamlit as st

from dashboard import widgets
from dashboard.prediction.source import Asked
from pipeline.explanation.methods import DEFAULT, METHODS
from pipeline.explanation.service import MapCancelledError, MapRequest, PendingMap, service
from pipeline.inference.calibrated import softmax
from pipeline.runs import RunInfo

POLL_SECONDS = 0.7
_KEPT = 24  # maps a session remembers
_Key = tuple[str, str, str, str]


def gradient_map(run: RunInfo, asked: Asked, *, method: str, label: str) -> np.ndarray | None:
    """Return a map, float32 (size, size) in [0, 1]; None, drawing how it stands, while it is computed."""
    maps: dict[_Key, np.ndarray] = st.session_state.setdefault("predict.maps", {})
    pending: dict[_Key, PendingMap] = st.session_state.setdefault("predict.pending", {})
    key = (run.id, asked.subject, method, label)
    if key in maps:
        return maps[key]
    _give_up_others(pending, key)
    if key not in pending:
        pending[key] = service().start(_request(run, asked, method, label))
    if not pending[key].done:
        _draw_waiting(key)
        return None
    try:
        with widgets.guarded():
            maps[key] = pending.pop(key).result()
    except MapCancelledError:
        return None
    for oldest in list(maps)[:-_KEPT]:
        del maps[oldest]
    return maps.get(key)


def known_map(run: RunInfo, asked: Asked, *, method: str, label: str) -> np.ndarray | None:
    """Return a map that was computed already, None otherwise; starts nothing."""
    maps: dict[_Key, np.ndarray] = st.session_state.get("predict.maps", {})
    return maps.get((run.id, asked.subject, method, label))


def _request(run: RunInfo, asked: Asked, method: str, label: str) -> MapRequest:
    prediction = asked.prediction
    return MapRequest(
        method=method,
        class_index=prediction.engine.classes.index(label),
        image=prediction.model_input,
        # As Keras gives them: of this network alone, before what calibration makes of them.
        probabilities=softmax(np.array(list(prediction.logits.values()))),
        architecture=prediction.engine.facts.architecture,
        weights=run.artifacts / "weights.weights.h5",
    )


def _give_up_others(pending: dict[_Key, PendingMap], wanted: _Key) -> None:
    """End what nobody looks at any more: another slice, run or method. The rival's map may wait its turn."""
    for key in list(pending):
        if key[:3] != wanted[:3]:
            pending.pop(key).cancel()


@st.fragment(run_every=POLL_SECONDS)
def _draw_waiting(key: _Key) -> None:
    pending: dict[_Key, PendingMap] = st.session_state["predict.pending"]
    if key not in pending or pending[key].done:
        st.rerun()
    title = html.escape(f"{METHODS[key[2]].title} for {key[3]}")
    with st.container(border=True, key=f"predict-waiting-{key[3]}"):
        st.html(
            f'<div class="p-waiting"><i></i><span>{title} is being computed in a process of its own. '
            "The first one takes up to half a minute.</span></div>"
        )
        if st.button(
            "Give it up", key=f"predict-cancel-{key[3]}", icon=":material/close:", on_click=_give_up
        ):
            st.rerun()


def _give_up() -> None:
    """End what is being computed and go back to the exact map."""
    pending: dict[_Key, PendingMap] = st.session_state["predict.pending"]
    for map_ in pending.values():
        map_.cancel()
    pending.clear()
    st.session_state["predict.method"] = DEFAULT
