"""Exports and worklists."""

import io
import json

import pandas as pd
import pytest

from pipeline.review.readings import COLUMNS, export_csv, export_json, load_readings, with_slices
from pipeline.review.store import ReviewStore
from pipeline.review.worklist import (
    OpenList,
    WorklistEmptyError,
    build_worklist,
    name_worklist,
    open_lists,
    reading_slices,
)
from tests.review.test_store import OPINION, first, whole


@pytest.fixture
def store(workspace):
    return ReviewStore.of(workspace)


def test_csv_has_every_reading_and_the_notice(store):
    whole(store, "s1")
    first(store, "s2")
    table = pd.read_csv(io.StringIO(export_csv(load_readings(store))))
    assert list(table.columns) == [*COLUMNS, "notice"]
    assert table["slice_id"].tolist() == ["s1", "s2"]
    assert table["final_label"].isna().tolist() == [False, True]
    assert set(table["notice"]) == {"Research use only - not for diagnosis"}


def test_exports_of_synthetic_slices_say_so(store):
    whole(store, "s1")
    readings = load_readings(store)
    table = pd.read_csv(io.StringIO(export_csv(readings, synthetic=True)))
    said = {*table["notice"], json.loads(export_json(store, readings, synthetic=True))["notice"]}
    assert said == {"Research use only - not for diagnosis; synthetic task, not COVID-19"}


def test_an_export_says_what_the_statistics_need_of_a_slice(store):
    whole(store, "s1")
    whole(store, "s2")
    index = pd.DataFrame(
        {"path": ["pCT/1.png"], "frame": [0], "patient_id": [None], "label": ["positive"]}, index=["s1"]
    )
    found = with_slices(load_readings(store), index, {"s1": "c7"}, {"s2"})
    assert found["path"].tolist() == ["pCT/1.png", None]
    assert found["group"].tolist() == ["c7", None] and found["excluded"].tolist() == [False, True]
    table = pd.read_csv(io.StringIO(export_csv(found)))
    assert table["reference"].fillna("").tolist() == ["positive", ""]
    assert json.loads(export_json(store, found))["readings"][0]["frame"] == 0
    assert with_slices(load_readings(store).iloc[:0], index, {}, ()).empty


def test_no_export_of_nothing_fails(store):
    assert export_csv(load_readings(store)).count("\n") == 1
    assert json.loads(export_json(store, load_readings(store)))["readings"] == []


def test_a_note_is_no_formula(store):
    read = first(store)
    store.reveal(read, OPINION)
    store.record_final(read, label="positive", note='=HYPERLINK("http://x")', seconds=1)
    table = pd.read_csv(io.StringIO(export_csv(load_readings(store))))
    assert table["note"][0].startswith("'=")
    assert load_readings(store)["note"][0].startswith("=")


def test_json_carries_the_head_of_the_chain(store):
    whole(store)
    document = json.loads(export_json(store, load_readings(store)))
    assert document["audit"]["head"] == store.verify_chain().head
    assert document["readings"][0]["model_scores"] == {"positive": 0.8, "negative": 0.2}
    assert document["notice"] == "Research use only - not for diagnosis"


def test_readings_are_found_by_reader_run_and_dataset(store):
    whole(store, "s1")
    whole(store, "s1", reader="B. Reader")
    assert len(load_readings(store)) == 2
    assert len(load_readings(store, reader="B. Reader")) == 1
    assert len(load_readings(store, run="other")) == len(load_readings(store, dataset="other")) == 0


def test_a_worklist_has_an_order_of_its_own_that_anyone_can_repeat():
    slices = [f"s{n}" for n in range(50)]
    found = build_worklist(slices, seed=3)
    assert sorted(found) == sorted(slices) and found != slices
    assert found == build_worklist(reversed(slices), seed=3) != build_worklist(slices, seed=4)
    assert build_worklist(slices, seed=3, size=10) == found[:10]


def test_lists_that_are_not_read_to_the_end_are_found(store):
    slices = [f"s{n}" for n in range(4)]
    order = build_worklist(slices, seed=7)
    whole(store, order[0], worklist=name_worklist(7, 3))
    first(store, order[1], worklist=name_worklist(7, 3))
    whole(store, order[0], reader="B. Reader", worklist=name_worklist(7, 1))
    first(store, "s1", reader="C. Reader", worklist="of an older kind")
    assert open_lists(load_readings(store), slices) == [OpenList("A. Reader", 7, 3, total=3, done=1)]
    without = open_lists(load_readings(store), slices, excluded={order[1]})
    assert without == [OpenList("A. Reader", 7, 3, total=2, done=1)]
    assert open_lists(load_readings(store), slices, excluded=set(order[1:3])) == []
    assert open_lists(load_readings(store, reader="nobody"), slices) == []


def test_an_excluded_slice_drops_out_of_a_list_and_none_takes_its_place():
    slices = [f"s{n}" for n in range(50)]
    whole_list = build_worklist(slices, seed=3, size=10)
    found = build_worklist(slices, seed=3, size=10, excluded={whole_list[4]})
    assert found == whole_list[:4] + whole_list[5:]


class _Run:
    name, params = "first", {"dataset": "wards"}

    def __init__(self, table):
        self.table = table

    def load_split(self):
        return {"table": self.table}


def test_only_test_slices_are_read_and_their_labels_stay_out():
    table = {
        "slice_id": ["a", "b", "c"],
        "group": ["p", "q", "q"],
        "part": ["train", "test", "test"],
        "label": "x",
    }
    found = reading_slices(_Run(table))
    assert found.to_dict(orient="list") == {"slice_id": ["b", "c"], "group": ["q", "q"]}


def test_a_split_without_a_test_part_is_named():
    with pytest.raises(WorklistEmptyError, match="python -m pipeline split wards"):
        reading_slices(_Run({"slice_id": ["a"], "group": ["p"], "part": ["train"]}))
