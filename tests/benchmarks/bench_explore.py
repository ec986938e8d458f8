"""The Explore page as a browser sees it: seconds from a click to what it shows, at 20,000 and a million rows.

The data is indexed beforehand, the page is opened once (a first visit pays for caches that stay), and each
figure is the median of several clicks. Without a Chromium there is nothing to measure.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from pipeline.data.datasets import load_index
from pipeline.data.index import build_index
from pipeline.data.slice_map import load_map
from pipeline.workspace import Workspace
from tests.benchmarks.bench_scale import write_made_up_index
from tests.benchmarks.hust19 import write_hust19
from tests.browser.conftest import ARGUMENTS, find_chromium
from tests.serving import HOME, serving

SLICES, ROWS = 20_000, 1_000_000
CLICKS = 5


def run(slices: int = SLICES, rows: int = ROWS) -> list[dict[str, Any]]:
    """Return seconds of the page on a folder of `slices` files and on a made-up index of `rows` rows."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace.open(Path(folder) / "workspace")
        write_hust19(Path(folder) / "slices", slices=slices)
        build_index(workspace, Path(folder) / "slices", name="files")
        write_made_up_index(workspace, "rows", rows)
        began = time.perf_counter()
        drawn = load_map(workspace, "files")
        figures = [_figure(f"map of {len(drawn.rows):,} slices, made", time.perf_counter() - began)]
        began = time.perf_counter()
        load_map(workspace, "files")
        figures.append(_figure("map, kept on disk", time.perf_counter() - began))
        began = time.perf_counter()
        load_index(workspace, "rows")
        read = time.perf_counter() - began
        with serving(HOME / "dashboard" / "app.py", workspace.root) as address, _browser() as page:
            figures += _measure(page, address, "files", slices)
            figures += _measure(
                page, address, "rows", rows, peer=f"its index read: {read:.2f} s", beside=read
            )
    return figures


@contextmanager
def _browser() -> Iterator[Page]:
    with sync_playwright() as playwright:
        path = find_chromium(playwright.chromium.executable_path)
        if path is None:
            raise SystemExit("no Chromium found; name one with HILUM_CHROMIUM")
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(60_000)
        yield page
        browser.close()


def _measure(
    page: Page, address: str, dataset: str, rows: int, *, peer: str = "", beside: float | None = None
) -> list[dict[str, Any]]:
    """Return the figures of one data set."""
    where, slow = f"{address}/?dataset={dataset}", f"{rows:,} rows"

    def opened() -> None:
        page.goto(where)
        page.locator(".h-tile").first.wait_for()
        page.locator("[class*=st-key-explore-balance-chart] .main-svg").first.wait_for()

    first = _seconds(opened)
    again = [_seconds(opened) for _ in range(CLICKS)]
    figures = [
        _figure(f"first visit, {slow}", first, peer, beside),
        _figure(f"overview, {slow}", statistics.median(again)),
        _figure(f"click from Train to Explore, {slow}", _clicked(page, f"{address}/train?dataset={dataset}")),
    ]
    _settle(page)
    tab = _seconds(lambda: _click(page, page.get_by_role("tab", name="Slices"), ".cell"))
    figures.append(_figure(f"Slices tab, {slow}", tab))
    figures.append(_figure(f"filter by class, {slow}", _toggled(page, "explore-labels")))
    figures.append(_figure(f"search, {slow}", _searched(page)))
    figures.append(_figure(f"sort by a statistic, {slow}", _sorted(page)))
    return figures


def _clicked(page: Page, train: str) -> float:
    """Return the seconds from a click on Explore, on another page, to its first chart."""

    def click() -> None:
        page.get_by_role("link", name="Explore").click()
        page.locator("[class*=st-key-explore-balance-chart] .main-svg").first.wait_for()

    taken = []
    for _ in range(CLICKS):
        page.goto(train)
        page.locator(".h-header h1", has_text="Train").wait_for()
        _settle(page)
        taken.append(_seconds(click))
    return statistics.median(taken)


def _toggled(page: Page, key: str) -> float:
    """Return the seconds until the count of slices follows a click on a class."""
    button = page.locator(f".st-key-{key} button").first
    return _median(page, lambda: _until_count_changes(page, button.click), times=6)


def _searched(page: Page) -> float:
    box = page.get_by_label("Search")
    words = iter(["1", "12", "2", ""])  # each leaves another number of slices

    def search() -> None:
        box.fill(next(words))
        box.press("Enter")

    return _median(page, lambda: _until_count_changes(page, search), times=4)


def _sorted(page: Page) -> float:
    """Return the seconds until the gallery follows a statistic that is chosen in the sort box."""
    box = page.locator(".st-key-explore-sort")
    taken = []
    for number in range(1, CLICKS + 1):  # 0 is the path
        _settle(page)
        box.get_by_role("combobox").click()
        choice = page.get_by_role("option").nth(number)
        choice.wait_for()
        taken.append(
            _seconds(lambda option=choice: _until_changes(page, ".gallery", "data-ready", option.click))
        )
    return statistics.median(taken)


def _until_count_changes(page: Page, act: Callable[[], Any]) -> None:
    before = page.locator(".st-key-explore-found .h-count").first.inner_text()
    act()
    page.wait_for_function(
        "before => { const now = document.querySelector('.st-key-explore-found .h-count');"
        " return now && now.innerText !== before; }",
        arg=before,
        polling=10,
    )


def _until_changes(page: Page, selector: str, name: str, act: Callable[[], Any]) -> None:
    place = page.locator(selector).first
    before = place.get_attribute(name)
    act()
    until = time.monotonic() + 60
    while place.get_attribute(name) == before and time.monotonic() < until:
        page.wait_for_timeout(5)


def _click(page: Page, what: Any, shows: str) -> None:
    what.click()
    page.locator(shows).first.wait_for()


def _median(page: Page, act: Callable[[], None], *, times: int = CLICKS) -> float:
    taken = []
    for _ in range(times):
        _settle(page)
        taken.append(_seconds(act))
    return statistics.median(taken)


def _settle(page: Page) -> None:
    """Wait until the page is no longer at work, so that a figure has nothing of the one before."""
    page.wait_for_timeout(150)
    page.wait_for_function("!document.querySelector('[data-testid=stStatusWidgetRunningIcon]')")


def _seconds(act: Callable[[], Any]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def _figure(figure: str, value: float, peer: str = "", beside: float | None = None) -> dict[str, Any]:
    row: dict[str, Any] = {"figure": f"Explore: {figure}", "value": value, "unit": "s", "peer": peer}
    return row if beside is None else row | {"ratio": value / beside}


if __name__ == "__main__":
    for line in run(*(int(each) for each in sys.argv[1:])):
        print(f"{line['figure']:60} {line['value']:8.3f} s  {line['peer']}")
