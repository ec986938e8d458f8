"""The one direction of imports: dashboard -> pipeline -> models, and downwards inside pipeline."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOUNDATIONS = {"errors", "storage", "workspace", "progress", "jobs", "locks", "run_info", "runs"}
FOUNDATIONS |= {"job_table", "processes", "reporter", "html_parts", "notice", "messages"}
# A room may import the rooms to its right.
ROOMS = ["training", "evaluation", "handing_on", "inference", "explanation", "cache", "data", "preprocessing"]
ROOMS += ["cluster"]
SCREENLESS = {"streamlit", "dashboard"}
HEAVY = {"tensorflow", "keras", "tf_keras_vis"}


def imported(path: Path) -> set[str]:
    """Every module that the file names in an import, wherever it stands in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def sources(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def test_there_are_sources_to_look_at():
    assert all(len(sources(folder)) > 5 for folder in ("models", "pipeline", "dashboard"))


@pytest.mark.parametrize("path", sources("models"), ids=lambda path: path.name)
def test_models_import_neither_pipeline_nor_dashboard(path):
    assert not {name for name in imported(path) if name.split(".")[0] in SCREENLESS | {"pipeline"}}


@pytest.mark.parametrize("path", sources("pipeline"), ids=lambda path: str(path.relative_to(ROOT)))
def test_pipeline_imports_downwards_only(path):
    names = imported(path)
    assert not {name for name in names if name.split(".")[0] in SCREENLESS}
    room = path.relative_to(ROOT / "pipeline").parts[0]
    if room.endswith(".py") or room == "commands":
        if room.removesuffix(".py") in FOUNDATIONS:
            above = {name for name in names if name.startswith("pipeline.")}
            assert {name.split(".")[1] for name in above} <= FOUNDATIONS
        return
    allowed = {"review": {"evaluation", "data", "review"}}.get(room) or set(ROOMS[ROOMS.index(room) :])
    if room == "preprocessing":
        assert {name.split(".")[1] for name in names if name.startswith("pipeline.")} <= {
            "preprocessing",
            "errors",
            "workspace",  # saved recipes
        }
    found = {name.split(".")[1] for name in names if name.startswith("pipeline.")}
    assert found <= allowed | FOUNDATIONS, f"{path}: {found - allowed - FOUNDATIONS}"


@pytest.mark.parametrize("path", sources("dashboard"), ids=lambda path: str(path.relative_to(ROOT)))
def test_dashboard_loads_no_learning_library(path):
    assert not {name for name in imported(path) if name.split(".")[0] in HEAVY}


def test_the_registry_imports_no_keras():
    code = "import models.registry, sys; print(*sorted(sys.modules))"
    listing = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert not HEAVY & set(listing.stdout.split())


def test_all_modules_behind_the_pages_load_without_tensorflow():
    rooms = "data.index preprocessing.apply inference.predict runs review.store evaluation.evaluate"
    rooms += " training.config training.launch training.estimate training.augment"
    code = (
        "import sys; "
        + "; ".join(f"import pipeline.{room}" for room in rooms.split())
        + "; print(*sys.modules)"
    )
    listing = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert not HEAVY & set(listing.stdout.split())
