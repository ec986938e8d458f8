"""One workspace with runs for the whole folder: making MLflow's tables takes seconds."""

import pytest

from pipeline.workspace import Workspace
from tests.evaluation.runs import make_run


@pytest.fixture(scope="package")
def runs_workspace(tmp_path_factory):
    """Runs `first` and `second` on one split, and two of one name."""
    made = Workspace.open(tmp_path_factory.mktemp("evaluation") / "workspace")
    make_run(made, "first")
    make_run(made, "second", skill=0.6)
    make_run(made, "same", seed=5)
    make_run(made, "same", seed=5, skill=3)
    return made
