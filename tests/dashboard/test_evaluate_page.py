"""The Evaluate page: validation is free, the test part has a door, figures come with evidence and n."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from dashboard.charts import evaluate as charts
from dashboard.loaders.evaluate import Findings
from pipeline.data.datasets import remove_dataset
from pipeline.evaluation.evaluate import evaluate_table
from pipeline.evaluation.openings import list_openings
from pipeline.evaluation.predictions import read_predictions
from pipeline.notice import NOTICE
from pipeline.runs import RunStore
from pipeline.workspace import Workspace
from tests.evaluation.runs import make_evaluated, make_run
from tests.evaluation.tables import LABELS, make_table

APP = Path(__file__).resolve().parents[2] / "dashboard" / "app.py"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with two runs on one split; their data set is gone."""
    workspace = Workspace.open(tmp_path_factory.mktemp("evaluate") / "workspace")
    make_run(workspace, "first", synthetic=True)
    make_run(workspace, "second", skill=0.4)
    return workspace


@pytest.fixture
def app(home: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[AppTest]:
    monkeypatch.setenv("HILUM_WORKSPACE", str(home.root))
    app = opened()
    yield app
    assert not app.exception


def opened() -> AppTest:
    app = AppTest.from_file(str(APP), default_timeout=60)
    app.query_params["run"] = "first"
    return app.run().switch_page("views/evaluate.py").run()


def text_of(app: AppTest) -> str:
    return "".join(str(part.proto.body) for part in app.get("html"))


def choose(app: AppTest, label: str, value: str) -> AppTest:
    return next(box for box in app.selectbox if box.label == label).select(value).run()


def test_validation_is_shown_with_verdict_and_tiles(app: AppTest, home: Workspace) -> None:
    text = text_of(app)
    assert "Not fit: the task is synthetic" in text
    assert "Tested on patients that the model never saw" in text
    assert "16 patients" in text
    assert "Synthetic task, not COVID-19" in text
    assert "Classification report" in text
    assert list_openings(home) == []


def test_the_test_part_opens_by_a_deliberate_act_that_is_logged(app: AppTest, home: Workspace) -> None:
    before = len(list_openings(home))
    choose(app, "On", "test")
    assert "The test part is closed" in text_of(app)
    assert "Classification report" not in text_of(app)
    next(button for button in app.button if button.label == "Open the test part").click().run()
    assert "24 patients" in text_of(app)
    assert "Classification report" in text_of(app)
    assert [(o.by, o.n) for o in list_openings(home)[before:]] == [("page", 288)]
    app.run()  # a look at the page as it is counts once
    assert len(list_openings(home)) == before + 1
    again = opened()
    choose(again, "On", "test")
    assert "Classification report" in text_of(again), "the same figures, in another tab"
    assert len(list_openings(home)) == before + 1


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("dataset:elsewhere", "elsewhere cannot be shown"),
        ("dataset:wards", "first was trained on this data set"),
        ("tests", "There is no part"),
    ],
)
def test_a_link_to_slices_that_are_not_here_shows_no_others(app: AppTest, asked: str, said: str) -> None:
    app.session_state["choice.data"] = asked
    app.run()
    assert said in text_of(app) and "Classification report" not in text_of(app)
    next(button for button in app.button if button.label == "Show validation instead").click().run()
    assert "Classification report" in text_of(app)


@pytest.mark.parametrize("tab", ["Curves", "Calibration", "Bedside", "Subgroups", "Failures", "Compare"])
def test_each_tab_draws(app: AppTest, tab: str) -> None:
    app.session_state["evaluate.tab"] = tab
    app.run()
    assert not app.exception and not app.error
    assert len(app.get("plotly_chart")) >= (0 if tab == "Failures" else 1)


def test_prevalence_moves_the_predictive_values(app: AppTest) -> None:
    app.session_state["evaluate.tab"] = "Bedside"
    app.run()
    before = text_of(app)
    app.slider(key="evaluate.prevalence").set_value(1.0).run()
    assert text_of(app) != before
    assert any("Of 1,000 such patients 10 are positive" in caption.value for caption in app.caption)


