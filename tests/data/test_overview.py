"""What a data set is made of: brightness, patients by class, lungs along the body. And its map."""

import cv2
import numpy as np
import pandas as pd
import pytest

from pipeline.data import slice_map as module
from pipeline.data.index import build_index, load_index
from pipeline.data.overview import MOST_COLUMNS, count_by, intensity_bands, lung_profile, matrix_of
from pipeline.data.slice_map import load_map, principal_places, tile_sheet


def test_bands_are_the_quartiles_of_each_class():
    histograms = np.array([[0.0, 1.0], [0.5, 0.5], [1.0, 0.0], [0.3, 0.7]], np.float32)
    bands = intensity_bands(histograms, pd.Series(["negative", "negative", "negative", "positive"]))
    assert list(bands) == ["positive", "negative"]
    np.testing.assert_allclose(bands["negative"].values[:, 0], [0.25, 0.5, 0.75])
    assert bands["negative"].count == 3


def test_slices_are_counted_by_patient_and_class_without_the_unknown():
    patients = pd.Series(["a", "b", "b", "b", None, "a"])
    labels = pd.Series(["positive", "positive", "negative", "negative", "positive", None])
    counts = count_by(patients, labels)
    assert counts.to_dict("index") == {
        "b": {"positive": 1, "negative": 2},
        "a": {"positive": 1, "negative": 0},
    }
    assert count_by(pd.Series([None, None], dtype="str"), labels[:2]).empty


def test_patients_of_one_class_stand_together_and_those_of_several_last():
    counts = pd.DataFrame(
        {"positive": [0, 2, 9, 1], "negative": [3, 0, 1, 0]}, index=["only-n", "p2", "both", "p1"]
    )
    table, together = matrix_of(counts)
    assert (list(table.index), together) == (["p2", "p1", "only-n", "both"], 1)


def test_a_matrix_of_many_patients_is_drawn_together_and_says_so():
    counts = pd.DataFrame({"positive": np.arange(1, 5001)}, index=[f"P{i}" for i in range(5000)])
    table, together = matrix_of(counts)
    assert together == 5 and len(table) == MOST_COLUMNS
    assert table["positive"].mean() == pytest.approx(counts["positive"].mean())


def stack(series: str, locations: list[float | None], lungs: list[float]) -> pd.DataFrame:
    count = len(locations)
    return pd.DataFrame(
        {
            "slice_id": [f"{series}{i}" for i in range(count)],
            "path": [f"{series}/{i}.dcm" for i in range(count)],
            "frame": 0,
            "series_uid": series,
            "patient_id": series,
            "slice_location": np.array(locations, float),
            "lung_fraction": lungs,
            "label": "positive",
        }
    )


def test_lungs_are_placed_from_the_head_down_by_location_whatever_the_order_of_files():
    rows = stack("s", [0.0, 100.0, 50.0, 25.0, 75.0], [0.1, 0.9, 0.5, 0.3, 0.7])
    profile = lung_profile(rows)
    middle = profile.bands["positive"].values[1]
    assert middle[0] == pytest.approx(0.9), "the highest location is the head end"
    assert middle[-1] == pytest.approx(0.1)
    assert np.isfinite(middle).sum() == 5 and (profile.stacks, profile.slices) == (1, 5)


def test_lungs_are_placed_by_the_order_of_files_where_a_location_is_unknown():
    rows = stack("s", [None, 3.0, 1.0, 9.0, 2.0], [0.1, 0.2, 0.3, 0.4, 0.5])
    middle = lung_profile(rows).bands["positive"].values[1]
    np.testing.assert_allclose(middle[np.isfinite(middle)], [0.1, 0.2, 0.3, 0.4, 0.5])


def test_a_level_from_the_csv_places_slices():
    rows = stack("s", [None] * 5, [0.1, 0.2, 0.3, 0.4, 0.5]).assign(level=["1", "0.75", "0.5", "0.25", "0"])
    middle = lung_profile(rows).bands["positive"].values[1]
    assert middle[0] == pytest.approx(0.5) and middle[-1] == pytest.approx(0.1)


def test_a_profile_that_cannot_be_drawn_says_what_is_missing():
    rows = stack("s", [1.0, 2.0, 3.0, 4.0], [0.1] * 4)
    assert "series of five slices" in lung_profile(rows).missing
    assert "audit" in lung_profile(rows.assign(lung_fraction=np.nan)).missing


def test_slices_alike_lie_together_on_the_map():
    rng = np.random.default_rng(0)
    dark, bright = (np.clip(rng.normal(mean, 5, (20, 32, 32)), 0, 255) for mean in (60, 200))
    places, explained = principal_places(np.concatenate([dark, bright]).astype(np.uint8))
    first = places[:, 0]
    assert abs(first[:20].mean() - first[20:].mean()) > 10 * first[:20].std()
    assert explained[0] > 0.9 >= explained[1] >= 0
    assert np.isfinite(principal_places(np.zeros((5, 32, 32), np.uint8))[0]).all(), "all alike"
    assert principal_places(np.zeros((2, 32, 32), np.uint8))[0].shape == (2, 2)


def test_a_sheet_holds_each_picture_in_its_tile():
    pictures = np.stack([np.full((32, 32), value, np.uint8) for value in (0, 100, 200)])
    sheet = cv2.imdecode(np.frombuffer(tile_sheet(pictures), np.uint8), cv2.IMREAD_GRAYSCALE)
    assert sheet.shape == (64, 64)
    assert abs(int(sheet[:32, 32:].mean()) - 100) <= 2 and abs(int(sheet[32:, :32].mean()) - 200) <= 2
    assert tile_sheet(pictures[:0]) == b""


def test_the_map_is_made_once_and_again_when_the_index_changes(
    workspace, folder, picture, write_picture, monkeypatch
):
    build_index(workspace, folder, name="set")
    made = load_map(workspace, "set")
    assert list(made.rows) == list(np.flatnonzero(load_index(workspace, "set")["status"] == "ok"))
    monkeypatch.setattr(module, "principal_places", None)  # from here on only what is kept can be had
    again = load_map(workspace, "set")
    np.testing.assert_array_equal(again.places, made.places)
    assert (again.sheet, again.explained, again.readable) == (made.sheet, made.explained, made.readable)
    monkeypatch.undo()
    write_picture(folder / "pCT" / "further.png", picture(77, size=90))
    build_index(workspace, folder, name="set")
    assert len(load_map(workspace, "set").rows) == len(made.rows) + 1


def test_a_map_of_many_slices_is_drawn_evenly_and_says_of_how_many(workspace, folder, monkeypatch):
    build_index(workspace, folder, name="set")
    monkeypatch.setattr(module, "MOST_SLICES", 3)
    monkeypatch.setattr(module, "_BATCH", 2)
    drawn = load_map(workspace, "set")
    readable = np.flatnonzero(load_index(workspace, "set")["status"] == "ok")
    assert len(drawn.rows) == 3 and drawn.readable == len(readable)
    assert drawn.rows[0] == readable[0] and drawn.rows[-1] == readable[-1]
