"""The parts that pages are made of: what they say, and that nothing of a user's text becomes markup."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest
from streamlit.testing.v1 import AppTest

from dashboard import loaders
from dashboard.charts import class_color, class_colors, style_figure
from dashboard.widgets import Tile, class_badge, estimate_text


def test_known_classes_have_one_colour_everywhere_and_others_the_next_free() -> None:
    assert class_color("positive") == "#E69F00"
    assert class_color("negative", ["positive", "negative"]) == "#56B4E9"
    colors = class_colors(["abscess", "positive", "tumour", "abscess"])
    assert len(set(colors.values())) == 3
    assert class_color("tumour", ["abscess", "positive", "tumour"]) == colors["tumour"]


def test_estimates_come_with_interval_and_n() -> None:
    tile = Tile.of_estimate("AUC", {"value": 0.912, "low": 0.853, "high": 0.951}, n=41, unit="patients")
    assert (tile.value, tile.detail) == ("0.91", "95% CI 0.85 to 0.95 \u00b7 n = 41 patients")
    missing = Tile.of_estimate("AUC", {"value": None, "low": None, "high": None, "reason": "one class only"})
    assert (missing.value, missing.detail) == ("n/a", "one class only")
    assert estimate_text({"value": 0.5, "low": 0.4, "high": 0.6}, digits=1) == "0.5 (0.4 to 0.6)"
    assert estimate_text({"value": None}) == "n/a"


def test_labels_are_never_markup() -> None:
    assert "<script>" not in class_badge("<script>alert(1)</script>")


def test_figures_take_the_themes_colours_and_leave_the_original_alone() -> None:
    import plotly.graph_objects as go

    figure = go.Figure(go.Scatter(x=[1, 2], y=[3, 4]))
    before = figure.to_json()
    dark, light = style_figure(figure, dark=True, height=200), style_figure(figure, dark=False)
    assert dark.layout.template.layout.font.color != light.layout.template.layout.font.color
    assert dark.layout.height == 200
    assert figure.to_json() == before


def picker_page() -> None:
    """A page with nothing but the choice of a data set."""
    import streamlit as st

    from dashboard import widgets

    found = widgets.dataset_picker()
    st.text(f"chosen {found.name if found else None}")
    if found is None:
        widgets.no_dataset()
        st.stop()
    widgets.remember("slice", "s1")


@pytest.fixture
def datasets(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def have(*names: str) -> None:
        monkeypatch.setattr(
            loaders, "datasets", lambda: [SimpleNamespace(name=name, synthetic=False) for name in names]
        )

    return have


def test_the_choice_of_a_data_set_lives_in_the_address(datasets: Callable[..., None]) -> None:
    datasets("one", "two")
    app = AppTest.from_function(picker_page, default_timeout=60)
    app.query_params["dataset"] = "two"
    app.run()
    assert app.text[0].value == "chosen two"
    app.selectbox[0].set_value("one").run()
    assert app.text[0].value == "chosen one"
    assert app.query_params["dataset"] == "one"


def test_a_link_to_a_data_set_that_is_not_here_says_so_and_shows_no_other(
    datasets: Callable[..., None],
) -> None:
    datasets("one")
    app = AppTest.from_function(picker_page, default_timeout=60)
    app.query_params["dataset"] = "gone"
    app.query_params["slice"] = "of-gone"
    for _ in range(2):  # it stays said
        app.run()
        assert app.text[0].value == "chosen None"
        assert "The data set gone cannot be shown" in app.get("html")[0].proto.body
    assert app.query_params["dataset"] == "gone"
    assert app.selectbox[0].value is None
    app.button[0].click().run()
    assert app.text[0].value == "chosen one"
    assert app.query_params["dataset"] == "one"
    assert app.query_params["slice"] == "s1"


def run_page() -> None:
    """A page with nothing but the choice of a run."""
    import streamlit as st

    from dashboard import widgets

    found = widgets.run_picker(keep=lambda run: run.id != "lost-1", needs="predictions")
    st.text(f"chosen {found.id if found else None}")
    if found is None:
        widgets.no_run()


@pytest.fixture
def some_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    stands = {"lost-1": "lost", "busy-1": "running", "done-1": "finished"}
    found = [SimpleNamespace(id=key, name=key[:4], status=status, tags={}) for key, status in stands.items()]
    monkeypatch.setattr(loaders, "runs", lambda: found)


def test_a_finished_run_comes_before_one_that_goes_on(some_runs: None) -> None:
    app = AppTest.from_function(run_page, default_timeout=60).run()
    assert app.text[0].value == "chosen done-1"
    app.query_params["run"] = "busy"
    assert app.run().text[0].value == "chosen busy-1"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("lost-1", "The run is there (lost-1, lost), but has left no predictions"),
        ("other", "No run has this name"),
    ],
)
def test_a_link_to_a_run_that_cannot_be_shown_says_why(some_runs: None, asked: str, said: str) -> None:
    app = AppTest.from_function(run_page, default_timeout=60)
    app.query_params["run"] = asked
    app.run()
    assert app.text[0].value == "chosen None"
    assert said in app.get("html")[0].proto.body
    app.button[0].click().run()
    assert app.text[0].value == "chosen done-1"


def test_without_data_nothing_is_offered(datasets: Callable[..., None]) -> None:
    datasets()
    app = AppTest.from_function(picker_page, default_timeout=60).run()
    assert app.text[0].value == "chosen None"
    assert not app.selectbox
