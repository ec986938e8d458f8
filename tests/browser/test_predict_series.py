"""A series on Predict in a browser: a click on the strip and the arrow keys open slices."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.inference.conftest import make_series_home

pytestmark = pytest.mark.browser


def test_a_click_on_the_strip_and_the_arrow_keys_open_slices(
    page: Page, serve: Callable[..., str], tmp_path: Path
) -> None:
    address = serve(workspace=make_series_home(tmp_path).root)
    page.goto(f"{address}/predict?run=small&dataset=wards")
    page.get_by_text("A series", exact=True).click(timeout=90_000)
    position = page.get_by_text(re.compile(r"^Slice \d of 6, .*mm$"))
    expect(position).to_be_visible(timeout=90_000)
    plot = page.locator(".js-plotly-plot .nsewdrag").first
    box = plot.bounding_box()
    assert box is not None
    page.wait_for_timeout(500)
    page.mouse.click(box["x"] + 0.04 * box["width"], box["y"] + box["height"] / 2)
    expect(position).to_contain_text("Slice 1 of 6", timeout=30_000)
    page.keyboard.press("ArrowRight")
    expect(position).to_contain_text("Slice 2 of 6", timeout=30_000)
    page.keyboard.press("ArrowRight")
    expect(position).to_contain_text("Slice 3 of 6", timeout=30_000)
    page.keyboard.press("ArrowLeft")
    expect(position).to_contain_text("Slice 2 of 6", timeout=30_000)
    expect(page.locator("canvas").first).to_be_visible()
