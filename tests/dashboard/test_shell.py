"""The frame around the pages: every page opens, says what it is for, and never shows a traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.widgets import NOTICE
from pipeline.workspace import Workspace
from tests.dashboard.conftest import html_of, widget

APP = Path(__file__).resolve().parents[2] / "dashboard" / "app.py"
PAGES = ["explore", "preprocess", "train", "evaluate", "predict", "review"]


@pytest.fixture
def app(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """The dashboard over an empty workspace."""
    monkeypatch.setenv("HILUM_WORKSPACE", str(workspace.root))
    return AppTest.from_file(str(APP), default_timeout=30)


@pytest.mark.parametrize("name", PAGES)
def test_an_empty_workspace_gets_a_way_out_on_every_page(app: AppTest, name: str) -> None:
    app.run()
    app.switch_page(f"views/{name}.py").run()
    assert not app.exception
    assert not app.error
    assert NOTICE in html_of(app)
    assert "h-empty" in html_of(app), "a page without data says how to bring some"


def test_an_empty_page_leads_to_adding_slices(app: AppTest) -> None:
    app.run()
    app.switch_page("views/train.py").run()
    widget(app, "button", "no-dataset-other").click().run()
    assert not app.exception
    assert "What is in this data" in html_of(app)
    assert widget(app, "text_input", "add.folder").label == "Folder"


def test_a_page_without_a_model_leads_to_training(small: Workspace) -> None:
    app = AppTest.from_file(str(APP), default_timeout=30).run()
    app.switch_page("views/review.py").run()
    assert "No model yet" in html_of(app)
    widget(app, "button", "no-run-action").click().run()
    assert not app.exception
    assert "How does a classifier learn" in html_of(app)


def test_a_workspace_that_cannot_be_made_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("HILUM_WORKSPACE", str(tmp_path / "file" / "workspace"))
    app = AppTest.from_file(str(APP), default_timeout=30).run()
    assert not app.exception
    assert any("cannot be written" in error.value for error in app.error)


def test_an_unexpected_error_is_calm_and_a_users_error_is_shown_as_it_is() -> None:
    def page() -> None:
        from dashboard.widgets import guarded
        from pipeline.errors import HilumError

        class WrongFolderError(HilumError):
            pass

        with guarded("The figures could not be drawn."):
            raise ValueError("internal detail")
        with guarded():
            raise WrongFolderError("No folder *a_b* here; name another.")

    app = AppTest.from_function(page, default_timeout=60).run()
    assert not app.exception
    unexpected, users = (error.value for error in app.error)
    assert unexpected.startswith("The figures could not be drawn.")
    assert "internal detail" not in unexpected
    assert users == r"No folder \*a\_b\* here; name another."


def test_the_dashboard_opens_without_tensorflow(tmp_path: Path) -> None:
    """In a process of its own: importing it would cost every page seconds and half a gigabyte."""
    script = f"""
import sys
from streamlit.testing.v1 import AppTest
app = AppTest.from_file({str(APP)!r}, default_timeout=60).run()
for name in {PAGES!r}:
    app.switch_page(f"views/{{name}}.py").run()
    assert not app.exception, name
heavy = {{"tensorflow", "keras", "tf_keras_vis", "jax", "mlflow"}} & set(sys.modules)
sys.exit(f"imported: {{heavy}}" if heavy else 0)
"""
    environment = {
        "PATH": "/usr/bin:/bin",
        "HILUM_WORKSPACE": str(tmp_path / "workspace"),
        "PYTHONPATH": str(APP.parents[1]),
    }
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode == 0, done.stderr
