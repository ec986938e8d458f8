"""The viewer in a real browser: what is drawn, what is read out, and that nothing runs the page again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

pytestmark = pytest.mark.browser

SIZE = 64  # of the pictures on viewer_page.py
SCRIPT = Path(__file__).with_name("viewer_page.py")


@pytest.fixture(scope="module")
def address(serve: Callable[..., str]) -> str:
    return serve(SCRIPT)


@pytest.fixture
def shown(page: Page, address: str) -> Page:
    """The page with the viewer drawn."""
    page.goto(address)
    expect(page.locator(".viewer[data-ready]")).to_have_count(2)
    expect(page.locator(".gallery[data-ready]")).to_have_count(1)
    page.wait_for_timeout(200)
    return page


def main_viewer(page: Page) -> Locator:
    """The viewer with three panels."""
    return page.locator(".viewer").first


def series(page: Page) -> Locator:
    """The second viewer, whose slice is one of a series."""
    return page.locator(".viewer").nth(1)


def stage(page: Page, index: int = 0) -> Locator:
    return page.locator(".viewer .stage").nth(index)


def place(page: Page, row: float, column: float, index: int = 0) -> tuple[float, float]:
    """Return the screen's place of the middle of a pixel, where the picture is fitted."""
    box = stage(page, index).bounding_box()
    assert box is not None
    side = min(box["width"], box["height"])
    left, top = box["x"] + (box["width"] - side) / 2, box["y"] + (box["height"] - side) / 2
    return left + (column + 0.5) * side / SIZE, top + (row + 0.5) * side / SIZE


def hover(page: Page, row: float, column: float, index: int = 0) -> None:
    page.mouse.move(*place(page, row, column, index))
    page.wait_for_timeout(80)


def readout(page: Page, index: int = 0) -> str:
    return stage(page, index).locator(".readout").inner_text()


def color_at(page: Page, row: float, column: float, index: int = 0) -> list[int]:
    """Return the canvas's RGB at the middle of a pixel of the fitted picture."""
    x, y = place(page, row, column, index)
    box = stage(page, index).bounding_box()
    assert box is not None
    script = """(canvas, [x, y]) => {
        const ratio = canvas.width / canvas.clientWidth;
        return [...canvas.getContext("2d").getImageData(x * ratio, y * ratio, 1, 1).data].slice(0, 3);
    }"""
    return stage(page, index).locator("canvas").evaluate(script, [x - box["x"], y - box["y"]])


def runs(page: Page) -> str:
    return page.get_by_text("runs ").inner_text()


def zoom(page: Page) -> float:
    return float(page.locator(".viewer").first.get_attribute("data-zoom") or "nan")


def press(page: Page, key: str) -> None:
    page.keyboard.press(key)
    page.wait_for_timeout(80)


def test_the_value_under_the_cursor_is_exact_on_every_linked_panel(shown: Page) -> None:
    for row, column in ((0, 0), (10, 50), (63, 63), (40, 7)):
        hover(shown, row, column)
        value = f"{20 * row + column - 1000} HU".replace("-", "\u2212")
        assert f"row {row}  col {column}" in readout(shown)
        assert value in readout(shown)
        assert f"{column / 2:.1f}, {row / 2:.1f} mm" in readout(shown)
        assert f"grey {2 * row + column}" in readout(shown, 1)
        heat = float(readout(shown, 1).split("heat ")[1].replace("\u2212", "-"))
        assert heat == pytest.approx((column - row) / 10, abs=2e-4)
        assert ("mask" in readout(shown, 2)) == (row > 31)


def test_the_window_is_drawn_as_the_formula_says(shown: Page) -> None:
    """grey = 255 * clip((HU - (centre - width / 2)) / width), before and after a preset."""

    def expected(row: int, column: int, center: float, width: float) -> float:
        share = (20 * row + column - 1000 - (center - width / 2)) / width
        return 255 * min(1.0, max(0.0, share))

    hover(shown, 30, 30)
    press(shown, "n")  # the pixels as they are, so that the middle of one is its own colour
    before = runs(shown)
    for row, column in ((5, 5), (30, 30), (50, 12)):
        assert color_at(shown, row, column)[0] == pytest.approx(expected(row, column, -400, 1200), abs=1.01)
    main_viewer(shown).get_by_label("Window", exact=True).select_option(label="Soft tissue")
    shown.wait_for_timeout(100)
    for row, column in ((5, 5), (52, 30), (60, 12)):
        assert color_at(shown, row, column)[0] == pytest.approx(expected(row, column, 40, 400), abs=1.01)
    assert runs(shown) == before


