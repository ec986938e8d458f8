"""The Preprocess page as a browser sees it: seconds from a moved slider to its new picture.

Slices are phantoms of 512 x 512. Each figure is the median of several moves, each to a value that the page
has not seen, so nothing comes from a cache. Beside it stands what the recipe alone takes on a slice in the
same run. Without a Chromium there is nothing to measure.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
from playwright.sync_api import Page

from pipeline.data.index import build_index
from pipeline.data.phantom.writing import write_phantoms
from pipeline.preprocessing.apply import preprocess_slice
from pipeline.preprocessing.recipe import PRESETS
from pipeline.workspace import Workspace
from tests.benchmarks.bench_explore import _browser, _figure, _settle
from tests.serving import HOME, serving

MOVES = 7


def run(moves: int = MOVES) -> list[dict[str, Any]]:
    """Return seconds of the page on a folder of phantoms."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace.open(Path(folder) / "workspace")
        write_phantoms(Path(folder) / "phantoms", seeds=range(8), slices=6)
        build_index(workspace, Path(folder) / "phantoms", name="phantoms")
        alone = _alone(next((Path(folder) / "phantoms" / "pCT").glob("*.png")))
        with serving(HOME / "dashboard" / "app.py", workspace.root) as address, _browser() as page:
            page.goto(f"{address}/?dataset=phantoms")  # the first page of a process loads the libraries
            page.locator(".h-tile").first.wait_for()
            first = _seconds(lambda: _open(page, f"{address}/preprocess?dataset=phantoms"))
            picture = _slider(page, "Erosion (radius, pixels)", moves, _until_picture_changes)
            many = _many(page)
    peer = f"all stages alone: {alone:.4f} s"
    return [
        _named("page opened", first),
        _named("slider moved to its new picture", picture, peer, alone),
        _named("24 slices, first time", many),
    ]


def _named(figure: str, value: float, peer: str = "", beside: float | None = None) -> dict[str, Any]:
    row = _figure(figure, value, peer, beside)
    return row | {"figure": f"Preprocess: {figure}"}


def _alone(path: Path) -> float:
    image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if image is None:
        raise RuntimeError(f"{path} cannot be read")
    recipe = PRESETS["hilum"]
    times = [_seconds(lambda: preprocess_slice(image, intensity="grey", recipe=recipe)) for _ in range(MOVES)]
    return statistics.median(times)


def _open(page: Page, address: str) -> None:
    page.goto(address)
    page.locator(".viewer[data-ready]").first.wait_for()


def _slider(
    page: Page, name: str, moves: int, until_changed: Callable[[Page, Callable[[], None]], float]
) -> float:
    slider = page.get_by_role("slider", name=name)
    slider.focus()
    taken = []
    for _ in range(moves):
        _settle(page)
        taken.append(until_changed(page, lambda: page.keyboard.press("ArrowRight")))
    return statistics.median(taken)


# Timed in the browser, from the key to the frame that shows the change: a poll from here would add its own.
_WATCH = """(element, selector) => {
  const root = element.getRootNode();  // the viewer's own, or the page
  const shown = () => {
    const part = root.querySelectorAll(selector.query)[selector.nth];
    return part instanceof HTMLCanvasElement ? part.toDataURL() : part?.innerText;
  };
  const before = shown();
  window.changed = new Promise((resolve) => {
    window.addEventListener("keydown", () => {
      const began = performance.now();
      const look = () => {
        const now = performance.now();
        if (shown() !== before) resolve((now - began) / 1000);
        else if (now - began > 20000) resolve(null);
        else requestAnimationFrame(look);
      };
      requestAnimationFrame(look);
    }, { once: true, capture: true });
  });
}"""


def _watched(page: Page, query: str, nth: int, act: Callable[[], None]) -> float:
    page.locator(query).first.evaluate(_WATCH, {"query": query, "nth": nth})
    act()
    seconds = page.evaluate("window.changed")
    if seconds is None:
        raise RuntimeError(f"{query} did not change within 20 s")
    return float(seconds)


def _until_picture_changes(page: Page, act: Callable[[], None]) -> float:
    return _watched(page, ".viewer canvas", 2, act)  # the erosion's picture


def _many(page: Page) -> float:
    _settle(page)

    def show() -> None:
        page.get_by_text("Many slices", exact=True).click()
        page.locator(".gallery[data-ready]").wait_for()

    return _seconds(show)


def _seconds(act: Callable[[], Any]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


if __name__ == "__main__":
    for line in run():
        print(f"{line['figure']:60} {line['value']:8.3f} s  {line['peer']}")
