"""A series on Predict in a browser: a click on the strip and the arrow keys open slices."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from pipeline.data.index import build_index
from pipeline.data.phantom.dicom_series import encode_dicom
from pipeline.runs import RunStore
from pipeline.workspace import Workspace
from tests import families
from tests.inference.conftest import patient

pytestmark = pytest.mark.browser


def make_home(folder: Path) -> Workspace:
    """A workspace with one series of six slices, and a small model."""
    for number, phantom in enumerate(patient()):
        path = folder / "slices" / f"IM{number}.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_dicom(phantom, instance=number + 1))
    workspace = Workspace.open(folder / "workspace")
    build_index(workspace, folder / "slices", name="wards")
    store = RunStore(workspace)
    run = store.create("small", {"dataset": "wards"}, {})
    shutil.copytree(families.engine_folder("ResNet50V2"), run.artifacts / "engine")
    store.finish(run.id)
    return workspace


def test_a_click_on_the_strip_and_the_arrow_keys_open_slices(
    page: Page, serve: Callable[..., str], tmp_path: Path
) -> None:
    address = serve(workspace=make_home(tmp_path).root)
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
