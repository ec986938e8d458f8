"""What the training of the form will take, and whether the machine has it."""

from __future__ import annotations

import streamlit as st

from dashboard import loaders
from dashboard.loaders import train as load
from pipeline.training.config import TrainConfig
from pipeline.training.estimate import Estimate, estimate_training


def draw_cost(config: TrainConfig) -> None:
    """Draw parameters, estimated memory and time of `config`, whose split exists."""
    counts = load.split_counts(config.dataset, str(config.split))
    labels = [count for count in counts["train"]["by_label"].values() if count]
    places = max(labels, default=0) * len(labels) if config.balance == "augment" else sum(labels)
    cost = estimate_training(
        config,
        classes=max(2, len(labels)),
        train_places=places,
        val_slices=counts["val"]["slices"],
        runs=[run for run in loaders.runs() if run.status == "finished"],
    )
    source = "earlier runs here" if cost.measured else "a reference machine with two cores"
    st.markdown(
        f"**{cost.parameters / 1e6:.1f} M** parameters · about **{cost.memory / 2**30:.1f} GB** of memory · "
        f"about **{duration(cost.seconds)}** ({duration(cost.epoch_seconds)} an epoch)",
        help=f"Estimates: the time from the speed of {source}. Early stopping shortens it. "
        f"{cost.available / 2**30:.1f} GB of memory are free now.",
    )
    if not cost.fits:
        st.warning(_advice(cost), icon=":material/memory:")


def duration(seconds: float) -> str:
    """Say a time span in words: `40 s`, `12 min`, `3 h 20 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def _advice(cost: Estimate) -> str:
    return (
        f"This may need {cost.memory / 2**30:.1f} GB and {cost.available / 2**30:.1f} GB are free. A smaller "
        "batch, a smaller image size or a smaller architecture needs less."
    )
