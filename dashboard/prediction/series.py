"""A series on the Predict page: which one, its way through the model, and the slice that is looked at."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard import widgets
from dashboard.loaders import predict as read
from dashboard.loaders import series as load
from dashboard.prediction.arrows import draw_arrows
from dashboard.prediction.averaging import chosen_averaging
from dashboard.prediction.source import Asked
from dashboard.prediction.strip import draw_case, draw_notes, draw_strip
from pipeline.inference.case import position_text
from pipeline.runs import RunInfo

DATASET, UPLOAD = "A series of the data set", "Files of mine"
MOST_MIB = 1024  # of one uploaded file: an archive holds a whole series
POLL_SECONDS = 0.7
Open = Callable[[int], Asked]


def draw_series(run: RunInfo, dataset: str | None, row: DeltaGenerator) -> Asked | None:
    """Draw the choice of a series in `row`, its strip and its answer; return the slice chosen on it.

    Raises:
        SliceError, EngineMissingError, EngineDamagedError, RecipeGoneError: there is no answer, and why.
    """
    with row:
        origin = DATASET if dataset is not None else UPLOAD
        if dataset is not None:
            origin = st.segmented_control(
                "Series from", [DATASET, UPLOAD], default=DATASET, required=True,
                key="predict.series.origin", label_visibility="collapsed", persist_state="session",
            )  # fmt: skip
        from_dataset = origin == DATASET and dataset is not None
        chosen = _of_dataset(run, str(dataset)) if from_dataset else _of_upload(run)
    if chosen is None:
        _draw_missing(from_dataset)
        return None
    work, open_slice, name = chosen
    if not work.done:
        _draw_progress(work)
        return None
    if work.stopped:
        _draw_stopped(work)
        return None
    try:
        work.check()
    except Exception:
        load.forget(work)  # the next look tries again
        raise
    return _draw_answered(run, work, open_slice, name, row)


def _of_dataset(run: RunInfo, dataset: str) -> tuple[load.SeriesWork, Open, str] | None:
    offered = load.list_series(dataset)
    if not offered:
        return None
    words = {each.slice_id: each.words for each in offered}
    slice_id = st.selectbox(
        "Series", list(words), format_func=words.__getitem__, key=f"predict.series.{dataset}", width=330,
        label_visibility="collapsed", persist_state="session",
    )  # fmt: skip
    rows = load.rows_of(dataset, slice_id)
    work = load.of_dataset(run, dataset, rows)

    def open_slice(number: int) -> Asked:
        row = rows.iloc[number]
        found = read.of_slice(run, dataset, str(row["slice_id"]), chosen_averaging(run))
        return Asked(str(row["path"]), f"{dataset}/{row['slice_id']}", found, str(row["slice_id"]))

    return work, open_slice, f"{dataset}.{slice_id}"


def _of_upload(run: RunInfo) -> tuple[load.SeriesWork, Open, str] | None:
    files = st.file_uploader(
        "A series of yours", accept_multiple_files=True, key="predict.series.files", max_upload_size=MOST_MIB,
        label_visibility="collapsed",
    )  # fmt: skip
    if not files:
        return None
    with st.spinner("Looking through the files"):
        spool = load.spooled(files)
    series = spool.series[0]
    if len(spool.series) > 1:
        names = [f"Series {at + 1}: {len(each.slices)} slices" for at, each in enumerate(spool.series)]
        place = st.selectbox(
            "Series", range(len(names)), format_func=names.__getitem__, width=210,
            key=f"predict.series.of.{spool.digest[:8]}", label_visibility="collapsed",
            help="The files hold several series. They are never mixed: each has its own answer.",
        )  # fmt: skip
        series = spool.series[place]
    work = load.of_upload(run, series, spool.digest)
    key = f"{spool.digest}/{spool.series.index(series)}"

    def open_slice(number: int) -> Asked:
        source = series.slices[number]
        digest = f"{key}/{number}"
        found = read.of_file(run, source, digest=digest, averaged=chosen_averaging(run))
        return Asked(f"{source.path.name}, slice {number + 1}", digest, found, file=source.path)

    return work, open_slice, key


def _draw_missing(from_dataset: bool) -> None:
    if from_dataset:
        widgets.empty_state(
            "No series in this data set",
            "Which slices belong together is said by DICOM headers, volumes and files of several frames; "
            "pictures do not say it. Bring the files of a series yourself, or choose another data set.",
            key="predict-no-series",
        )
        return
    widgets.empty_state(
        "A series of your own",
        "All DICOM files of a series at once, a ZIP archive of them, or a NIfTI volume. The files stay on "
        "this machine and are removed when this session ends.",
        key="predict-upload-series",
    )


@st.fragment(run_every=POLL_SECONDS)
def _draw_progress(work: load.SeriesWork) -> None:
    if work.done:
        st.rerun()
    done = len(work.answers)
    with widgets.panel(key="predict-series-progress"), st.container(horizontal=True):
        st.progress(done / work.total, text=f"Predicting slice by slice: {done} of {work.total}")
        if st.button("Stop", key="predict-series-stop", icon=":material/stop:"):
            work.stop()


def _draw_stopped(work: load.SeriesWork) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key="predict-series-stopped"):
        widgets.callout(
            f"Stopped after {len(work.answers)} of {work.total} slices: a series has an answer when all of "
            "it was looked at.",
            tone="warn",
        )
        if st.button("Begin again", key="predict-series-again", icon=":material/replay:"):
            load.forget(work)
            st.rerun()


def _draw_answered(
    run: RunInfo, work: load.SeriesWork, open_slice: Open, name: str, row: DeltaGenerator
) -> Asked | None:
    """Draw strip and case, and open the slice that was chosen."""
    case, state = work.case, f"predict.series.at.{name}"
    labels = read.classes_of(run)
    current = int(st.session_state.setdefault(state, _first(work)))
    with row:
        _draw_steps(work, state, current)
        draw_arrows()
    strip, answer = st.columns([73, 27], gap="medium")
    with strip, widgets.panel(key="predict-strip"):
        clicked = draw_strip(case, labels, current=current, key=name)
        draw_notes(case)
    with answer, widgets.panel(key="predict-case"):
        draw_case(case, labels)
    if clicked is not None and clicked != current:
        st.session_state[state] = clicked
        st.rerun()
    if case.slices[current].answer["status"] == "error":
        widgets.callout(
            str(case.slices[current].answer["reason"]), tone="bad", title="This slice cannot be read"
        )
        return None
    with widgets.guarded("That slice could not be shown."):
        return open_slice(current)
    return None


def _first(work: load.SeriesWork) -> int:
    """Return the slice that is shown first: the middle one of those that count, else of all."""
    counting = [at for at, why in enumerate(work.case.left_out) if not why] or list(range(work.total))
    return counting[len(counting) // 2]


def _draw_steps(work: load.SeriesWork, state: str, current: int) -> None:
    last = work.total - 1

    def go(number: int) -> None:
        st.session_state[state] = number

    for name, step, icon, key in (
        ("Towards the head", -1, ":material/chevron_left:", "Left"),
        ("Towards the feet", 1, ":material/chevron_right:", "Right"),
    ):
        goal = min(last, max(0, current + step))
        st.button(
            "", key=f"predict-series-{key.lower()}", icon=icon, help=name, shortcut=key, on_click=go,
            args=(goal,), disabled=goal == current,
        )  # fmt: skip
    location = work.series.slices[current].location
    place = f", {position_text(location)}" if location is not None else ""
    st.caption(f"Slice {current + 1} of {work.total}{place}", width="content")
