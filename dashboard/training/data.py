"""What is learnt from: split, fold, recipe, classes, and what is done for the smaller ones."""

from __future__ import annotations

import streamlit as st

from dashboard import loaders, widgets
from dashboard.loaders import planning
from dashboard.loaders import train as load
from dashboard.training import session
from dashboard.training.controls import Controls
from dashboard.training.words import NAMES
from pipeline.errors import HilumError
from pipeline.training.order import balance_effect


def draw_data(dataset: str, controls: Controls) -> None:
    """Draw the choice of split, or the way to one, and of recipe."""
    names = load.split_names(dataset)
    left, right = st.columns(2, vertical_alignment="bottom")
    with left:
        if names:
            controls.select("split", names)
        else:
            st.button(
                "Split it by patient", key="train-split", on_click=make_split, args=(dataset,),
                type="primary", width="stretch", help="70 % to train on, patients kept together",
            )  # fmt: skip
    with right:
        controls.select("recipe", load.recipes())
    if names:
        _tell_split(dataset, str(session.get("split")))
    tell_split_problem()


def settle_split(dataset: str) -> None:
    """Take the data set's newest split where the one that is set is another data set's; fold, classes too."""
    names = load.split_names(dataset)
    if session.get("split") not in names:
        st.session_state[session.key("split")] = names[0] if names else None
    if names:
        fold, folds = session.get("fold"), planning.split_folds(dataset, str(session.get("split")))
        if fold is not None and fold >= folds:
            st.session_state[session.key("fold")] = None
        labels = labels_of(dataset, str(session.get("split")))
        kept = [label for label in session.get("classes") if label in labels]
        if kept != session.get("classes"):
            st.session_state[session.key("classes")] = kept


def make_split(dataset: str, folds: int | None = None) -> None:
    """Split a data set by patient, or by near-copies where no patient is known, and choose that split.

    A callback; what goes wrong is said by `tell_split_problem`.
    """
    from pipeline.data.splits import NoPatientsError
    from pipeline.data.splits import make_split as split

    try:
        try:
            made = split(loaders.workspace(), dataset, folds=folds)
        except NoPatientsError:
            made = split(loaders.workspace(), dataset, group_by="cluster", folds=folds)
    except HilumError as error:
        st.session_state["train.split-problem"] = str(error)
    else:
        st.session_state[session.key("split")] = made.name


def tell_split_problem() -> bool:
    """Say why the last split could not be made; return whether there was a reason."""
    problem = st.session_state.pop("train.split-problem", None)
    if problem is not None:
        widgets.callout(problem, tone="bad")
    return problem is not None


def labels_of(dataset: str, split: str) -> dict[str, int]:
    """Return the training slices of each class."""
    return dict(load.split_counts(dataset, split)["train"]["by_label"])


def draw_classes(dataset: str, controls: Controls) -> None:
    """Draw which classes are learnt, what is done for the smaller ones, and what that does to odds."""
    controls.select("balance", list(NAMES["balance"]))
    if session.get("split") is None:
        return
    counts = {label: n for label, n in labels_of(dataset, str(session.get("split"))).items() if n}
    if len(counts) > 2:
        controls.several("classes", list(counts), placeholder="all of them")
    chosen = {label: n for label, n in counts.items() if label in (session.get("classes") or counts)}
    st.caption(" · ".join(f"{label} {n:,}" for label, n in chosen.items()) + " training slices")
    st.caption(balance_effect(chosen, balance=str(session.get("balance"))))


def _tell_split(dataset: str, name: str) -> None:
    counts = load.split_counts(dataset, name)
    parts = " · ".join(
        f"{part} {counts[part]['slices']:,}"
        for part in ("train", "val", "calibration", "test")
        if counts.get(part)
    )
    known = counts["train"]["patients"]
    st.caption(
        f"{parts} slices; " + ("patients kept apart" if known else "patients unknown, near-copies kept apart")
    )
