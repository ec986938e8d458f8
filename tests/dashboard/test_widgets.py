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


def test_a_link_to_a_data_set_that_is_not_here_says_so(datasets: Callable[..., None]) -> None:
    datasets("one")
    app = AppTest.from_function(picker_page, default_timeout=60)
    app.query_params["dataset"] = "gone"
    app.run()
    assert app.text[0].value == "chosen one"
    assert "gone" in app.toast[0].value


def test_without_data_nothing_is_offered(datasets: Callable[..., None]) -> None:
    datasets()
    app = AppTest.from_function(picker_page, default_timeout=60).run()
    assert app.text[0].value == "chosen None"
    assert not app.selectbox
