"""The main job from end to end, as a user does it: look, tune, train, read a slice, record the reading."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from pipeline.data.index import build_index
from pipeline.data.phantom import write_phantoms
from pipeline.data.splits import make_split
from pipeline.workspace import Workspace

pytestmark = [pytest.mark.browser, pytest.mark.slow]

NAME = "phantoms"
TRAINING_SECONDS = 240  # on a small machine that does other things too


@pytest.fixture(scope="module")
def workspace_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with sixteen synthetic patients, indexed and split."""
    workspace = Workspace.open(tmp_path_factory.mktemp("main-job") / "workspace")
    folder = workspace.root / "phantoms"
    written = write_phantoms(folder, seeds=range(3000, 3016), slices=4, dicom_patients=2, processes=1)
    build_index(workspace, written.folder, name=NAME, labels_csv=written.labels_csv)
    make_split(workspace, NAME)
    return workspace.root


@pytest.fixture(scope="module")
def address(serve: Callable[..., str], workspace_root: Path) -> str:
    return serve(workspace=workspace_root)


def visit(page: Page, name: str) -> None:
    """Go to a page by the bar on top and wait until it is drawn."""
    page.get_by_test_id("stTopNavLink").filter(has_text=name).click()
    expect(page.locator(".h-header h1")).to_have_text(name)
    settle(page)


def settle(page: Page) -> None:
    """Wait until the script has run and nothing went wrong."""
    expect(page.get_by_test_id("stStatusWidgetRunningIcon")).to_have_count(0, timeout=60_000)
    expect(page.get_by_test_id("stException")).to_have_count(0)
    expect(page.get_by_test_id("stAlertContentError")).to_have_count(0)


def choose(page: Page, label: str, option: str) -> None:
    """Pick an option of the choice called `label`."""
    page.get_by_test_id("stSelectbox").filter(has_text=label).get_by_role("combobox").click()
    page.get_by_role("option", name=option, exact=True).click()
    settle(page)


# How many points the charts' curves have; Plotly keeps long ones packed.
CURVE_LENGTH = """[...document.querySelectorAll(".js-plotly-plot")].flatMap((plot) => plot.data)
    .reduce((sum, trace) => sum + ((trace.x?._inputArray || trace.x)?.length || 0), 0)"""


def train_two_epochs(page: Page) -> None:
    """Launch a small training, watch its curve grow, wait for its end."""
    visit(page, "Train")
    choose(page, "Image size", "96 px")
    choose(page, "Batch size", "8")
    page.get_by_label("Epochs, at most").fill("2")
    page.keyboard.press("Enter")
    settle(page)
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.get_by_text("running", exact=True).first).to_be_visible(timeout=TRAINING_SECONDS * 1000)
    page.wait_for_function("document.querySelector('.js-plotly-plot')", timeout=TRAINING_SECONDS * 1000)
    early = page.evaluate(CURVE_LENGTH)
    page.wait_for_function(f"{CURVE_LENGTH} > {early}", timeout=TRAINING_SECONDS * 1000)
    expect(page.get_by_text("finished", exact=True).first).to_be_visible(timeout=TRAINING_SECONDS * 1000)


def test_the_main_job(page: Page, address: str) -> None:
    page.goto(address)
    train_two_epochs(page)
