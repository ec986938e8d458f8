"""The frame in a real browser: dark where nothing was chosen, the notice everywhere, no traceback."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from dashboard.widgets import NOTICE
from pipeline.data.index import build_index
from pipeline.workspace import Workspace
from tests.dashboard.conftest import build_small

pytestmark = pytest.mark.browser

PAGES = ["Explore", "Preprocess", "Train", "Evaluate", "Predict", "Review"]
SCHEME = "getComputedStyle(document.querySelector('.stApp')).colorScheme"


@pytest.fixture(scope="module")
def address(serve: Callable[..., str]) -> str:
    """The dashboard over an empty workspace."""
    return serve()


def open_page(page: Page, address: str, name: str = "Explore") -> None:
    page.goto(address)
    page.get_by_test_id("stTopNavLink").filter(has_text=name).click()
    expect(page.locator(".h-header h1")).to_have_text(name)


def test_every_page_opens_with_its_question_and_the_notice(page: Page, address: str) -> None:
    page.goto(address)
    for name in PAGES:
        page.get_by_test_id("stTopNavLink").filter(has_text=name).click()
        expect(page.locator(".h-header h1")).to_have_text(name)
        expect(page.locator(".h-status")).to_contain_text(NOTICE)
        expect(page.locator(".h-empty h2")).to_be_visible()
        expect(page.get_by_test_id("stException")).to_have_count(0)
        expect(page.get_by_test_id("stAlert")).to_have_count(0)


def test_explore_typed_into_the_address_is_the_first_page(page: Page, address: str) -> None:
    page.goto(f"{address}/explore?dataset=wards")
    expect(page.locator(".h-header h1")).to_have_text("Explore")
    expect(page).to_have_url(f"{address}/?dataset=wards")
    expect(page.get_by_test_id("stTopNavLink").filter(has_text="Explore")).to_have_attribute(
        "aria-current", "page"
    )
    expect(page.get_by_text("Page not found")).to_have_count(0)


def test_the_first_visit_is_dark_and_a_choice_of_light_holds_on_every_page(
    chromium: Browser, address: str
) -> None:
    """A system that prefers light makes no difference; the user's own choice does."""
    context = chromium.new_context(viewport={"width": 1440, "height": 900}, color_scheme="light")
    page = context.new_page()
    page.goto(f"{address}/train")
    page.wait_for_function(f"{SCHEME} === 'dark'")
    expect(page.locator(".h-header h1")).to_have_text("Train")
    page.wait_for_timeout(500)
    page.get_by_test_id("stMainMenuButton").click()
    page.get_by_role("menuitemradio", name="Light").click()
    page.wait_for_function(f"{SCHEME} === 'light'")
    page.wait_for_timeout(500)
    page.goto(f"{address}/review")
    expect(page.locator(".h-header h1")).to_have_text("Review")
    page.wait_for_timeout(500)
    assert page.evaluate(SCHEME) == "light"
    context.close()


def test_open_charts_follow_the_theme(chromium: Browser, serve: Callable[..., str], tmp_path: Path) -> None:
    """What is drawn already is drawn again in the colours of the theme that was chosen."""
    workspace = Workspace.open(tmp_path / "workspace")
    rng = np.random.default_rng(0)
    for number in range(8):
        file = tmp_path / "slices" / ("pCT", "nCT")[number % 2] / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(file), rng.integers(0, 255, (64, 64), dtype=np.uint8))
    build_index(workspace, tmp_path / "slices", name="small")
    context = chromium.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.goto(serve(workspace=workspace.root))
    ink = "getComputedStyle(document.querySelector('.js-plotly-plot .ytick text')).fill"
    page.wait_for_function("document.querySelector('.js-plotly-plot .ytick text')", timeout=60_000)
    dark = page.evaluate(ink)
    page.get_by_test_id("stMainMenuButton").click()
    page.get_by_role("menuitemradio", name="Light").click()
    page.wait_for_function(f"{ink} !== '{dark}'")
    context.close()


def test_a_dialog_leaves_the_page_its_look(page: Page, serve: Callable[..., str], tmp_path: Path) -> None:
    """Streamlit keeps styles where it keeps dialogs: a fragment's dialog takes the place of a later style."""
    workspace = Workspace.open(tmp_path / "workspace")
    build_small(workspace, tmp_path / "small")
    page.goto(f"{serve(workspace=workspace.root)}/train")
    page.get_by_role("button", name="Search", exact=True).click(timeout=60_000)
    expect(page.get_by_role("dialog")).to_contain_text("Search for better settings")
    for style in (".h-status {", ".t-job {", ".h-figures"):
        page.wait_for_function(
            f"[...document.querySelectorAll('style')].some(s => s.textContent.includes('{style}'))"
        )


def test_nothing_is_asked_of_the_world(page: Page, address: str) -> None:
    """Fonts, scripts and pictures come from this machine."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    open_page(page, address, "Predict")
    page.wait_for_timeout(500)
    foreign = [
        url for url in asked if not url.startswith((address, address.replace("http", "ws"), "data:", "blob:"))
    ]
    assert foreign == []


def test_text_is_legible_in_both_themes(chromium: Browser, address: str) -> None:
    """Every text of the frame has a contrast of at least 4.5 to what lies behind it (WCAG AA)."""
    for theme in ("Dark", "Light"):
        context = chromium.new_context(viewport={"width": 1440, "height": 900})
        context.add_init_script(f"localStorage.setItem('hilum.theme', '{theme}')")
        page = context.new_page()
        open_page(page, address)
        page.wait_for_timeout(800)
        for found in page.evaluate(CONTRASTS):
            assert found["ratio"] >= 4.5, f"{theme}: {found}"
        context.close()


CONTRASTS = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgb = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => {
    const part = (v) => (v / 255 <= 0.03928 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4);
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = rgb(getComputedStyle(at).backgroundColor);
      if (color[3] > 250) return color;
    }
    return [255, 255, 255, 255];
  };
  const wanted = [".h-header h1", ".h-header p", ".h-empty h2", ".h-empty p", ".h-status span", ".stButton p",
    "[data-testid=stTopNavLink] p"];
  return [...document.querySelectorAll(wanted.join())].filter((e) => e.textContent.trim()).map((element) => {
    const [ink, paper] = [light(rgb(getComputedStyle(element).color)), light(behind(element))];
    const ratio = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
    return { text: element.textContent.trim().slice(0, 40), ratio };
  });
}"""
