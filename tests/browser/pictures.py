"""`make pictures`: README's pictures, one a page, of the demo's phantoms.

    python -m tests.browser.pictures OUT [--workspace DIR]

The demo is built in a folder of its own, which takes a minute or two; `--workspace` names one that has it,
and a copy of that is used. A real browser opens each page in a telling state and saves `OUT/<page>.png`.
"""

from __future__ import annotations

import argparse
import io
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

from pipeline.data.index import load_index
from pipeline.data.reading import load_slice
from pipeline.evaluation.evaluate import load_part
from pipeline.inference.drawn import unlike_drawn
from pipeline.review.worklist import build_worklist, reading_slices
from pipeline.runs import RunInfo, RunStore
from pipeline.workspace import Workspace
from tests.browser.conftest import ARGUMENTS, find_chromium
from tests.serving import HOME, serving

SIZE = {"width": 1440, "height": 900}
MOST_BYTES = 150 * 1024
DATASET = RUN = "demo"
PATIENCE = 120_000  # milliseconds: small machines are slow at first
# Where the demo lay on this machine tells a reader nothing.
HIDE_PATH = """addEventListener("DOMContentLoaded", () => document.head.insertAdjacentHTML(
    "beforeend", "<style>.h-status-path { visibility: hidden }</style>"))"""
# Shown where nothing more is to come: no script runs, no chart is a grey bar, every picture is decoded.
DRAWN = """() => !document.querySelector("[data-testid=stStatusWidgetRunningIcon], [data-testid=stSkeleton]")
    && document.fonts.status === "loaded"
    && [...document.images].every((image) => image.complete)
    && [...document.querySelectorAll(".viewer")].every((viewer) => viewer.dataset.ready)
    && [...document.querySelectorAll("[data-testid=stPlotlyChart]")].every(
        (chart) => chart.querySelector(".main-svg"))"""


def main(words: list[str]) -> int:
    """Take the pictures; return 1 where one of them is larger than README should carry."""
    parser = argparse.ArgumentParser(prog="python -m tests.browser.pictures", description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--workspace", type=Path, help="one that has the demo; it is copied")
    asked = parser.parse_args(words)
    expect.set_options(timeout=PATIENCE)
    asked.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="hilum-pictures-") as folder:
        root = Path(folder) / "workspace"
        if asked.workspace:
            shutil.copytree(asked.workspace, root)
        else:
            command = [sys.executable, "-m", "pipeline", "--workspace", str(root), "demo"]
            subprocess.run(command, cwd=HOME, check=True)
        with serving(HOME / "dashboard" / "app.py", root) as address:
            return take_pictures(address, Workspace.open(root), asked.out)


def take_pictures(address: str, workspace: Workspace, out: Path) -> int:
    """Open each page at `address` and save its picture in `out`; return 1 where one is too large."""
    run = RunStore(workspace).find(RUN)
    positives = find_positives(workspace, run)
    too_large = False
    with sync_playwright() as playwright:
        path = find_chromium(playwright.chromium.executable_path)
        if path is None:
            raise SystemExit("No Chromium found; name one with HILUM_CHROMIUM.")
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        for name, show in PAGES.items():
            page = browser.new_page(viewport=SIZE)
            page.set_default_timeout(PATIENCE)
            page.add_init_script(HIDE_PATH)
            show(page, address, run, positives)
            settle(page)
            data = compact(page.screenshot())
            (out / f"{name}.png").write_bytes(data)
            print(f"{out / f'{name}.png'}: {len(data) / 1024:.0f} KiB")
            too_large |= len(data) > MOST_BYTES
            page.close()
        browser.close()
    return int(too_large)


def find_positives(workspace: Workspace, run: RunInfo) -> list[str]:
    """Return positive test slices that the model finds and lets in, those with the largest lesions first."""
    table = load_part(workspace, run, "test").table
    found = table[(table["y_true"] == "positive") & (table["y_pred"] == "positive")]
    index = load_index(workspace, DATASET).set_index("slice_id").loc[found["slice_id"]]
    ranked = index.assign(area=index["lesion_area_mm2"].astype(float))
    ranked = ranked.sort_values("area", ascending=False, kind="stable")
    drawn = [not unlike_drawn(load_slice(workspace, DATASET, row)) for _, row in ranked.iterrows()]
    return [str(slice_id) for slice_id in ranked.index[drawn]]


def settle(page: Page) -> None:
    """Wait until a page is drawn to the end, and take the pointer off it."""
    expect(page.locator(".h-header h1")).to_be_visible()
    page.mouse.move(SIZE["width"] / 2, 1)
    page.wait_for_function(DRAWN, timeout=PATIENCE)
    page.wait_for_timeout(700)  # a new element fades in
    page.wait_for_function(DRAWN, timeout=PATIENCE)


