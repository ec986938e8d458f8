"""The Preprocess page in a real browser: all stages in view, and a slider that changes them."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest
from playwright.sync_api import Page, expect

from pipeline.data.index import build_index
from pipeline.preprocessing.recipe import PRESETS, list_recipes, save_recipe
from pipeline.preprocessing.windowing import to_grey8
from pipeline.workspace import Workspace
from tests.browser.conftest import press_slider
from tests.preprocessing.conftest import draw_chest

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the slices and the workspace lie."""
    return tmp_path_factory.mktemp("preprocess")


@pytest.fixture(scope="module")
def address(serve: Callable[..., str], folder: Path) -> str:
    """The dashboard over a data set of two drawn chests."""
    slice_hu, _ = draw_chest(512)
    for label in ("pCT", "nCT"):
        (folder / "chests" / label).mkdir(parents=True)
        grey = to_grey8(slice_hu, intensity="hu", center=-600, width=1500)
        cv2.imwrite(str(folder / "chests" / label / f"{label}1.png"), grey)
    build_index(Workspace.open(folder / "workspace"), folder / "chests", name="chests")
    return serve(workspace=folder / "workspace")


@pytest.fixture
def shown(page: Page, address: str) -> Page:
    """The page with its stages drawn."""
    page.goto(f"{address}/preprocess?dataset=chests")
    expect(page.locator(".viewer[data-ready]")).to_have_count(1, timeout=20_000)
    page.wait_for_timeout(300)
    return page


def picture(page: Page, stage: int) -> str:
    """Return what a stage's canvas shows, as text to compare."""
    return str(page.locator(".viewer canvas").nth(stage).evaluate("canvas => canvas.toDataURL()"))


def test_all_stages_are_in_view_without_scrolling(shown: Page) -> None:
    titles = shown.locator(".viewer figcaption")
    expect(titles).to_have_count(8)
    assert [title.split("\n")[0].strip() for title in titles.all_inner_texts()][1:4] == [
        "Local threshold",
        "Erosion",
        "Closing",
    ]
    for number in range(8):
        box = shown.locator(".viewer canvas").nth(number).bounding_box()
        assert box is not None and box["y"] + box["height"] <= 900 - 26  # the status line's height
    expect(shown.get_by_text("Mask believed.")).to_be_visible()


def test_a_moved_slider_shows_its_picture_and_leaves_the_others(shown: Page) -> None:
    grey, eroded = picture(shown, 0), picture(shown, 2)
    press_slider(shown, "Erosion (radius, pixels)", times=4, until="1 change from hilum")
    until = time.monotonic() + 10
    while picture(shown, 2) == eroded and time.monotonic() < until:
        shown.wait_for_timeout(50)
    assert picture(shown, 2) != eroded
    assert picture(shown, 0) == grey


def test_a_slice_picked_among_many_is_shown_large(shown: Page) -> None:
    shown.get_by_text("Many slices", exact=True).click()
    expect(shown.locator(".gallery[data-ready]")).to_have_count(1, timeout=20_000)
    shown.locator(".gallery button").first.click()
    expect(shown.locator(".viewer[data-ready]")).to_have_count(1, timeout=20_000)


def test_arrow_keys_change_the_slice_and_a_slider_keeps_its_own(shown: Page) -> None:
    first = shown.url
    shown.keyboard.press("ArrowRight")
    shown.wait_for_function("before => location.href !== before", arg=first)
    second = shown.url
    press_slider(shown, "Closing (radius, pixels)", until="1 change from hilum")
    assert shown.url == second


def test_the_recipe_is_copied_with_one_click(shown: Page) -> None:
    shown.context.grant_permissions(["clipboard-read", "clipboard-write"])
    shown.get_by_role("button", name="Copy the recipe as JSON").click()
    expect(shown.locator("button[data-copied]")).to_have_count(1)
    assert '"closing_radius"' in shown.evaluate("navigator.clipboard.readText()")


def test_deleting_a_recipe_asks_for_each_and_does_not_stay_open(shown: Page, folder: Path) -> None:
    """With one recipe gone the next is chosen: a second click on the same spot must not delete that too."""
    recipes = Workspace.open(folder / "workspace").recipes
    for name in ("mine", "ours"):
        save_recipe(PRESETS["hilum"].changed(name=name, margin=9), recipes)
    shown.get_by_text("Recipe", exact=True).click()
    shown.get_by_role("combobox", name="Begin with").click()
    shown.get_by_role("option", name="ours").click()
    expect(shown.get_by_text("Changes from ours")).to_be_visible()
    shown.get_by_role("combobox", name="Recipe").click()
    shown.get_by_role("option", name="mine").click()
    expect(shown.locator(".st-key-prep-delete-mine")).to_have_count(1)
    shown.get_by_role("button", name="Delete").click()
    sure = shown.get_by_role("button", name="Delete it")
    expect(sure).to_be_visible()
    assert list_recipes(recipes) == ["mine", "ours"]
    sure.click()
    expect(shown.get_by_text("mine was deleted.")).to_be_visible()
    expect(sure).to_have_count(0)
    assert list_recipes(recipes) == ["ours"]
