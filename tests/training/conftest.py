"""A data set that a small network learns in seconds: where a bright disc lies decides the class."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.workspace import Workspace
from tests.training import small


@pytest.fixture
def discs(tmp_path: Path) -> Workspace:
    """A fresh workspace with the small data set."""
    return small.open_discs(tmp_path)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The small data set, for tests that only read it or add runs."""
    return small.open_discs(tmp_path_factory.mktemp("discs"))


@pytest.fixture(scope="session")
def create_tiny() -> Callable[..., Any]:
    """A stand-in for `models.create_model`: two convolutions, for a real one compiles for 15 seconds."""
    return small.create_tiny


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, create_tiny: Callable[..., Any]) -> None:
    """Train the stand-in instead of a real architecture."""
    from pipeline.training import fit

    monkeypatch.setattr(fit, "create_model", create_tiny)
