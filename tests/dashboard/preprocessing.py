"""The Preprocess page on drawn chests and on phantoms: fixtures, and what tests do on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from pipeline.data.index import build_index
from pipeline.data.phantom.writing import write_phantoms
from pipeline.preprocessing.windowing import to_grey8
from pipeline.workspace import Workspace
from tests.preprocessing.conftest import draw_chest

APP = Path(__file__).resolve().parents[2] / "dashboard" / "app.py"


@pytest.fixture
def chests(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A data set of eight drawn chests, two of them without lungs."""
    slice_hu, lungs = draw_chest(256)
    for number in range(8):
        shown = np.roll(slice_hu, 3 * number, axis=1)
        if number >= 6:
            shown = np.where(np.roll(lungs, 3 * number, axis=1), 40.0, shown)
        folder = tmp_path / "chests" / ("pCT", "nCT", "pCT", "nCT", "pCT", "nCT", "NiCT", "NiCT")[number]
        folder.mkdir(parents=True, exist_ok=True)
        grey = to_grey8(shown, intensity="hu", center=-600, width=1500)
        cv2.imwrite(str(folder / f"{folder.name}{number}.png"), grey)
    build_index(workspace, tmp_path / "chests", name="chests")
    monkeypatch.setenv("HILUM_WORKSPACE", str(workspace.root))
    return workspace


@pytest.fixture
def page(chests: Workspace) -> AppTest:
    """The page, opened on the first data set."""
    app = AppTest.from_file(str(APP), default_timeout=60).run()
    app = app.switch_page("views/preprocess.py").run()
    assert not app.exception and not app.error
    return app


@pytest.fixture
def phantoms(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """The page over phantoms, whose lungs and lesions are known, with the `luna` preset."""
    write_phantoms(tmp_path / "phantoms", seeds=[3, 22], slices=6)
    build_index(workspace, tmp_path / "phantoms", name="phantoms")
    monkeypatch.setenv("HILUM_WORKSPACE", str(workspace.root))
    app = AppTest.from_file(str(APP), default_timeout=60).run()
    app = app.switch_page("views/preprocess.py").run()
    return widget(app, "selectbox", "Begin with").select("luna").run()


def words(app: AppTest) -> str:
    """Return what the page's HTML parts and captions say."""
    html = "".join(str(part.proto.body) for part in app.get("html"))
    return html + "".join(caption.value for caption in app.caption)


def widget(app: AppTest, kind: str, label: str) -> Any:
    """Return the widget of this label."""
    return next(item for item in getattr(app, kind) if item.label == label)


def in_hand(app: AppTest) -> dict[str, Any]:
    """Return the recipe as the session keeps it."""
    return app.session_state["prep.recipe"]


def show(app: AppTest, view: str) -> AppTest:
    """Change to one of the page's views."""
    app.session_state["prep.show"] = view
    return app.run()
