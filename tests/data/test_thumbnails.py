"""Thumbnails: made once, kept under what they show, and averaged by class."""

import cv2
import numpy as np

from pipeline.data import thumbnails as module
from pipeline.data.index import build_index, load_index
from pipeline.data.thumbnails import MEAN_SIDE, SIDE, average_classes, load_thumbnail, reduce_to


def test_a_thumbnail_is_made_once_and_again_when_the_slice_changes(
    workspace, folder, picture, write_picture, monkeypatch
):
    write_picture(folder / "pCT" / "pCT1.png", picture(1, size=400))
    build_index(workspace, folder, name="set")
    row = load_index(workspace, "set").set_index("path", drop=False).loc["pCT/pCT1.png"]
    first = load_thumbnail(workspace, "set", row)
    assert cv2.imdecode(np.frombuffer(first, np.uint8), cv2.IMREAD_UNCHANGED).shape == (SIDE, SIDE)
    monkeypatch.setattr(module, "load_slice", None)  # from here on only what is kept can be had
    assert load_thumbnail(workspace, "set", row) == first
    monkeypatch.undo()
    write_picture(folder / "pCT" / "pCT1.png", picture(2, size=400))
    build_index(workspace, folder, name="set")
    changed = load_index(workspace, "set").set_index("path", drop=False).loc["pCT/pCT1.png"]
    assert load_thumbnail(workspace, "set", changed) != first


def test_half_a_thumbnail_is_made_again(workspace, folder):
    build_index(workspace, folder, name="set")
    row = load_index(workspace, "set").iloc[0]
    whole = load_thumbnail(workspace, "set", row)
    (kept,) = (workspace.dataset_dir("set") / "thumbnails").rglob("*.jpg")
    kept.write_bytes(whole[:100])
    assert load_thumbnail(workspace, "set", row) == whole


def test_what_cannot_be_read_any_more_has_no_thumbnail(workspace, folder):
    build_index(workspace, folder, name="set")
    row = load_index(workspace, "set").iloc[0]
    (folder / row["path"]).unlink()
    assert load_thumbnail(workspace, "set", row) is None
    assert load_thumbnail(workspace, "set", dict(row) | {"status": "corrupt"}) is None


def test_dicom_is_shown_in_the_lung_window(workspace, write_dicom):
    stored = np.full((64, 64), 1024 - 600, np.int16)  # -600 HU, the middle of the window
    build_index(workspace, write_dicom(stored=stored).parent, name="set")
    data = load_thumbnail(workspace, "set", load_index(workspace, "set").iloc[0])
    assert abs(int(cv2.imdecode(np.frombuffer(data, np.uint8), 0).mean()) - 128) <= 2


def test_reducing_keeps_the_shape_and_never_enlarges():
    assert reduce_to(np.zeros((400, 200), np.uint8), side=100).shape == (100, 50)
    assert reduce_to(np.zeros((3, 2000), np.uint8), side=100).shape == (1, 100)
    assert reduce_to(np.zeros((40, 20), np.uint8), side=100).shape == (40, 20)


def test_the_average_of_a_class_is_its_mean_and_spread(workspace, tmp_path, write_picture):
    for name, value in (("a", 40), ("b", 60)):
        write_picture(tmp_path / "slices" / "pCT" / f"{name}.png", np.full((256, 256), value, np.uint8))
    write_picture(tmp_path / "slices" / "loose.png", np.full((64, 32), 9, np.uint8))
    build_index(workspace, tmp_path / "slices", name="set")
    means = {mean.label: mean for mean in average_classes(workspace, "set", load_index(workspace, "set"))}
    assert set(means) == {"positive", "unlabelled"}
    assert means["positive"].slices == 2
    assert means["positive"].mean.shape == (MEAN_SIDE, MEAN_SIDE)
    assert (means["positive"].mean == 50).all() and (means["positive"].deviation == 10).all()
