"""Explore as a clinician uses it: bring a folder, look at slices, read what is wrong, freeze a split."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from pipeline.data.index import build_index
from pipeline.data.splits import list_splits
from pipeline.workspace import Workspace

pytestmark = pytest.mark.browser
expect.set_options(timeout=30_000)  # small machines are slow at first


def write_slices(folder: Path) -> Path:
    """Write 60 smooth slices of 30 patients in two classes."""
    lines = ["path,label,patient_id"]
    for number in range(60):
        path = folder / ("pCT", "nCT")[number % 2] / f"{number:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(number).normal(size=(8, 8)).astype(np.float32)
        smooth = cv2.resize(noise, (256, 256), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(path), cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8))
        lines.append(f"{path.parent.name}/{path.name},{path.parent.name},P{number // 2}")
    (folder / "labels.csv").write_text("\n".join(lines))
    return folder


def draw_a_line(page: Page) -> None:
    """Draw around the left half of the scatter."""
    page.locator(".scatter[data-ready]").wait_for()
    box = page.locator(".scatter").bounding_box()
    assert box is not None
    left, top, middle, bottom = box["x"] + 4, box["y"] + 4, box["x"] + box["width"] / 2, box["y"] + 300
    page.mouse.move(left, top)
    page.mouse.down()
    for column, row in ((middle, top), (middle, bottom), (left, bottom), (left, top + 20)):
        page.mouse.move(column, row, steps=6)
    page.mouse.up()


def test_from_a_folder_to_a_frozen_split(page: Page, serve: Callable[..., str], tmp_path: Path) -> None:
    folder = write_slices(tmp_path / "my slices")
    workspace = Workspace.open(tmp_path / "workspace")
    page.goto(serve(workspace=workspace.root))
    expect(page.locator(".h-empty h2")).to_have_text("No data set yet")

    page.get_by_role("button", name="Add data").click()
    page.get_by_label("Folder").fill(str(folder))
    page.get_by_label("Folder").press("Enter")
    expect(page.get_by_text("It holds 2 folders (nCT, pCT)")).to_be_visible()
    page.get_by_role("button", name="Read it").click()
    expect(page.locator(".h-tile").first).to_contain_text("60")
    expect(page.locator(".h-means figure")).to_have_count(2)

    page.get_by_role("tab", name="Slices").click()
    expect(page.get_by_text("60 slices")).to_be_visible()
    page.locator(".gallery img").nth(2).click()
    expect(page.locator(".h-facts")).to_contain_text("nCT/05.png")
    assert "slice=" in page.url
    page.get_by_role("button", name="Next").first.click()
    expect(page.locator(".h-facts")).to_contain_text("nCT/07.png")

    page.get_by_text("Scatter", exact=True).click()
    draw_a_line(page)
    chip = page.get_by_role("button", name="Drawn on the map")
    expect(chip).to_be_visible()
    expect(page.get_by_text("60 slices of 60")).to_have_count(0)
    expect(page.locator("text=/^[1-5]?[0-9] slices? of 60$/")).to_be_visible()
    chip.click()
    expect(page.get_by_text("60 slices", exact=True)).to_be_visible()

    page.get_by_role("tab", name="Findings").click()
    expect(page.get_by_role("button", name="Audit this data set")).to_be_visible()

    page.get_by_role("tab", name="Split").click()
    page.get_by_role("button", name="Freeze this split").click()
    expect(page.get_by_text("This very split is frozen already")).to_be_visible()
    assert [split.group_by for split in list_splits(workspace, "my-slices")] == ["patient"]
    expect(page.get_by_test_id("stException")).to_have_count(0)


def test_a_line_around_sizes_leads_to_their_slices(
    page: Page, serve: Callable[..., str], tmp_path: Path
) -> None:
    for number in range(24):
        path = tmp_path / "sizes" / ("pCT", "nCT")[number % 2] / f"{number:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = np.random.default_rng(number).integers(0, 255, (64 + 8 * (number // 3), 64), np.uint8)
        cv2.imwrite(str(path), rows)
    workspace = Workspace.open(tmp_path / "workspace")
    build_index(workspace, tmp_path / "sizes", name="sizes")
    page.goto(serve(workspace=workspace.root))
    place = page.locator(".st-key-explore-sizes-scatter .scatter[data-ready]")
    place.scroll_into_view_if_needed()
    box = place.bounding_box()
    assert box is not None
    left, top, right, middle = box["x"] + 2, box["y"] + 2, box["x"] + box["width"] - 2, box["y"] + 110
    page.mouse.move(left, top)
    page.mouse.down()
    for column, row in ((right, top), (right, middle), (left, middle), (left, top + 10)):
        page.mouse.move(column, row, steps=6)
    page.mouse.up()
    expect(page.get_by_role("button", name="Drawn on Width and Height")).to_be_visible()
    expect(page.locator("text=/^(6|9|12|15) slices of 24$/")).to_be_visible()
