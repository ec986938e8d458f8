"""From a preset to a run: what the form shows when Train is pressed is what is trained."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from pipeline.jobs import JobStore
from pipeline.runs import RunStore
from pipeline.training.config import TrainConfig, make_config
from pipeline.workspace import Workspace
from tests.dashboard.conftest import build_small

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PATIENCE = 120_000  # milliseconds, on a small machine that does other things too


def test_a_preset_changed_and_made_to_fit_is_what_the_run_is_told(
    page: Page, serve: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HILUM_MEMORY_GB", "2.15")
    home = Workspace.open(tmp_path / "workspace")
    build_small(home, tmp_path / "small")
    page.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    page.goto(f"{serve(workspace=home.root)}/train")

    page.get_by_role("combobox", name="Preset", exact=True).click()
    page.get_by_role("option", name="from-scratch", exact=True).click()
    expect(page.get_by_label("Epochs, at most")).to_have_value("120")
    type_into(page, "Image size", "160")
    expect(page.locator(".t-changes")).to_contain_text("Image size 224 \u2192 160")
    type_into(page, "Learning rate", "0.0007")
    expect(page.locator(".t-changes")).to_contain_text("3 changes from from-scratch")
    page.get_by_label("Epochs, at most").fill("3")
    page.get_by_label("Epochs, at most").press("Enter")
    expect(page.locator(".t-changes")).to_contain_text("Epochs, at most 120 \u2192 3")

    offer = page.get_by_role("button", name="Set the form to what fits")
    offer.click()
    expect(offer).to_have_count(0)
    batch = int(page.get_by_role("combobox", name="Batch size", exact=True).input_value())
    assert batch < 16
    page.get_by_role("button", name="Train", exact=True).click()

    expected = make_config(
        {
            "dataset": "small", "split": "by-patient", "preset": "from-scratch", "epochs": 3, "sizes": [128],
            "image_size": 160, "learning_rate": 0.0007, "batch_size": batch, "accumulate": 16 // batch,
        }
    )  # fmt: skip
    assert started(home) == expected


def type_into(page: Page, label: str, text: str) -> None:
    """Type what a choice does not offer."""
    choice = page.get_by_role("combobox", name=label, exact=True)
    choice.click()
    choice.fill(text)
    choice.press("Enter")


def started(home: Workspace) -> TrainConfig:
    """Wait until the training runs, stop it, and return what it was told."""
    until = time.monotonic() + PATIENCE / 1000
    while not (runs := [run for run in RunStore(home).list() if run.status == "running"]):
        assert time.monotonic() < until, "no run began"
        time.sleep(0.5)
    jobs = JobStore(home)
    (job,) = jobs.list("train")
    jobs.stop(job.id)
    while jobs.get(job.id).active and time.monotonic() < until:
        time.sleep(0.5)
    return TrainConfig.model_validate(runs[0].load_config())
