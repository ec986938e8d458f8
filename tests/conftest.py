"""Fixtures for every test."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.workspace import Workspace

# Two threads a library: tests share small machines, and results must not depend on the core count.
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "2")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "2")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """An empty workspace."""
    return Workspace.open(tmp_path / "workspace")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real slices; the test is skipped where HILUM_REAL_DATA names none."""
    folder = os.environ.get("HILUM_REAL_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("HILUM_REAL_DATA names no folder of real slices")
    return Path(folder)


@pytest.fixture(autouse=True)
def _main_module() -> Iterator[None]:
    """Put `__main__` back: Streamlit's AppTest leaves its script there, and new processes would run it."""
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main
