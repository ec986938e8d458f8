"""Which memory a training counts on: the GPU's where one is used, else the machine's."""

from pathlib import Path

import pytest

from pipeline.training import devices
from pipeline.training.config import TrainConfig
from pipeline.training.estimate import available_memory
from pipeline.training.memory import plan_here

LARGE = TrainConfig(dataset="a", architecture="EfficientNetV2S", image_size=384, batch_size=8)


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A driver that says that 4,000 MiB of a GPU are free."""
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 4000\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setattr(devices, "_has_cuda", lambda: True)
    devices._asked.cache_clear()
    return program


def test_the_gpu_is_counted_on_and_its_precision_offered_first(driver):
    assert available_memory() == 4000 * 2**20
    plan = plan_here(LARGE)
    assert plan.fits and plan.config.mixed_precision
    assert "bfloat16 precision" in plan.sentence


def test_a_hidden_or_unused_gpu_is_not(driver, monkeypatch):
    monkeypatch.setattr(devices, "_has_cuda", lambda: False)
    assert devices.gpu_memory() is None
    monkeypatch.setattr(devices, "_has_cuda", lambda: True)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert devices.gpu_memory() is None


def test_a_driver_that_says_nothing_leaves_the_machine(driver):
    driver.write_text("#!/bin/sh\nexit 9\n")
    assert devices.gpu_memory() is None
