"""What the training of the form will take, whether this machine has it, and what would fit instead."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from dashboard import loaders, widgets
from dashboard.loaders import train as load
from dashboard.training import session
from pipeline.runs import RunInfo
from pipeline.training.config import TrainConfig
from pipeline.training.estimate import Estimate, estimate_training
from pipeline.training.memory import MemoryPlan, memory_offer, plan_here

SPEEDS = {"measured": "measured here", "scaled": "estimated", "reference": "estimated"}
_SPEED_OF = {
    "measured": "earlier runs like it here",
    "scaled": "a reference machine, scaled by what other runs here took",
    "reference": "a reference machine with two cores, as no run here tells another yet",
}


@dataclass(frozen=True)
class Cost:
    """What a training takes, and what of it fits."""

    estimate: Estimate
    plan: MemoryPlan

    @property
    def verdict(self) -> str:
        """What to say where it does not fit, or leaves other programs too little."""
        return (
            "This fits this machine barely, if at all."
            if self.estimate.fits
            else "This does not fit this machine."
        )


def cost_of(config: TrainConfig) -> Cost:
    """Estimate the training of `config`, whose split exists."""
    counts = load.split_counts(config.dataset, str(config.split))
    labels = counts["train"]["by_label"]
    chosen = [n for label, n in labels.items() if n and label in (config.classes or labels)]
    places = max(chosen, default=0) * len(chosen) if config.balance == "augment" else sum(chosen)
    estimate = estimate_training(
        config,
        classes=max(2, len(chosen)),
        train_places=places,
        val_slices=counts["val"]["slices"],
        runs=[run for run in loaders.runs() if run.status == "finished"],
    )
    return Cost(estimate, plan_here(config))


def draw_cost(config: TrainConfig) -> None:
    """Draw parameters, memory and time of a training, and the offer of what fits where it does not."""
    cost = cost_of(config)
    found = cost.estimate
    st.caption(
        f"about **{found.memory / 2**30:.1f}** of {found.available / 2**30:.1f} GiB · "
        f"**{duration(found.seconds)}** ({SPEEDS[found.speed]}) · {found.parameters / 1e6:.1f} M parameters",
        help="Estimates. Memory: of what is free now. Time: of all epochs, by the speed of "
        f"{_SPEED_OF[found.speed]} (an epoch at the full size takes about {duration(found.epoch_seconds)}), "
        f"and about {duration(found.around_seconds)} to start, build the network's graphs, export and "
        "predict. Stopping early shortens it; preparing the slices, where they are not yet, comes on top.",
    )
    if cost.plan.config != config or not cost.plan.fits:
        offer(cost.plan, title=cost.verdict, key="train-fit")


def draw_shortage(runs: list[RunInfo]) -> None:
    """Offer what may fit, where the newest run ended for want of memory."""
    if not runs or st.session_state.get("train.answered") == runs[0].id:
        return
    run = runs[0]
    plan = memory_offer(loaders.workspace(), run)
    if plan is not None:
        offer(plan, title=f"{run.name} ran out of memory.", key="train-shortage", answers=run.id)


def offer(plan: MemoryPlan, *, title: str, key: str, answers: str | None = None) -> None:
    """Say that memory is short, and offer the plan that fits with one click."""
    widgets.callout(plan.sentence, tone="warn", title=title)
    if plan.fits:
        st.button(
            "Set the form to what fits", key=key, icon=":material/memory:", width="stretch",
            on_click=_accept, args=(plan.config, answers), help="Undo, above, takes it back.",
        )  # fmt: skip


def duration(seconds: float) -> str:
    """Say a time span in words: `40 s`, `12 min`, `3 h 20 min`, `2 days 4 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} days {hours % 24} h"


def _accept(config: TrainConfig, answers: str | None) -> None:
    session.take(session.flat(config), reason="what fits the memory")
    if answers is not None:
        st.session_state["train.answered"] = answers
