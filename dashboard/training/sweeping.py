"""Many trainings from one form: all architectures, all folds, a search; with their cost before they begin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from dashboard import loaders, widgets
from dashboard.loaders import planning
from dashboard.training.cost import SPEEDS, cost_of, duration
from dashboard.training.data import make_split, tell_split_problem
from dashboard.training.model import SIZES
from dashboard.training.words import LABELS, NAMES
from pipeline.jobs import JobStore
from pipeline.training.config import TrainConfig
from pipeline.training.plan import remarks_on
from pipeline.training.problems import needs_network

if TYPE_CHECKING:
    from pipeline.training.sweeps import Kind, TrialPlan

_GIB = 2**30
_BUTTONS = {
    "compare": ("Compare all", ":material/compare_arrows:",
                "Train every architecture with these settings, on this split"),
    "folds": ("Folds", ":material/view_week:",
              "Train once for each fold of a split: how much chance there is in the figures"),
    "search": ("Search", ":material/manage_search:",
               "Try out settings, giving up early on those that fall behind (Optuna)"),
}  # fmt: skip


def draw_many(config: TrainConfig | None) -> None:
    """Draw the buttons that make many trainings of the form's settings, and the dialog that is open."""
    with st.container(horizontal=True, gap="small"):
        for kind, (name, icon, meaning) in _BUTTONS.items():
            st.button(
                name,
                key=f"train-{kind}",
                icon=icon,
                help=meaning,
                width="stretch",
                on_click=_open,
                args=(kind,),
            )
    opened = st.session_state.get("train.sweep")
    if opened is not None and config is not None:
        {"compare": _compare, "folds": _folds, "search": _search}[opened](config)


def _open(kind: str | None = None) -> None:
    """Open the dialog of a kind, or close the one that is open."""
    st.session_state["train.sweep"] = kind


@st.dialog("Compare all architectures", width="large", icon=":material/compare_arrows:", on_dismiss=_open)
def _compare(config: TrainConfig) -> None:
    with widgets.guarded("The comparison could not be planned."):
        st.caption(
            "Each is trained as the form says, on the same split and the same validation part. What this "
            "machine's memory is likely too small for, and what has no such first weights, is not ticked."
        )
        kinds = list(dict.fromkeys([config.weights.partition(":")[0], "imagenet", "random"]))
        left, middle, right = st.columns(3)
        kind = left.segmented_control(
            LABELS["weights"], kinds, default=kinds[0], format_func=NAMES["weights"].__getitem__,
            required=True, key=f"train-sweep-weights-{kinds[0]}",
        )  # fmt: skip
        sizes = middle.multiselect(
            "Image sizes", sorted({*SIZES, config.image_size}), default=[config.image_size],
            key=f"train-sweep-sizes-{config.image_size}",
        )  # fmt: skip
        repeats = right.number_input(
            "Seeds", 1, 10, key="train-sweep-seeds",
            help="Train each with so many seeds: a difference smaller than that between seeds is chance.",
        )  # fmt: skip
        base = config if kind == kinds[0] else config.model_copy(update={"weights": kind})
        seeds = tuple(range(config.seed, config.seed + int(repeats)))
        plans = planning.plan_architectures(base, sizes=tuple(sizes), seeds=seeds)
        having = [plan for plan in plans if planning.has_first_weights(plan)]
        if len(having) < len(plans):
            widgets.callout(
                f"These first weights are there for {len(having)} of {len(plans)} trainings. To compare all, "
                "start from ImageNet."
            )
        for remark in remarks_on(base):
            widgets.callout(remark, tone="warn")
        chosen = _choose(plans, columns=["architecture", "image_size", "seed"], key="architectures")
        _queue("architectures", chosen)


@st.dialog("Train every fold", width="large", icon=":material/view_week:", on_dismiss=_open)
def _folds(config: TrainConfig) -> None:
    with widgets.guarded("The folds could not be planned."):
        folds = planning.split_folds(config.dataset, str(config.split))
        if folds:
            plans = planning.plan_folds(config)
            st.caption(
                f"{folds} trainings as the form says, each validated on another fold of the split "
                f"{config.split}; calibration and test part stay out of all of them."
            )
            _queue("folds", _choose(plans, columns=["fold"], key="folds"))
            return
        st.caption(
            f"The split {config.split} has no folds. A split with folds keeps its test and calibration parts "
            "apart and deals everything else to the folds, patients kept together."
        )
        count = st.number_input("Folds", 2, 20, 5, key="train-fold-count", width=160)
        pressed = st.button(
            f"Make a split with {count} folds and go on", key="train-make-folds", type="primary",
            on_click=make_split, args=(config.dataset,), kwargs={"folds": int(count)},
        )  # fmt: skip
        if not tell_split_problem() and pressed:
            st.rerun()


