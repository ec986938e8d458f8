"""Taking an answer along from the Predict page, in a real browser: choose a kind, fetch the file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from pipeline.handing_on.bundle_reading import read_bundle
from tests.handing_on.conftest import make_home

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(serve: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> str:
    return serve(workspace=make_home(tmp_path_factory.mktemp("saving")).root)


def fetched(page: Page, title: str) -> Path:
    """Choose a kind of file in the open menu and fetch it."""
    page.get_by_test_id("stButtonGroup").locator("button", has_text=title).click()
    button = page.get_by_test_id("stDownloadButton").locator("button", has_text=title)
    expect(button).to_be_visible(timeout=60_000)
    with page.expect_download() as download:
        button.click()
    return Path(download.value.path())


def test_files_are_fetched_while_the_page_goes_on_drawing(page: Page, address: str) -> None:
    """The map's check draws its progress again and again meanwhile: what was made must not be forgotten."""
    page.goto(f"{address}/predict")
    expect(page.get_by_text("The model says")).to_be_visible(timeout=60_000)
    page.get_by_test_id("stPopover").get_by_role("button", name="Save").click()
    assert fetched(page, "Page (PDF)").read_bytes().startswith(b"%PDF-")
    assert read_bundle(fetched(page, "Bundle (ZIP)")).pixels is None
