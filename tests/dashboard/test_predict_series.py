"""Predict's series and folders: the strip, the case's answer, what is odd, and the job of a batch."""

from __future__ import annotations

import io
import re
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest
from streamlit.testing.v1 import AppTest

from dashboard.charts.predict import StripSlice, strip_figure
from dashboard.loaders import series as load
from dashboard.prediction import strip
from pipeline.data.phantom.dicom_series import encode_dicom
from pipeline.inference.case import UNVALIDATED
from pipeline.jobs import JobStore
from pipeline.workspace import Workspace
from tests import families
from tests.dashboard import predicting as base
from tests.dashboard.predicting import calm, open_page, take, words
from tests.inference.conftest import make_series_home, patient

saved = base.saved

LABELS = list(families.CLASSES)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with one series of six slices, and a small model."""
    return make_series_home(tmp_path_factory.mktemp("predict-series"))


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[list[StripSlice]]:
    """What the strip draws, one entry a run of the page."""
    given: list[list[StripSlice]] = []
    real = strip.strip_figure

    def strip_figure(slices: list[StripSlice], *args: Any, **options: Any) -> Any:
        given.append(list(slices))
        return real(slices, *args, **options)

    monkeypatch.setattr(strip, "strip_figure", strip_figure)
    return given


@pytest.fixture
def page(home: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[AppTest]:
    """The page, asked about series."""
    monkeypatch.setenv("HILUM_WORKSPACE", str(home.root))
    app = AppTest.from_file(str(Path(__file__).parents[2] / "dashboard" / "app.py"), default_timeout=90).run()
    app.session_state["predict.kind"] = "A series"
    yield app.switch_page("views/predict.py").run()


def answered(app: AppTest) -> AppTest:
    """Wait until the series is through the model, as the page's own refresh does."""
    until = time.monotonic() + 60
    while _is_under_way(app) and time.monotonic() < until:
        time.sleep(0.2)
        app.run()
    return calm(app)


def _is_under_way(app: AppTest) -> bool:
    return any(button.key == "predict-series-stop" for button in app.button)


def place(app: AppTest) -> int:
    """Return the number of the slice that is shown, from 1."""
    found = [re.match(r"Slice (\d+) of 6", caption.value) for caption in app.caption]
    (number,) = (int(each[1]) for each in found if each)
    return number


def upload(app: AppTest, files: list[tuple[str, bytes, str]]) -> AppTest:
    app.session_state["predict.series.origin"] = "Files of mine"
    app.run()
    app.file_uploader(key="predict.series.files").set_value(files)
    return app.run()


def dicom(number: int, *, seed: int = 1000) -> tuple[str, bytes, str]:
    data = encode_dicom(patient(seed)[number], instance=number + 1)
    return f"{seed}-IM{number}.dcm", data, "application/dicom"


def test_a_data_sets_series_is_a_strip_with_its_case_answer(
    page: AppTest, drawn: list[list[StripSlice]]
) -> None:
    app = answered(page)
    said = words(app)
    (slices,) = drawn[-1:]
    assert len(slices) == 6 and [each.number for each in slices] == list(range(6))
    places = [each.at for each in slices]
    assert places == sorted(places, reverse=True), "mm along the body, the head first"
    assert "of 6 slices count" in said or "No answer for the series" in said
    if "The series as a case" in said:
        assert UNVALIDATED in said and "Rule: the class with the greatest mean" in said
    assert any("Slice " in caption.value and " mm" in caption.value for caption in app.caption)


def test_buttons_go_along_the_series_and_its_slices_are_opened(page: AppTest) -> None:
    app = answered(page)
    before = place(app)
    calm(app.button(key="predict-series-right").click().run())
    assert place(app) == before + 1
    for _ in range(6):
        if not app.button(key="predict-series-left").disabled:
            calm(app.button(key="predict-series-left").click().run())
    assert app.button(key="predict-series-left").disabled, "the head's end"


def test_an_uploaded_archive_is_answered_and_leaves_with_the_session(page: AppTest, home: Workspace) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for number in range(6):
            archive.writestr(f"ct/{number}.dcm", dicom(number)[1])
    app = answered(upload(page, [("ct.zip", packed.getvalue(), "application/zip")]))
    assert "of 6 slices count" in words(app) or "No answer for the series" in words(app)
    folders = list(home.scratch.glob("series-*"))
    assert len(folders) == 1
    app.file_uploader(key="predict.series.files").set_value([])
    del app.session_state["predict.series.spool"]
    assert not folders[0].exists()


