"""The Train page while trainings run: queue, order, cancel, stop after an epoch, train longer."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from pipeline.data.index import build_index
from pipeline.data.phantom import write_phantoms
from pipeline.data.splits import make_split
from pipeline.jobs import JobStore
from pipeline.runs import RunStore
from pipeline.training.config import Augmentation, TrainConfig
from pipeline.training.launch import launch_training
from pipeline.workspace import Workspace

pytestmark = [pytest.mark.browser, pytest.mark.slow]

TRAINING = 300_000  # milliseconds, on a small machine that does other things too
HEAD = {"weights": "phantom", "head_only": True, "feature_copies": 1, "augment": Augmentation.none()}
CONFIG = TrainConfig(
    dataset="small", image_size=96, batch_size=8, epochs=10_000, patience=0, schedule="constant", **HEAD
)


@pytest.fixture
def home(tmp_path: Path) -> Workspace:
    """Slices of sixteen synthetic patients; three trainings of a head that would go on for very long."""
    workspace = Workspace.open(tmp_path / "workspace")
    made = write_phantoms(
        tmp_path / "slices", seeds=range(3000, 3016), slices=4, dicom_patients=0, masks=False, processes=1
    )
    build_index(workspace, made.folder, name="small")
    make_split(workspace, "small")
    for name in ("first", "second", "third"):
        launch_training(workspace, CONFIG.model_copy(update={"name": name}))
    return workspace


def test_a_queue_of_trainings(page: Page, serve: Callable[..., str], home: Workspace) -> None:
    expect.set_options(timeout=TRAINING)
    page.set_default_timeout(TRAINING)
    page.goto(f"{serve(workspace=home.root)}/train?dataset=small")
    lines = page.locator(".st-key-h-panel-train-queue .t-job")
    expect(lines).to_have_count(3)
    expect(lines.nth(1)).to_contain_text("1. second")
    expect(lines.nth(2)).to_contain_text("waits for second")

    reorder_and_cancel(page, home)
    expect(lines).to_have_count(2)
    expect(lines.nth(1)).to_contain_text("1. third")

    head = page.locator(".st-key-h-panel-train-live")
    expect(head.locator("h2").first).to_have_text("first")
    expect(head).to_contain_text("no early stop")
    page.wait_for_function(f"{POINTS} > 3")
    stays_where_the_user_is(page)
    stop_after_epoch(page, home)
    train_longer(page, home)


def reorder_and_cancel(page: Page, home: Workspace) -> None:
    """Let the third training go first of those that wait, and take the second out."""
    second, third = JobStore(home).queue()
    page.locator(f".st-key-up-{third.id} button").first.click()
    page.wait_for_function("document.querySelectorAll('.t-job')[1].textContent.includes('1. third')")
    assert [job.id for job in JobStore(home).queue()] == [third.id, second.id]
    page.locator(f".st-key-cancel-{second.id} button").first.click()


def stays_where_the_user_is(page: Page) -> None:
    """Neither the place on the page nor what is being typed is lost while the page refreshes."""
    page.get_by_role("button", name="Name and note").click()
    note = page.get_by_label("Note", exact=True)
    note.fill("being written")
    page.mouse.wheel(0, 300)
    page.wait_for_timeout(500)
    before = page.evaluate(PLACE)
    seen = page.locator(".st-key-h-panel-train-live .h-tile-value").first.inner_text()
    value = "document.querySelector('.st-key-h-panel-train-live .h-tile-value').innerText"
    page.wait_for_function(f"{value} !== '{seen}'")
    page.wait_for_timeout(5000)
    assert page.evaluate(PLACE) == before
    expect(note).to_have_value("being written")
    note.press("Escape")


def stop_after_epoch(page: Page, home: Workspace) -> None:
    """Stop the first after its epoch: the tab's title tells of no failure, and the third begins."""
    first = RunStore(home).find("first")
    (job,) = [job for job in JobStore(home).list("train") if job.run_id == first.id]
    page.locator(f".st-key-later-{job.id} button").first.click()
    lines = page.locator(".st-key-h-panel-train-queue .t-job")
    expect(lines).to_have_count(1)
    expect(lines.first).to_contain_text("third")
    (third,) = [job for job in JobStore(home).list("train") if job.status == "running"]
    assert RunStore(home).find("first").status == "stopped"
    page.locator(f".st-key-stop-{third.id} button").first.click()
    expect(lines).to_have_count(0)


def train_longer(page: Page, home: Workspace) -> None:
    """Let a run that is done have more epochs, and be told by the title when they are done."""
    short = launch_training(home, CONFIG.model_copy(update={"name": "short", "epochs": 2}))
    page.reload()
    head = page.locator(".st-key-h-panel-train-live")
    expect(head.locator("h2").first).to_have_text("short")
    expect(head.get_by_text("finished", exact=True)).to_be_visible()
    expect(page).to_have_title(re.compile("● short is done · "))
    page.get_by_role("button", name="Train longer").click()
    page.get_by_label("Epochs more").fill("3")
    page.get_by_label("Epochs more").press("Enter")
    page.get_by_role("button", name="Train 3 epochs more").click()
    expect(head.locator(".h-tile-value").first).to_have_text("5 of 5")
    expect(head.get_by_text("finished", exact=True)).to_be_visible()
    run = RunStore(home).find("short")
    assert run.load_config()["extensions"] == [[2, 5]]
    assert JobStore(home).get(short.id).status == "finished"


# How many points the charts' curves have; Plotly keeps long ones packed.
POINTS = """[...document.querySelectorAll(".js-plotly-plot")].flatMap((plot) => plot.data)
    .reduce((sum, trace) => sum + ((trace.x?._inputArray || trace.x)?.length || 0), 0)"""
PLACE = """(() => [document.querySelector("[data-testid=stMain]").scrollTop,
    document.querySelector(".st-key-train-labels").getBoundingClientRect().top])()"""