def test_dragging_with_shift_changes_the_window_and_nothing_else(shown: Page) -> None:
    hover(shown, 30, 30)
    press(shown, "n")
    before, count = color_at(shown, 30, 30), runs(shown)
    shown.mouse.move(*place(shown, 30, 30))
    shown.keyboard.down("Shift")
    shown.mouse.down()
    x, y = place(shown, 30, 30)
    shown.mouse.move(x + 60, y - 40, steps=6)
    shown.mouse.up()
    shown.keyboard.up("Shift")
    shown.wait_for_timeout(100)
    assert color_at(shown, 30, 30) != before
    assert zoom(shown) == 1
    assert runs(shown) == count
    assert "clicked" not in shown.content()


def test_the_wheel_zooms_about_the_cursor_on_all_panels_and_dragging_moves_them(shown: Page) -> None:
    hover(shown, 20, 40)
    shown.mouse.wheel(0, -240)
    shown.mouse.wheel(0, -240)
    shown.wait_for_timeout(150)
    assert zoom(shown) > 2
    assert "row 20  col 40" in readout(shown), "the pixel under the cursor stays under it"
    assert "row 20  col 40" in readout(shown, 2), "the others look at the same place"
    x, y = place(shown, 20, 40)
    shown.mouse.down()
    shown.mouse.move(x - 60, y + 50, steps=5)
    shown.mouse.up()
    shown.wait_for_timeout(150)
    assert "row 20  col 40" in readout(shown), "the picture goes with the hand"
    shown.mouse.wheel(0, 240)
    shown.mouse.wheel(0, 240)
    shown.wait_for_timeout(150)
    assert zoom(shown) == 1
    assert runs(shown) == "runs 1"


def test_keys_do_what_the_help_says(shown: Page) -> None:
    hover(shown, 30, 30)
    press(shown, "n")
    before = color_at(shown, 30, 30)
    press(shown, "i")
    assert color_at(shown, 30, 30) == [255 - value for value in before]
    press(shown, "r")
    press(shown, "n")
    assert color_at(shown, 30, 30) == before
    edge = color_at(shown, 16, 30)
    assert edge[1] > edge[0] + 60, "the outline is green"
    press(shown, "o")
    assert len(set(color_at(shown, 16, 30))) == 1
    warm = color_at(shown, 5, 60, 1)
    assert warm[0] > warm[2] + 20, "positive heat is red"
    press(shown, "c")
    assert len(set(color_at(shown, 5, 60, 1))) == 1, "between two contours the picture is free"
    line = color_at(shown, 5, 56, 1)  # four fifths of the scale are passed here
    assert line[0] > line[2] + 20
    press(shown, "c")
    press(shown, "h")
    assert len(set(color_at(shown, 5, 60, 1))) == 1
    press(shown, "+")
    assert zoom(shown) == pytest.approx(1.25)
    press(shown, "f")
    assert zoom(shown) == 1
    press(shown, "?")
    expect(shown.locator(".help")).to_contain_text("window presets")
    press(shown, "Escape")
    expect(shown.locator(".help")).to_have_count(0)
    assert runs(shown) == "runs 1"


def test_swipe_shows_the_picture_on_one_side_and_the_overlay_on_the_other(shown: Page) -> None:
    hover(shown, 50, 50, 2)
    press(shown, "s")
    left, right = color_at(shown, 55, 5, 2), color_at(shown, 55, 60, 2)
    assert len(set(left)) == 1
    assert right[0] > right[1] + 30
    x, y = place(shown, 50, 31.5, 2)
    shown.mouse.move(x, y)
    shown.mouse.down()
    shown.mouse.move(x - 150, y, steps=5)
    shown.mouse.up()
    shown.wait_for_timeout(100)
    moved = color_at(shown, 55, 20, 2)
    assert moved[0] > moved[1] + 30


def test_a_series_is_gone_through_by_wheel_keys_and_strip(shown: Page) -> None:
    place = series(shown).locator(".place")
    expect(place).to_have_text("4 / 20  -15 mm")
    series(shown).locator(".stage").hover()
    shown.mouse.wheel(0, 60)
    expect(place).to_have_text("5 / 20  -20 mm")
    shown.keyboard.press("PageDown")
    expect(place).to_have_text("15 / 20  -70 mm")
    shown.keyboard.press("ArrowUp")
    expect(place).to_have_text("14 / 20  -65 mm")
    shown.keyboard.press("Home")
    expect(place).to_have_text("1 / 20  0 mm")
    series(shown).get_by_label("Slice of the series").fill("19")
    expect(place).to_have_text("20 / 20  -95 mm")
    assert series(shown).get_attribute("data-zoom") == "1.0000"


def test_many_turns_of_the_wheel_at_once_end_at_the_last_one(shown: Page) -> None:
    series(shown).locator(".stage").hover()
    for _ in range(9):
        shown.mouse.wheel(0, 60)
    expect(series(shown).locator(".place")).to_have_text("13 / 20  -60 mm")


def test_with_ctrl_the_wheel_zooms_into_a_series(shown: Page) -> None:
    series(shown).locator(".stage").hover()
    shown.keyboard.down("Control")
    shown.mouse.wheel(0, -240)
    shown.keyboard.up("Control")
    shown.wait_for_timeout(150)
    assert float(series(shown).get_attribute("data-zoom") or 1) > 1.3
    expect(series(shown).locator(".place")).to_have_text("4 / 20  -15 mm")