@st.dialog("Search for better settings", width="large", icon=":material/manage_search:", on_dismiss=_open)
def _search(config: TrainConfig) -> None:
    from pipeline.training.search import launch_search

    with widgets.guarded("The search could not be begun."):
        st.caption(
            "Optuna tries values from these ranges, each trial a training as the form says; trials that fall "
            f"behind are given up early. The best is chosen by {NAMES['monitor'][config.monitor]}: the more "
            "trials, the more luck there is in the best figure, so judge the winner on the test part."
        )
        space = _choose_space()
        left, right = st.columns(2)
        trials = int(left.number_input("Trials", 1, 1000, 20, key="train-trials"))
        seed = int(right.number_input("Seed of the search", 0, 2**31, 0, key="train-search-seed"))
        cost = cost_of(config)
        base = config
        if cost.plan.config != config or not cost.plan.fits:
            widgets.callout(cost.plan.sentence, tone="warn", title=cost.verdict)
            if cost.plan.fits and st.checkbox("Search with what fits", True, key="train-search-fit"):
                base, cost = cost.plan.config, cost_of(cost.plan.config)
        seconds = trials * cost.estimate.seconds / JobStore(loaders.workspace()).at_once
        _say_total(trials, seconds, cost.estimate.memory, "at most, as many are given up early")
        if st.button(
            f"Queue a search of {trials} trainings", key="train-queue-search", type="primary",
            disabled=not space,
        ):  # fmt: skip
            launch_search(loaders.workspace(), base, trials=trials, space=space, seed=seed)
            _close(f"A search of {trials} trainings is in the queue.")


def _choose(plans: Sequence[TrialPlan], *, columns: list[str], key: str) -> list[TrainConfig]:
    """Draw the trainings of a sweep with their cost; return those that are ticked."""
    notes = [_note(plan) for plan in plans]
    rows = [
        {"train": plan.fits and planning.has_first_weights(plan)}
        | {column: plan.to_json()[column] for column in columns}
        | {
            "memory": plan.estimate.memory / _GIB,
            "time": duration(plan.estimate.seconds),
            "speed": SPEEDS[plan.estimate.speed],
            "parameters": plan.estimate.parameters / 1e6,
            "note": note,
        }
        for plan, note in zip(plans, notes, strict=True)
    ]
    table = pd.DataFrame(rows)
    if "fold" in table:
        table["fold"] += 1
    names = "-".join(str(plan.config.weights) for plan in plans[:1])
    edited = st.data_editor(
        table,
        key=f"train-sweep-{key}-{len(plans)}-{names}",
        hide_index=True,
        disabled=[str(column) for column in table if column != "train"],
        height="content" if len(table) <= 12 else 420,
        column_config={
            "train": st.column_config.CheckboxColumn("", width=40),
            "image_size": st.column_config.NumberColumn("size", format="%d px"),
            "memory": st.column_config.NumberColumn(format="%.1f GiB"),
            "speed": st.column_config.TextColumn(
                help="Measured: a run here trained this architecture like this. Estimated: by how many "
                "multiplications it takes, in the measure of what was measured here."
            ),
            "parameters": st.column_config.NumberColumn(format="%.1f M"),
            "note": st.column_config.TextColumn(width="medium"),
        },
    )
    chosen = [plan for plan, ticked in zip(plans, edited["train"], strict=True) if ticked]
    seconds = sum(plan.estimate.seconds for plan in chosen) / JobStore(loaders.workspace()).at_once
    memory = max((plan.estimate.memory for plan in chosen), default=0)
    _say_total(len(chosen), seconds, memory, "if none stops early")
    return [plan.config for plan in chosen]


def _note(plan: TrialPlan) -> str:
    """Say why a training is not ticked, or what it needs first."""
    if not planning.has_first_weights(plan):
        return "no such first weights"
    if not plan.fits:
        return "too little memory"
    return "weights fetched first: needs network" if needs_network(plan.config) else ""


def _say_total(count: int, seconds: float, memory: int, remark: str) -> None:
    free = planning.free_memory() / _GIB
    st.markdown(
        f"**{count}** training{'s' if count != 1 else ''} · about **{duration(seconds)}** in all, {remark} · "
        f"at most **{memory / _GIB:.1f} GiB** of {free:.1f} GiB free"
    )


def _queue(kind: Kind, configs: list[TrainConfig]) -> None:
    """Draw the button that queues a sweep."""
    from pipeline.training.sweeps import launch_sweep

    many = f"{len(configs)} training{'s' if len(configs) != 1 else ''}"
    if st.button(f"Queue {many}", key=f"train-queue-{kind}", type="primary", disabled=not configs):
        launch_sweep(loaders.workspace(), kind, configs)
        _close(f"{many} {'are' if len(configs) != 1 else 'is'} in the queue.")


def _close(said: str) -> None:
    _open(None)
    st.toast(said)
    st.rerun()


def _choose_space() -> dict[str, Any]:
    """Draw what is searched, and between which ends; return the space of the ticked settings."""
    from pipeline.training.search import SPACE

    table = pd.DataFrame(
        [
            {"search": True, "setting": LABELS[key], "from": ends["low"], "to": ends["high"]}
            for key, ends in SPACE.items()
        ]
    )
    edited = st.data_editor(
        table, key="train-space", hide_index=True, disabled=["setting"], width="stretch",
        column_config={
            "search": st.column_config.CheckboxColumn("", width=40),
            "from": st.column_config.NumberColumn(format="%g"),
            "to": st.column_config.NumberColumn(format="%g"),
        },
    )  # fmt: skip
    return {
        key: SPACE[key] | {"low": float(row["from"]), "high": float(row["to"])}
        for key, (_, row) in zip(SPACE, edited.iterrows(), strict=True)
        if row["search"]
    }
