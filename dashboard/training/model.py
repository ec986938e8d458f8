"""Which network, from which weights, at which size."""

from __future__ import annotations

import streamlit as st

from dashboard.loaders import planning
from dashboard.training import session
from dashboard.training.controls import Controls
from dashboard.training.words import NAMES
from models.registry import ARCHITECTURES
from pipeline.training.config import TrainConfig
from pipeline.training.problems import weights_note

SIZES = (96, 128, 160, 192, 224, 256, 300, 384, 480, 512)
BATCHES = (2, 4, 8, 16, 32, 64, 128)


def draw_model(controls: Controls, config: TrainConfig | None) -> None:
    """Draw architecture, first weights, image and batch size; `config` is the form's, if it is valid."""
    left, right = st.columns(2)
    with left:
        controls.select("architecture", list(ARCHITECTURES))
    with right:
        controls.select("weights", list(NAMES["weights"]), quiet=True)
    _draw_weights(controls)
    controls.say_problem("weights")
    if config is not None and (note := weights_note(config)):
        st.caption(note)
    left, right = st.columns(2)
    with left:
        controls.select("image_size", SIZES, unit=" px", typed=True, on_change=_bend_sizes)
    with right:
        controls.select("batch_size", BATCHES, typed=True)


def settle_weights() -> str | None:
    """Choose a run to start from where none is chosen; return what is missing, None where nothing is."""
    kind, architecture = session.get("weights"), session.get("architecture")
    if kind == "file" and not (session.get("file") or "").strip():
        return "Type the path of a weights file that lies on this machine."
    if kind == "run" and not session.get("from_run"):
        fitting = _fitting_runs()
        if not fitting:
            return (
                f"No run of {architecture} has weights yet, and weights pass between runs of one "
                "architecture only: start from others."
            )
        st.session_state[session.key("from_run")] = next(iter(fitting))
    if kind == "run" and not planning.is_run(str(session.get("from_run"))):
        return "The run that these weights come from is not in this workspace: start from another, or others."
    return None


def _draw_weights(controls: Controls) -> None:
    kind = session.get("weights")
    if kind == "file":
        controls.text("file", placeholder="path of a .weights.h5 file")
    elif kind == "run" and session.get("from_run"):
        fitting, chosen = _fitting_runs(), session.get("from_run")
        others = (
            {} if chosen in fitting else {chosen: f"{chosen[:8]} (not of this architecture, or not here)"}
        )
        controls.select("from_run", list(fitting), names=fitting | others)


def _fitting_runs() -> dict[str, str]:
    """Return the runs of this architecture that have weights: their names by id, newest first."""
    return {
        run.id: f"{run.name} ({run.id[:6]})"
        for run in planning.runs_with_weights()
        if run.params.get("architecture") == session.get("architecture")
    }


def _bend_sizes() -> None:
    """Leave out the smaller sizes that are no longer smaller, as presets do."""
    size = session.get("image_size")
    if isinstance(size, int):
        kept = [each for each in session.get("sizes") if each < size]
        st.session_state[session.key("sizes")] = kept
