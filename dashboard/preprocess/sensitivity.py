"""How much hangs on one parameter: swept over its range on the sample, in a thread that the page looks at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from dashboard import loaders, widgets
from dashboard.charts.preprocess import sweep_figure
from dashboard.loaders import predict
from dashboard.loaders import preprocess as load
from dashboard.preprocess.sample import draw_count, sample_of
from pipeline.errors import HilumError
from pipeline.inference.sensitivity import (
    BackgroundSweep,
    SweepStoppedError,
    own_value,
    sweep,
    sweep_values,
    sweepable,
)
from pipeline.preprocessing.recipe import Recipe

if TYPE_CHECKING:
    from pipeline.inference.sensitivity import SweepPoint
    from pipeline.jobs import Progress
    from pipeline.runs import RunInfo

POLL_SECONDS = 0.4
_SWEEPS = "prep.sweeps"  # of this session: what was asked for -> the sweep
_KEPT = 12
NO_MODEL = ""
NAMES = {
    "threshold__offset": ("Offset of the threshold", "grey levels"),
    "threshold__level_hu": ("Level of the threshold", "HU"),
    "threshold__block": ("Block of the threshold", "pixels"),
    "denoise__size": ("Denoise, neighbourhood", "pixels"), "lungs__opening_radius": ("Opening", "pixels"),
    "lungs__erosion_radius": ("Erosion", "pixels"), "lungs__closing_radius": ("Closing", "pixels"),
    "lungs__repair": ("Pleura repair", "depth of a dent"), "lungs__keep": ("Largest parts kept", ""),
    "margin": ("Margin around the lungs", "pixels"),
}  # fmt: skip
_Key = tuple[str, tuple[str, ...], str, str, str, int]


def draw_sensitivity(dataset: str, rows: pd.DataFrame, recipe: Recipe) -> None:
    """Draw the choice of parameter, sample and model, and the sweep as far as it is."""
    if recipe.lungs.method == "none":
        widgets.callout("The recipe looks for no lungs (isolation: none), so there is nothing to sweep.")
        return
    asked = {run.id: run for run in loaders.runs() if predict.has_engine(run)}
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        parameter = st.container(width=220)  # drawn last: what is offered hangs on the other choices
        run_id = st.selectbox(
            "Predictions of", [NO_MODEL, *asked], key="prep.sweep-run", width=220, persist_state="session",
            format_func=lambda each: asked[each].name if each else "no model",
            help="How many predictions differ from those with the recipe in hand",
        )  # fmt: skip
        count = draw_count()
        ids = sample_of(dataset, rows, count)
        kinds = set(rows.loc[ids, "intensity"])
        paths = sweepable(recipe, intensities=kinds, has_model=run_id != NO_MODEL)
        path = parameter.selectbox(
            "Parameter", paths, key="prep.sweep", format_func=lambda each: NAMES[each][0], width=220,
            index=paths.index("lungs__closing_radius"), persist_state="session",
        )  # fmt: skip
        key = (dataset, tuple(ids), recipe.hash, path, run_id, load.sample_stamp(dataset, ids))
        sweeps: dict[_Key, BackgroundSweep] = st.session_state.setdefault(_SWEEPS, {})
        st.button(
            "Sweep", key="prep-run-sweep", icon=":material/play_arrow:", type="primary",
            disabled=key in sweeps, on_click=_begin, args=(key, recipe, asked.get(run_id)),
        )  # fmt: skip
    _follow(key, recipe, asked.get(run_id))


def _begin(key: _Key, recipe: Recipe, run: RunInfo | None) -> None:
    """Start a sweep; another one under way is given up: two would only slow each other down."""
    sweeps: dict[_Key, BackgroundSweep] = st.session_state[_SWEEPS]
    for other in [each for each, running in sweeps.items() if not running.ended]:
        sweeps.pop(other).cancel()
    dataset, ids, _, path, _, _ = key
    sample = load.sweep_slices(dataset, list(ids))

    def work(progress: Progress) -> list[SweepPoint]:
        from pipeline.inference.engine import Engine

        engine = Engine.load(run) if run is not None else None
        return sweep(sample, recipe, path, engine=engine, progress=progress)

    sweeps[key] = BackgroundSweep(NAMES[path][0]).start(work)
    for oldest in list(sweeps)[:-_KEPT]:
        sweeps.pop(oldest).cancel()


def _follow(key: _Key, recipe: Recipe, run: RunInfo | None) -> None:
    sweeps: dict[_Key, BackgroundSweep] = st.session_state[_SWEEPS]
    running = sweeps.get(key)
    if running is None:
        values = len(sweep_values(recipe, key[3]))
        widgets.empty_state(
            "Does the result hang on this value?",
            f"Each of {len(key[1])} slices is prepared with {values} values of one parameter, everything "
            "else as in the recipe in hand. Where a line is flat, the value hardly matters for these slices; "
            "be careful with a cliff beside yours.",
            key="prep-sweep",
        )
    elif not running.ended:
        _draw_progress(key)
    elif running.problem is not None:
        _say_problem(running.problem)
        del sweeps[key]
    else:
        _draw_points(running.points or [], key, recipe, run)


@st.fragment(run_every=POLL_SECONDS)
def _draw_progress(key: _Key) -> None:
    sweeps: dict[_Key, BackgroundSweep] = st.session_state[_SWEEPS]
    running = sweeps.get(key)
    if running is None or running.ended:
        st.rerun()
    said = f"{running.title}: {running.done} of {running.total or '?'} values"
    st.progress(running.done / running.total if running.total else 0.0, said)
    if st.button("Give it up", key="prep-stop-sweep", icon=":material/close:"):
        sweeps.pop(key).cancel()
        st.rerun()


def _say_problem(problem: Exception) -> None:
    if isinstance(problem, SweepStoppedError):
        st.caption(str(problem))
    elif isinstance(problem, HilumError):
        widgets.callout(str(problem), tone="bad", title="No sweep")
    else:
        raise problem


def _draw_points(points: list[SweepPoint], key: _Key, recipe: Recipe, run: RunInfo | None) -> None:
    name, unit = NAMES[key[3]]
    own = own_value(recipe, key[3])
    widgets.chart(
        sweep_figure(points, parameter=name, own=own, unit=unit),
        key="prep-sweep-chart",
        height=150 * (2 + (points[0].lesion_recall is not None) + (points[0].flips is not None)) + 20,
    )
    said = f"{points[0].slices} slices; the dotted line is the recipe in hand ({name} {own:g}). "
    if run is not None:
        trained = run.params.get("recipe", "another recipe")
        said += (
            f"Flips are against the predictions of {run.name} with the recipe in hand; it was trained with "
            f"{trained}. A flip says that the answer hangs on the preparation, not which answer is right."
        )
    st.caption(said)
