"""The main job from end to end, as a user does it: look, tune, train, read a slice, record the reading.

One test, since each step needs what the one before left behind: a folder becomes a data set, the data set a
split, the split a model, and the model an opinion beside a reader's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import ConsoleMessage, Locator, Page, expect

from pipeline.data.index import load_index
from pipeline.data.phantom import write_phantoms
from pipeline.data.splits import list_splits
from pipeline.runs import RunStore
from pipeline.workspace import Workspace
from tests.browser.conftest import press_slider

pytestmark = [pytest.mark.browser, pytest.mark.slow]

NAME = "my-slices"
PATIENTS, LEVELS = 16, 4
PATIENCE = 60_000  # milliseconds, on a small machine that does other things too
TRAINING = 300_000
READER = "Dr K"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder: slices of sixteen synthetic patients, some DICOM, and a labels.csv."""
    folder = tmp_path_factory.mktemp("disk") / "my slices"
    seeds = range(3000, 3000 + PATIENTS)
    return write_phantoms(
        folder, seeds=seeds, slices=LEVELS, dicom_patients=2, masks=False, processes=1
    ).folder


@pytest.fixture
def home(tmp_path: Path) -> Workspace:
    return Workspace.open(tmp_path / "workspace")


@pytest.fixture
def complaints(page: Page) -> Iterator[list[str]]:
    """What the browser's console says is wrong."""
    found: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        # Streamlit's client looks for its server below the page's own address first, and says so.
        if message.type == "error" and "/_stcore/" not in message.location.get("url", ""):
            found.append(f"{message.text} ({message.location.get('url')})")

    page.on("console", listen)
    page.on("pageerror", lambda error: found.append(str(error)))
    yield found


def test_the_main_job(
    page: Page, serve: Callable[..., str], home: Workspace, folder: Path, complaints: list[str]
) -> None:
    page.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    page.goto(serve(workspace=home.root))
    bring(page, folder)
    look(page)
    freeze(page, home)
    tune(page)
    train(page, home)
    predict(page, home, folder)
    review(page)
    assert complaints == []
    log = (home.root.parent / "app.log").read_text()
    assert "Traceback" not in log and "Unexpected error" not in log


def bring(page: Page, folder: Path) -> None:
    """Add a folder on disk by the dialog and see it indexed."""
    expect(page.locator(".h-empty h2")).to_have_text("No data set yet")
    page.get_by_role("button", name="Add data").click()
    page.get_by_label("Folder", exact=True).fill(str(folder))
    page.get_by_label("Folder", exact=True).press("Enter")
    expect(page.get_by_text("A labels.csv lies in it and will be used.")).to_be_visible()
    page.get_by_role("button", name="Read it").click()
    expect(page.locator(".h-tile").first).to_contain_text(str(PATIENTS * LEVELS))
    expect(page.locator(".h-tile").nth(1)).to_contain_text(str(PATIENTS))
    expect(page.locator(".h-means figure")).to_have_count(3)
    settle(page)


def look(page: Page) -> None:
    """Pick a slice of the gallery and see it large, with what is known of it."""
    page.get_by_role("tab", name="Slices").click()
    cell = page.locator(".gallery .cell").nth(5)
    name = str(cell.inner_text()).split()[0]
    cell.click()
    expect(page.locator(".h-facts")).to_contain_text(name)
    expect_painted(page.locator(".viewer[data-ready] canvas").first)
    settle(page)


def freeze(page: Page, home: Workspace) -> None:
    """Freeze a split by patient."""
    page.get_by_role("tab", name="Split").click()
    page.get_by_role("button", name="Freeze this split").click()
    expect(page.get_by_text("This very split is frozen already")).to_be_visible()
    assert [split.group_by for split in list_splits(home, NAME)] == ["patient"]
    settle(page)


def tune(page: Page) -> None:
    """Move a slider and see the stages' pictures change; those before it stay as they were."""
    visit(page, "Preprocess")
    grey, eroded = (page.locator(".viewer[data-ready] canvas").nth(stage) for stage in (0, 2))
    expect_painted(grey)
    expect_painted(eroded)
    before = [pixels(grey), pixels(eroded)]
    press_slider(page, "Erosion (radius, pixels)", times=4, until="1 change from hilum")
    wait_for(eroded, "(canvas, before) => canvas.toDataURL() !== before", before[1])
    assert pixels(grey) == before[0]
    settle(page)


def train(page: Page, home: Workspace) -> None:
    """Launch a small training, watch its curve grow, reload the page meanwhile, and wait for its end."""
    visit(page, "Train")
    choose(page, "Image size", "96 px")
    choose(page, "Batch size", "8")
    page.get_by_label("Epochs, at most").fill("2")
    page.get_by_label("Epochs, at most").press("Enter")
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.get_by_text("running", exact=True).first).to_be_visible(timeout=TRAINING)
    name = page.locator(".st-key-h-panel-train-live h2").inner_text()
    page.wait_for_function(f"{POINTS} > 0", timeout=TRAINING)
    early = page.evaluate(POINTS)

    page.reload()
    expect(page.locator(".st-key-h-panel-train-live h2")).to_have_text(name)
    page.wait_for_function(f"{POINTS} > {early}", timeout=TRAINING)
    expect(page.get_by_text("finished", exact=True).first).to_be_visible(timeout=TRAINING)
    expect(page.locator(".h-tile").first).to_contain_text("2 of 2")
    settle(page)
    assert [(run.name, run.status) for run in RunStore(home).list()] == [(name, "finished")]


