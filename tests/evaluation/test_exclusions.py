"""Excluded slices are in no figure, and are counted beside the figures."""

import numpy as np
import pytest

from pipeline.data.decisions import decide, decisions_file
from pipeline.data.index import build_index, load_index
from pipeline.evaluation.evaluate import evaluate_table
from pipeline.evaluation.exclusions import without_excluded
from pipeline.evaluation.predictions import PredictionsError, read_predictions
from pipeline.evaluation.report import build_report
from tests.data.conftest import picture, write_picture
from tests.evaluation.tables import make_table


@pytest.fixture
def predictions(workspace, tmp_path):
    """Predictions for the first rows of a data set of forty slices."""
    for number in range(40):
        write_picture(tmp_path / "slices" / "pCT" / f"{number}.png", picture(number))
    build_index(workspace, tmp_path / "slices", name="wards")
    table = make_table(patients=20)[:40].copy()
    table["slice_id"] = load_index(workspace, "wards")["slice_id"].to_numpy()[: len(table)]
    return read_predictions(table)


def test_they_are_left_out_and_counted(workspace, predictions):
    gone = [str(one) for one in predictions.table["slice_id"][:3]]
    decide(workspace, "wards", "exclude", gone)
    left = without_excluded(workspace, "wards", predictions)
    assert len(left) == len(predictions) - 3 and left.excluded == 3
    assert not np.isin(left.table["slice_id"], gone).any()
    evaluation = evaluate_table(left, n_resamples=50)
    assert evaluation.to_json()["left_out"]["excluded"] == 3
    assert "3 slices that were excluded" in build_report(evaluation)


def test_without_decisions_nothing_changes(workspace, predictions):
    assert without_excluded(workspace, "wards", predictions) is predictions
    assert without_excluded(workspace, "gone", predictions) is predictions
    assert not decisions_file(workspace, "wards").exists()


def test_nothing_left_is_a_sentence(workspace, predictions):
    decide(workspace, "wards", "exclude", [str(one) for one in predictions.table["slice_id"]])
    with pytest.raises(PredictionsError, match="decide wards undo"):
        without_excluded(workspace, "wards", predictions)