def test_two_runs_are_compared_on_validation(app: AppTest, home: Workspace) -> None:
    app.session_state["evaluate.tab"] = "Compare"
    app.run()
    assert "192 validation slices, 16 patients" in text_of(app)
    assert "first is better" in text_of(app)
    assert any("no other data set on which both were evaluated" in each.value for each in app.caption)


def test_models_are_compared_on_a_data_set_that_both_were_evaluated_on(app: AppTest, home: Workspace) -> None:
    first, second = (RunStore(home).find(name) for name in ("first", "second"))
    make_evaluated(home, "elsewhere", first, second)
    app.session_state["evaluate.tab"] = "Compare"
    app.run()
    assert "192 validation slices" in text_of(app)
    choose(app, "On slices of", "elsewhere")
    assert "240 slices of elsewhere, 20 patients" in text_of(app)
    assert "second is better" in text_of(app)
    remove_dataset(home, "elsewhere")


def test_the_report_is_made_when_it_is_asked_for_and_stays(app: AppTest) -> None:
    assert not app.get("download_button")
    app.button(key="evaluate-report.make").click().run()
    for _ in range(2):
        (button,) = app.get("download_button")
        assert button.label.startswith("Report: save ")
        app.run()
    _, made = app.session_state["evaluate-report.made"]
    assert b"How good is" in made and NOTICE.encode() in made


def test_a_damaged_table_is_one_sentence(home: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(home, "damaged", patients={"val": 4})
    pd.DataFrame({"slice_id": ["a"]}).to_parquet(run.artifacts / "predictions" / "val.parquet")
    monkeypatch.setenv("HILUM_WORKSPACE", str(home.root))
    app = AppTest.from_file(str(APP), default_timeout=60)
    app.query_params["run"] = run.id
    app.run()
    app.switch_page("views/evaluate.py").run()
    assert not app.exception
    assert "probability_<class>" in app.error[0].value.replace("\\", "")


def test_figures_are_drawn_from_the_smallest_tables() -> None:
    """Charts stand without intervals, without a band, and name classes by their colours."""
    found = Findings(evaluate_table(read_predictions(make_table(patients=2, slices=8)), n_resamples=20))
    labels = found.evaluation.figures.labels
    drawn = [
        charts.confusion_figure(found.evaluation.figures.confusion, labels),
        charts.curve_figure(found.rocs, labels, kind="roc"),
        charts.curve_figure(found.precision_recalls, labels, kind="pr"),
        charts.reliability_figure(found.reliability("positive"), "positive", labels),
        charts.decision_figure(found.decision("positive"), labels),
        charts.forest_figure([("all", found.evaluation.figures.accuracy)], title="accuracy"),
    ]
    for figure in drawn:
        assert "NaN" not in json.dumps(json.loads(figure.to_json()))
    colors = {trace.line.color for trace in drawn[1].data}
    assert {"#E69F00", "#56B4E9", "#999999"} <= colors


def test_one_of_many_is_neither_none_of_them_nor_are_the_others_all() -> None:
    figure = charts.confusion_figure(np.array([[328, 1], [0, 9]]), ["a", "b"])
    shown = [note.text.split("<br>")[1] for note in figure.layout.annotations]
    assert shown == ["&gt;99 %", "&lt;1 %", "0 %", "100 %"]


def test_a_click_on_a_cell_names_reference_and_call() -> None:
    table = read_predictions(make_table(patients=4))
    found = evaluate_table(table, n_resamples=10).figures
    figure = charts.confusion_figure(found.confusion, found.labels)
    cells = [tuple(cell) for cell in figure.data[1].customdata]
    assert cells == [(reference, called) for reference in LABELS for called in LABELS]
    assert sum(int(note.text.split("<b>")[1].split("</b>")[0]) for note in figure.layout.annotations) == 48