def predict(page: Page, home: Workspace, folder: Path) -> None:
    """Ask the run just trained about a positive slice, then about a file that it was trained on."""
    visit(page, "Predict")
    choose(page, "Class", "positive")
    expect(page.locator(".p-answer h3")).to_be_visible()
    expect(page.get_by_text("What speaks for").first).to_be_visible()
    wait_for(page.locator(".viewer[data-ready] canvas").nth(1), f"canvas => {WARM_SHARE} > 0.02")
    settle(page)

    index = load_index(home, NAME).set_index("slice_id")
    table = list_splits(home, NAME)[0].table
    seen = table[(table["part"] == "train") & (table["label"] == "positive")]["slice_id"].iloc[0]
    page.get_by_role("radio", name="A file of mine").click()
    file = folder / str(index.loc[seen, "path"])
    page.locator("input[type=file]").set_input_files(file)
    expect(page.get_by_text(file.name).first).to_be_visible()
    expect(page.locator(".p-answer h3")).to_be_visible()
    expect(page.get_by_text("Seen in training")).to_be_visible()
    settle(page)


def review(page: Page) -> None:
    """Give a blind label by key, see the model's opinion, give the final label, take the reading away."""
    visit(page, "Review")
    page.get_by_label("Your name or code").fill(READER)
    page.get_by_role("button", name="Begin").click()
    expect(page.get_by_text("What do you see?")).to_be_visible()
    expect_painted(page.locator(".viewer[data-ready] canvas").first)
    settle(page)
    expect(page.locator(".h-opinion")).to_have_count(0)
    page.keyboard.press("1")
    expect(page.get_by_text("Your final label")).to_be_visible()
    expect(page.locator(".h-opinion")).to_contain_text("The model says")
    expect_painted(page.locator(".viewer[data-ready] canvas").nth(1))
    page.get_by_label("Note").fill("seen at the base")
    settle(page)
    page.get_by_role("button", name="negative").click()
    expect(page.get_by_text(f"read by {READER}")).to_contain_text("1 of ")

    page.get_by_role("tab", name="Readings").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV", exact=True).click()
    path = Path(download.value.path())
    assert "Research use only" in path.read_text()
    reading = pd.read_csv(path, comment="#").iloc[0]
    assert (reading["reader"], reading["blind_label"], reading["final_label"], reading["note"]) == (
        READER, "positive", "negative", "seen at the base",
    )  # fmt: skip
    settle(page)


def visit(page: Page, name: str) -> None:
    """Go to a page by the bar on top and wait until it is drawn."""
    page.get_by_test_id("stTopNavLink").filter(has_text=name).click()
    expect(page.locator(".h-header h1")).to_have_text(name)
    settle(page)


def settle(page: Page) -> None:
    """Wait until the script has run, and see that nothing went wrong."""
    expect(page.get_by_test_id("stStatusWidgetRunningIcon")).to_have_count(0)
    expect(page.get_by_test_id("stException")).to_have_count(0)
    expect(page.get_by_test_id("stAlertContentError")).to_have_count(0)
    expect(page.get_by_text("Traceback")).to_have_count(0)


def choose(page: Page, label: str, option: str) -> None:
    """Pick an option of the choice called `label`."""
    page.get_by_role("combobox", name=label, exact=True).click()
    page.get_by_role("option", name=option, exact=True).click()
    settle(page)


def wait_for(canvas: Locator, true: str, argument: str | None = None) -> None:
    """Wait until `true`, a function of the canvas (and of `argument`), says so."""
    canvas.page.wait_for_function(f"([canvas, argument]) => ({true})(canvas, argument)",
                                  arg=[canvas.element_handle(), argument])  # fmt: skip


def expect_painted(canvas: Locator) -> None:
    """Wait until a canvas shows more than one colour."""
    wait_for(
        canvas, "canvas => { const data = " + DATA + "; return data.some((v, i) => v !== data[i % 4]); }"
    )


def pixels(canvas: Locator) -> str:
    """Return what a canvas shows, as text to compare."""
    return str(canvas.evaluate("canvas => canvas.toDataURL()"))


# How many points the charts' curves have; Plotly keeps long ones packed.
POINTS = """[...document.querySelectorAll(".js-plotly-plot")].flatMap((plot) => plot.data)
    .reduce((sum, trace) => sum + ((trace.x?._inputArray || trace.x)?.length || 0), 0)"""
DATA = 'canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data'
# The share of a canvas that is red or blue: heat, and not grey or the lungs' green outline.
WARM_SHARE = f"""((data) => {{
    let warm = 0;
    for (let at = 0; at < data.length; at += 4)
        warm += Math.abs(data[at] - data[at + 2]) > 8 && data[at + 1] < Math.max(data[at], data[at + 2]);
    return warm / (data.length / 4);
}})({DATA})"""
