"""The form of a new training, put together: choices in, one run or many out."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard import loaders, widgets
from dashboard.loaders import train as load
from dashboard.training import session
from dashboard.training.augmentation import draw_augmentation
from dashboard.training.controls import Controls
from dashboard.training.cost import draw_cost, draw_shortage
from dashboard.training.data import draw_classes, draw_data, settle_split
from dashboard.training.learning import draw_optimizer, draw_restraint, draw_run, draw_schedule, draw_stages
from dashboard.training.model import draw_model, settle_weights
from dashboard.training.presets import draw_presets
from dashboard.training.sweeping import draw_many
from dashboard.training.words import in_words
from pipeline.training.config import TrainConfig, make_config
from pipeline.training.problems import config_problems, weights_problem

if TYPE_CHECKING:
    from pipeline.data.datasets import DatasetInfo
    from pipeline.runs import RunInfo


@st.fragment
def draw_form(dataset: DatasetInfo) -> None:
    """Draw the form. A fragment: what is changed here redraws this and nothing else."""
    with widgets.guarded("The form could not be shown."):
        session.begin()
        settle_split(dataset.name)
        config, problems = _check(dataset.name)
        controls = Controls(problems)
        draw_shortage(loaders.runs())
        draw_presets()
        draw_data(dataset.name, controls)
        draw_model(controls, config)
        draw_schedule(controls)
        _draw_further(dataset.name, controls, config)
        with st.container(key="train-foot", gap="small"):
            _draw_launch(config, problems)
        session.keep_in_address(dataset.name)


def fill_form(run: RunInfo) -> str:
    """Put a run's settings into the form, for another run with changes; call before the form is drawn.

    Returns:
        The data set that the run was trained on.

    Raises:
        HilumError: the run keeps no configuration, or one that this Hilum does not know.
    """
    from pipeline.training.extending import clone_config

    session.begin()
    config = clone_config(run)
    session.take(session.flat(config), reason=f"settings of {run.name}")
    return config.dataset


def _check(dataset: str) -> tuple[TrainConfig | None, dict[str, str]]:
    """Return the form's configuration, and what is wrong by setting."""
    missing = settle_weights()
    values: dict[str, Any] = session.values(dataset)
    problems = config_problems(values)
    config = None if problems else make_config(values)
    if values["split"] is None:
        problems["split"] = "This data set has no split yet: split it first, here or on the Explore page."
    if values["recipe"] not in load.recipes():
        problems["recipe"] = f"No recipe is called {values['recipe']!r} any more: choose another."
        config = None
    if missing is not None:
        problems["weights"] = missing
    elif config is not None and (problem := weights_problem(loaders.workspace(), config)):
        problems["weights"] = problem
    return config, problems


def _draw_further(dataset: str, controls: Controls, config: TrainConfig | None) -> None:
    """Draw what is seldom changed, behind a name each."""
    with st.expander("Stages: what learns when", key="train-stages"):
        draw_stages(controls, config)
    with st.expander("Optimizer and schedule", key="train-optimizer"):
        draw_optimizer(controls)
    with st.expander("Against learning by heart (overfitting)", key="train-restraint"):
        draw_restraint(controls)
    with st.expander("Augmentation, with preview", key="train-augmentation"):
        draw_augmentation(dataset, controls, config)
    with st.expander("Smaller classes and probabilities", key="train-classes"):
        draw_classes(dataset, controls)
    with st.expander("Name, seed, fold", key="train-run"):
        draw_run(dataset, controls)


def _draw_launch(config: TrainConfig | None, problems: dict[str, str]) -> None:
    if config is not None and config.split is not None:
        draw_cost(config)
    for sentence in problems.values():
        st.html(f'<div class="t-problem">{html.escape(in_words(sentence))}</div>')
    pressed = st.button(
        "Train", type="primary", key="train-launch", icon=":material/play_arrow:", width="stretch",
        disabled=bool(problems),
    )  # fmt: skip
    if pressed and config is not None:
        from pipeline.training.launch import launch_training

        with widgets.guarded("The training could not be begun."):
            st.session_state["train.follow"] = launch_training(loaders.workspace(), config).id
            st.rerun()
    draw_many(None if problems else config)