def test_dicom_of_an_uploaded_series_slice_names_its_patient_where_asked(
    page: AppTest, saved: dict[str, Any]
) -> None:
    app = answered(upload(page, [dicom(number) for number in range(6)]))
    app.session_state["predict.save.identifiers"] = True
    with zipfile.ZipFile(io.BytesIO(take(app, saved, "dicom"))) as made:
        name = next(name for name in made.namelist() if name.endswith("-map.dcm"))
        assert str(pydicom.dcmread(io.BytesIO(made.read(name))).PatientID) == patient()[0].patient_id


def test_files_of_two_series_are_never_mixed(page: AppTest, drawn: list[list[StripSlice]]) -> None:
    files = [dicom(number) for number in range(3)] + [dicom(number, seed=1007) for number in range(2)]
    app = answered(upload(page, files))
    choice = next(box for box in app.selectbox if box.label == "Series")
    assert choice.options == ["Series 1: 3 slices", "Series 2: 2 slices"]
    assert len(drawn[-1]) == 3
    choice.select(1)
    answered(app.run())
    assert len(drawn[-1]) == 2


def test_one_slice_is_called_no_series_and_nothing_readable_is_a_sentence(page: AppTest) -> None:
    app = answered(upload(page, [dicom(3)]))
    assert "One slice is no series" in words(app)
    app = upload(app, [("a.dcm", b"\0" * 128 + b"DICM" + b"\x08\0", ""), ("b.txt", b"no picture" * 20, "")])
    assert "None of its 2 slices can be read" in words(answered(app))


def test_a_series_that_is_given_up_says_so_and_begins_again(
    page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load.SeriesWork, "stopped", property(lambda work: len(work.answers) >= 0))
    app = answered(upload(page, [dicom(number) for number in (1, 2)]))
    assert "Stopped after" in words(app) and "has an answer when all of it" in words(app)
    monkeypatch.undo()
    monkeypatch.setenv("HILUM_WORKSPACE", str(load.workspace().root))
    app.button(key="predict-series-again").click()
    answered(app.run())
    assert "Stopped after" not in words(app)


def test_what_a_killed_dashboard_left_is_removed(home: Workspace) -> None:
    left = home.scratch / "series-999999999-x"
    left.mkdir()
    load.sweep(home)
    assert not left.exists()


def test_a_folder_is_predicted_by_a_job_that_goes_on(
    home: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HILUM_WORKSPACE", str(home.root))
    monkeypatch.setattr(JobStore, "_spawn", lambda self, job: None)
    app = open_page()
    app.session_state["predict.kind"] = "A whole folder"
    calm(app.run())
    assert app.button(key="predict-batch-start").disabled
    app.text_input(key="predict.batch.folder").set_value(str(tmp_path / "gone")).run()
    app.button(key="predict-batch-start").click().run()
    assert "There is no folder" in app.error[0].value
    app.text_input(key="predict.batch.folder").set_value(str(tmp_path)).run()
    calm(app.button(key="predict-batch-start").click().run())
    (job,) = JobStore(home).list("batch")
    assert job.argv[0] == "predict" and job.argv[-1] == "--resume" and str(tmp_path) in job.argv
    target = Path(job.argv[job.argv.index("--out") + 1])
    assert target.suffix == ".parquet" and target.is_relative_to(home.root)
    assert any(button.key == f"batch-stop-{job.id}" for button in app.button)


def strip_slice(number: int, at: float, kind: str = "counts", positive: float = 0.5) -> StripSlice:
    scores = {"positive": positive, "negative": 1 - positive} if kind in ("counts", "repeated") else {}
    return StripSlice(number, at, kind, scores, 0.3, "words")


def test_the_strip_shows_scores_blanks_and_refusals_and_each_slice_can_be_clicked() -> None:
    kinds = ["non-informative", "counts", "refused", "unreadable", "counts"]
    slices = [strip_slice(number, -10.0 * number, kind) for number, kind in enumerate(kinds)]
    figure = strip_figure(slices, ["positive", "negative"], current=1)
    traces = {trace.name: trace for trace in figure.data}
    assert list(traces["positive"].x) == [-10.0, -40.0] and list(traces["positive"].y) == [0.5, 0.5]
    assert list(traces["negative"].base) == [0.5, 0.5]
    assert list(traces["non-informative"].x) == [0.0] and list(traces["refused"].x) == [-20.0]
    assert list(traces["unreadable"].x) == [-30.0]
    assert [row[0] for row in figure.data[-1].customdata] == [0, 1, 2, 3, 4]
    low, high = figure.layout.xaxis.range
    assert low > high, "the head, whose positions are greatest, is on the left"


def test_slices_without_positions_stand_by_number_and_it_is_said() -> None:
    slices = [strip_slice(number, number + 1.0) for number in range(3)]
    figure = strip_figure(slices, ["positive", "negative"], in_mm=False)
    low, high = figure.layout.xaxis.range
    assert low < high and "names" in figure.layout.xaxis.title.text
