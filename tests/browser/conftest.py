"""A real Chromium and a real dashboard: each test opens pages as a user does.

The tests are skipped where no Chromium is found: HILUM_CHROMIUM, the system's, or Playwright's own.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("playwright.sync_api")
from playwright.sync_api import Browser, Error, Page, expect, sync_playwright  # noqa: E402

from tests.serving import APP, serving  # noqa: E402

ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def find_chromium(own: str) -> str | None:
    """Return a Chromium's path: HILUM_CHROMIUM, the system's, or `own` (Playwright's), or None."""
    named = os.environ.get("HILUM_CHROMIUM")
    candidates = [named, *(shutil.which(name) for name in NAMES), own]
    return next((path for path in candidates if path and Path(path).exists()), None)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One browser for the whole session."""
    with sync_playwright() as playwright:
        path = find_chromium(playwright.chromium.executable_path)
        if path is None:
            pytest.skip("no Chromium found; name one with HILUM_CHROMIUM")
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Page]:
    """A fresh tab on a common laptop's screen, as a user who has never been here.

    The system is dark: on a light one the first visit is loaded twice (test_shell.py), and what a test clicks
    or types before the second time is lost. Where the test fails, what was on
    the screen is kept as a picture and named in the report.
    """
    context = chromium.new_context(
        viewport={"width": 1440, "height": 900}, accept_downloads=True, color_scheme="dark"
    )
    context.set_default_timeout(20_000)
    tab = context.new_page()
    failed_before = request.session.testsfailed
    yield tab
    if request.session.testsfailed > failed_before:
        with contextlib.suppress(Error):
            tab.screenshot(path=tmp_path / "failed.png")
            print(f"The page as it failed: {tmp_path / 'failed.png'}")
    context.close()


@pytest.fixture(scope="session")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., str]]:
    """Start a script (default: the dashboard) over a workspace (default: an empty one), give its address."""
    with contextlib.ExitStack() as stack:

        def start(script: Path = APP, workspace: Path | None = None) -> str:
            folder = workspace or tmp_path_factory.mktemp("browser") / "workspace"
            return stack.enter_context(serving(script, folder))

        yield start


def press_slider(page: Page, name: str, *, until: str, times: int = 1) -> None:
    """Move a slider to the right by `times` keys, until a text is seen."""
    page.get_by_role("slider", name=name).focus()
    for _ in range(times):
        page.keyboard.press("ArrowRight")
    expect(page.get_by_text(until)).to_be_visible()