def test_the_stored_window_and_the_sides_of_the_body_are_offered(shown: Page) -> None:
    choice = series(shown).get_by_label("Window", exact=True)
    assert choice.locator("option").all_inner_texts()[1] == "As stored"
    choice.select_option(label="As stored")
    expect(series(shown).locator(".slider", has_text="Width").locator(".value")).to_have_text("1400")
    yellow = """canvas => {
        const {width, height} = canvas;
        const data = canvas.getContext("2d").getImageData(0, 0, width, height).data;
        const found = new Set();
        for (let at = 0; at < data.length; at += 4) {
            if (data[at] < 200 || data[at + 2] > 110) continue;
            const [x, y] = [(at / 4) % width, Math.floor(at / 4 / width)];
            found.add(x < 30 ? "left" : x > width - 30 ? "right" : y < 30 ? "top" : "bottom");
        }
        return [...found].sort();
    }"""
    marks = series(shown).locator("canvas").evaluate(yellow)
    assert marks == ["bottom", "left", "right", "top"]


def test_every_drag_sets_the_window_once_that_is_chosen(shown: Page) -> None:
    hover(shown, 30, 30)
    press(shown, "w")
    width = main_viewer(shown).locator(".slider", has_text="Width").locator(".value")
    before = width.inner_text()
    x, y = place(shown, 30, 30)
    shown.mouse.down()
    shown.mouse.move(x + 80, y, steps=6)
    shown.mouse.up()
    shown.wait_for_timeout(100)
    assert int(width.inner_text()) > int(before)
    press(shown, "r")
    expect(width).to_have_text(before)


def test_the_users_place_survives_new_data_and_a_new_subject_keeps_the_window(shown: Page) -> None:
    hover(shown, 20, 40)
    press(shown, "2")  # the soft tissue window
    shown.mouse.wheel(0, -240)
    shown.wait_for_timeout(100)
    kept = zoom(shown)
    assert kept > 1
    shown.get_by_label("Offset").fill("7")
    shown.keyboard.press("Enter")
    expect(shown.get_by_text("runs 2")).to_be_visible()
    shown.wait_for_timeout(300)
    hover(shown, 20, 40)
    assert f"{20 * 20 + 40 - 1000 + 7} HU".replace("-", "\u2212") in readout(shown), "the new data is shown"
    assert zoom(shown) == kept
    shown.get_by_label("Subject").fill("b")
    shown.keyboard.press("Enter")
    expect(shown.get_by_text("runs 3")).to_be_visible()
    shown.wait_for_timeout(300)
    assert zoom(shown) == 1
    expect(main_viewer(shown).locator(".slider", has_text="Width").locator(".value")).to_have_text("400")


def test_a_click_and_a_step_reach_python_once(shown: Page) -> None:
    shown.mouse.click(*place(shown, 12, 34))
    expect(shown.get_by_text("clicked Slice 12 34")).to_be_visible()
    hover(shown, 30, 30)
    shown.keyboard.press("ArrowRight")
    expect(shown.get_by_text("step 1")).to_be_visible()
    expect(shown.get_by_text("clicked Slice")).to_have_count(0)
    shown.get_by_role("button", name="Run again").click()
    expect(shown.get_by_text("step 1")).to_have_count(0)


def test_saving_gives_a_picture_with_the_notice(shown: Page, tmp_path: Path) -> None:
    with shown.expect_download() as download:
        main_viewer(shown).locator("[data-tool='save']").click()
    path = tmp_path / "saved.png"
    download.value.save_as(path)
    picture = cv2.imread(str(path))
    box = stage(shown).bounding_box()
    assert picture is not None and box is not None
    assert picture.shape[0] == pytest.approx(box["height"] + 24 + 22, abs=2)
    foot = picture[-20:].astype(int)
    assert np.abs(foot - foot[0, 0]).max() > 60, "something is written at the foot"


def test_damaged_data_shows_a_sentence(shown: Page) -> None:
    expect(shown.get_by_text("This picture could not be shown")).to_be_visible()


def test_the_gallery_picks_by_mouse_and_by_keys(shown: Page) -> None:
    cells = shown.locator(".gallery .cell")
    expect(cells).to_have_count(9)
    expect(cells.nth(1)).to_have_attribute("aria-selected", "true")
    expect(cells.nth(8)).to_contain_text("unreadable")
    assert cells.nth(3).locator("img").evaluate("image => image.naturalWidth") == SIZE
    cells.nth(3).click()
    expect(shown.get_by_text("picked 3")).to_be_visible()
    cells.nth(3).focus()
    shown.keyboard.press("ArrowRight")
    shown.keyboard.press("Enter")
    expect(shown.get_by_text("picked 4")).to_be_visible()
