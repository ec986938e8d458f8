"""The evaluation of a run: its JSON contract, its gaps, and that every look at a test part is counted."""

import json
import math

import numpy as np
import pytest

from pipeline.evaluation.evaluate import (
    PartMissingError,
    evaluate_part,
    evaluate_run,
    evaluate_table,
    load_part,
)
from pipeline.evaluation.openings import (
    OpeningsDamagedError,
    count_openings,
    list_openings,
    log_path,
    record_opening,
    was_opened,
)
from pipeline.evaluation.predictions import read_predictions
from pipeline.workspace import Workspace
from tests.evaluation.tables import LABELS, make_table


@pytest.fixture
def workspace(runs_workspace):
    return runs_workspace


def _quick(table, **options):
    return evaluate_table(read_predictions(table), n_resamples=200, **options)


def _walk(value, path=""):
    yield path, value
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _walk(item, f"{path}.{key}")
    elif isinstance(value, list):
        for item in value:
            yield from _walk(item, f"{path}[]")


def _check_estimates(document):
    """Every estimate has its three keys, no NaN, and a reason wherever something is null."""
    json.dumps(document, allow_nan=False)
    for path, value in _walk(document):
        if isinstance(value, dict) and {"value", "low", "high"} & set(value):
            assert {"value", "low", "high"} <= set(value), path
            if None in (value["value"], value["low"], value["high"]):
                assert value["reason"], path
            else:
                assert value["low"] <= value["value"] <= value["high"], path
        elif isinstance(value, float):
            assert math.isfinite(value), path


def test_the_contract_of_the_command_line(workspace):
    found = evaluate_run(workspace, "first", n_resamples=200).to_json()
    assert (found["run"], found["data"]) == ("first", "wards, part test")
    assert (found["n"], found["patients"], found["groups"]) == (288, 24, 24)
    for name in ("accuracy", "macro_f1"):
        assert set(found[name]) == {"value", "low", "high"}
    assert set(found["auc"]) == set(LABELS) == set(found["per_class"])
    for figures in found["per_class"].values():
        assert {"precision", "recall", "f1", "n"} <= set(figures)
        assert isinstance(figures["n"], int)
    assert set(found["by_source"]) == {"hospital A", "hospital B"}
    assert {"n", "accuracy", "macro_f1", "auc"} <= set(found["by_source"]["hospital A"])
    assert found["confusion"]["labels"] == list(LABELS)
    assert np.sum(found["confusion"]["matrix"]) == found["n"]
    assert found["rejected"] is None  # the slices are not here to ask the gate about
    assert found["notice"] == "Research use only - not for diagnosis"
    _check_estimates(found)


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t[t["y_true"] == "positive"],
        lambda t: t[t["y_true"] != "positive"],
        lambda t: t[t["patient_id"] == "P001"],
        lambda t: t.head(1),
        lambda t: t.assign(y_pred="negative"),
        lambda t: t.assign(source=None),
        lambda t: t.assign(patient_id=None, group=None),
        lambda t: t[[c for c in t.columns if not c.startswith("logit")]],
    ],
    ids=[
        "one class",
        "a class absent",
        "one patient",
        "one slice",
        "one call",
        "no source",
        "no ids",
        "no logits",
    ],
)
def test_what_cannot_be_computed_is_null_with_a_reason(change):
    _check_estimates(_quick(change(make_table(patients=8))).to_json())


def test_reasons_say_what_is_missing():
    only_ill = make_table(patients=8)
    only_ill = only_ill[only_ill["y_true"] != "positive"]
    found = _quick(only_ill).to_json()
    assert found["auc"]["positive"]["reason"] == "no slice of class positive"
    assert found["left_out"]["classes"] == ["positive"]
    one = make_table(patients=1)
    assert "1 patient" in _quick(one).to_json()["accuracy"]["reason"]


def test_unknown_patients_are_named_as_such():
    found = _quick(make_table(patients=8, known_patients=False)).to_json()
    assert (found["patients"], found["patients_known"], found["interval"]["unit"]) == (0, False, "group")
    assert found["groups"] == 48


def test_the_gates_refusals_are_counted_and_figures_given_without_them():
    table = make_table(patients=12)
    wrong = table["y_true"] != table["y_pred"]
    table["rejected"] = wrong & (table.index % 2 == 0)
    found = _quick(table).to_json()
    assert found["rejected"] == int(table["rejected"].sum())
    assert found["n"] == len(table)
    assert found["without_rejected"]["n"] == len(table) - found["rejected"]
    assert found["without_rejected"]["accuracy"]["value"] > found["accuracy"]["value"]


def test_the_same_seed_gives_the_same_figures():
    table = make_table(patients=10)
    assert _quick(table, seed=4).to_json() == _quick(table, seed=4).to_json()
    assert _quick(table, seed=4).to_json() != _quick(table, seed=5).to_json()


def test_each_look_at_a_test_part_is_counted(workspace):
    before = len(list_openings(workspace))
    evaluate_run(workspace, "second", n_resamples=20)
    record_opening(workspace, _run(workspace, "second"), n=288, by="page")
    found = evaluate_part(workspace, _run(workspace, "second"), "test", n_resamples=20)
    opened = list_openings(workspace)[before:]
    assert [(o.run_name, o.part, o.by, o.n) for o in opened] == [
        ("second", "test", "command", 288),
        ("second", "test", "page", 288),
    ]
    assert found.to_json()["openings"] == 1, "the same figures, read again"
    run = _run(workspace, "second")
    assert was_opened(workspace, run, n=288) and not was_opened(workspace, run, n=287)
    record_opening(workspace, run, n=287, by="page")  # a slice was excluded since
    assert count_openings(workspace, run) == (2, 2)  # the first run of this split was opened above


def test_validation_is_free(workspace):
    before = log_path(workspace).read_bytes() if log_path(workspace).exists() else b""
    evaluate_run(workspace, "first", part="val", n_resamples=20)
    assert (log_path(workspace).read_bytes() if log_path(workspace).exists() else b"") == before


def test_a_log_that_was_edited_is_not_believed(tmp_path):
    other = Workspace.open(tmp_path / "w")
    log_path(other).parent.mkdir()
    log_path(other).write_text('{"run": "x"}\n')
    with pytest.raises(OpeningsDamagedError, match="Line 1"):
        list_openings(other)


def test_a_part_that_is_not_there(workspace, tmp_path):
    with pytest.raises(PartMissingError, match="the parts are"):
        evaluate_run(workspace, "first", part="holdout")
    run = _run(workspace, "first")
    (run.artifacts / "predictions" / "train.parquet").rename(tmp_path / "t")
    with pytest.raises(PartMissingError, match="it has val, calibration, test"):
        load_part(workspace, run, "train")


def _run(workspace, name):
    from pipeline.runs import RunStore

    return RunStore(workspace).find(name)
