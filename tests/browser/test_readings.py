"""What only a browser shows: a click on the confusion matrix, reading by keys with the pointer on a slice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pydicom.data
import pytest
from playwright.sync_api import Page, expect

from pipeline.data.index import build_index, load_index
from pipeline.review.readings import load_readings
from pipeline.review.store import ReviewStore
from pipeline.runs import RunStore
from pipeline.workspace import Workspace, atomic_write_json
from tests.evaluation.runs import make_run

pytestmark = pytest.mark.browser
CLASSES = ["negative", "positive"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Two runs: one with predictions, one whose test slices (a DICOM among them) wait for a reader."""
    folder = tmp_path_factory.mktemp("readings")
    slices = folder / "slices" / "nCT"
    slices.mkdir(parents=True)
    Path(slices / "a.dcm").write_bytes(Path(str(pydicom.data.get_testdata_file("CT_small.dcm"))).read_bytes())
    for number in range(3):
        picture = np.random.default_rng(number).integers(0, 255, (128, 128), np.uint8)
        cv2.imwrite(str(slices / f"{number}.png"), picture)
    workspace = Workspace.open(folder / "workspace")
    build_index(workspace, folder / "slices", name="wards", labels_csv=None)
    ids = load_index(workspace, "wards")["slice_id"].tolist()
    store = RunStore(workspace)
    run = store.create("reader", {"dataset": "wards"}, {})
    atomic_write_json(run.artifacts / "classes.json", CLASSES)
    table = {"slice_id": ids, "group": ids, "part": ["test"] * len(ids)}
    atomic_write_json(run.artifacts / "split.json", {"hash": "h", "dataset": "wards", "table": table})
    atomic_write_json(run.artifacts / "engine" / "engine.json", {"no": "engine"})
    store.finish(run.id)
    make_run(workspace, "first")
    return workspace


@pytest.fixture(scope="module")
def address(serve: Callable[..., str], home: Workspace) -> str:
    return serve(workspace=home.root)


def test_a_click_on_a_cell_chooses_its_slices(page: Page, address: str) -> None:
    page.set_viewport_size({"width": 1440, "height": 1500})
    page.goto(f"{address}/evaluate?run=first")
    numbers = page.locator(".js-plotly-plot .annotation-text")
    expect(numbers).to_have_count(9, timeout=60_000)
    box = numbers.nth(5).bounding_box()  # reference non-informative, called positive
    assert box is not None
    page.wait_for_timeout(500)
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page.get_by_role("combobox", name="Reference")).to_have_value("non-informative")
    expect(page.get_by_role("combobox", name="Called")).to_have_value("positive")


def test_a_list_is_read_by_keys_with_the_pointer_on_the_slice(
    page: Page, address: str, home: Workspace
) -> None:
    page.goto(f"{address}/review?run=reader")
    page.get_by_label("Your name or code").fill("Dr K")
    page.get_by_role("button", name="Begin").click()
    for number in range(4):
        expect(page.get_by_text("What do you see?")).to_be_visible()
        canvas = page.locator("canvas").first
        expect(canvas).to_be_visible()
        canvas.hover()  # the viewer takes the keys that it knows; digits are the page's
        page.wait_for_timeout(400)
        page.keyboard.press("2")
        expect(page.get_by_text("Your final label")).to_be_visible()
        if number == 0:
            page.get_by_label("Note").fill("2 of them, seen at 1 level")
            expect(page.get_by_text("Your final label")).to_be_visible()
            page.get_by_role("button", name="negative").click()
            continue
        canvas.hover()
        page.wait_for_timeout(400)
        page.keyboard.press("1")
    expect(page.get_by_text("All slices of this list are read")).to_be_visible()
    rows = load_readings(ReviewStore.of(home))
    assert rows["blind_label"].tolist() == ["positive"] * 4
    assert rows["final_label"].tolist() == ["negative"] * 4
    assert rows["note"].tolist()[0] == "2 of them, seen at 1 level"
    with page.expect_download() as download:
        page.get_by_role("tab", name="Readings").click()
        page.get_by_role("button", name="CSV", exact=True).click()
    assert "Research use only" in Path(download.value.path()).read_text()