def compact(screenshot: bytes) -> bytes:
    """Return a screenshot as a PNG with a palette, narrower where README could not carry it otherwise."""
    image = Image.open(io.BytesIO(screenshot)).convert("RGB")
    data = b""
    for width, greys in ((1440, 64), (1152, 64), (1152, 32), (1024, 32)):
        scaled = image.resize((width, width * SIZE["height"] // SIZE["width"]), Image.Resampling.LANCZOS)
        saved = io.BytesIO()
        quantised = scaled.quantize(palette=_palette(scaled, greys), dither=Image.Dither.NONE)
        quantised.save(saved, "PNG", optimize=True)
        data = saved.getvalue()
        if len(data) <= MOST_BYTES:
            break
    return data


def _palette(image: Image.Image, greys: int) -> Image.Image:
    """Return 256 colours: the commonest and the vivid as they are, greys for slices, the rest for all others.

    By pixels alone, the greys of a slice would leave no colour for classes and heat.
    """
    colors, counts = np.unique(np.asarray(image).reshape(-1, 3), axis=0, return_counts=True)
    colors = colors[np.argsort(-counts, kind="stable")]
    vivid = colors[np.ptp(colors.astype(int), axis=1) > 90]  # classes, warnings, the ends of colour bars
    common = np.concatenate([colors[:32], vivid[:40]])
    levels = np.linspace(0, 255, greys).astype(np.uint8)[:, None].repeat(3, axis=1)
    tinted = colors[np.ptp(colors.astype(int), axis=1) > 8]
    rest = 256 - len(common) - greys
    shared = Image.fromarray(tinted[None]).quantize(rest, method=Image.Quantize.MEDIANCUT).getpalette()
    palette = Image.new("P", (1, 1))
    palette.putpalette([*common.ravel().tolist(), *levels.ravel().tolist(), *(shared or [])[: 3 * rest]])
    return palette


def show_explore(page: Page, address: str, run: RunInfo, positives: list[str]) -> None:
    """Show the overview."""
    page.goto(f"{address}/explore?dataset={DATASET}")
    expect(page.locator(".h-means figure").first).to_be_visible()


def show_preprocess(page: Page, address: str, run: RunInfo, positives: list[str]) -> None:
    """Show every stage of a positive slice."""
    page.goto(f"{address}/preprocess?dataset={DATASET}&slice={positives[0]}")
    expect(page.locator(".viewer[data-ready]")).to_be_visible()


def show_train(page: Page, address: str, run: RunInfo, positives: list[str]) -> None:
    """Show how the demo's model learned."""
    page.goto(f"{address}/train?dataset={DATASET}&run={run.id}")
    expect(page.locator(".js-plotly-plot")).to_have_count(2)


def show_evaluate(page: Page, address: str, run: RunInfo, positives: list[str]) -> None:
    """Open the test part and show the end of the verdict, the confusion matrix and the report."""
    page.goto(f"{address}/evaluate?run={run.id}&data=test")
    page.get_by_role("button", name="Open the test part").click()
    expect(page.locator(".js-plotly-plot .annotation-text").first).to_be_visible()
    page.mouse.move(SIZE["width"] / 2, SIZE["height"] / 2)
    page.mouse.wheel(0, 295)


def show_predict(page: Page, address: str, run: RunInfo, positives: list[str]) -> None:
    """Show a positive slice with what speaks for it."""
    page.goto(f"{address}/predict?dataset={DATASET}&run={run.id}&slice={positives[0]}")
    expect(page.locator(".p-answer h3")).to_have_text("positive")


def show_review(page: Page, address: str, run: RunInfo, positives: list[str]) -> None:
    """Read a positive slice blind, and show the model's opinion beside it."""
    telling = set(positives[: max(1, len(positives) // 4)])
    ids = reading_slices(run)["slice_id"]
    seed = next(seed for seed in range(1000) if build_worklist(ids, seed=seed, size=1)[0] in telling)
    page.goto(f"{address}/review?run={run.id}")
    page.get_by_label("Your name or code").fill("Reader A")
    page.get_by_label("Order", exact=True).fill(str(seed))
    page.get_by_role("button", name="Begin").click()
    expect(page.get_by_text("What do you see?")).to_be_visible()
    settle(page)
    page.get_by_role("button", name="positive").click()
    expect(page.get_by_text("Your final label")).to_be_visible()


Show = Callable[[Page, str, RunInfo, list[str]], None]
PAGES: dict[str, Show] = {
    "explore": show_explore,
    "preprocess": show_preprocess,
    "train": show_train,
    "evaluate": show_evaluate,
    "predict": show_predict,
    "review": show_review,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
