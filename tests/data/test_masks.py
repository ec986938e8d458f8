"""Known masks: those of phantoms, and a folder that the user names."""

from __future__ import annotations

from pathlib import Path

import cv2
import nibabel
import numpy as np
import pytest

from pipeline.data.index import build_index, load_index
from pipeline.data.masks import MaskFolderError, load_masks, mask_folders, name_mask_folder
from pipeline.data.phantom.writing import write_phantoms
from pipeline.data.pins import pin_slices, pinned_slices, unpin_slices
from pipeline.workspace import Workspace


@pytest.fixture
def slices(workspace: Workspace, tmp_path: Path) -> Workspace:
    """A data set of two slices without masks."""
    for name in ("pCT/a", "nCT/b"):
        path = tmp_path / "slices" / f"{name}.png"
        path.parent.mkdir(parents=True)
        cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 255, (40, 50), np.uint8))
    build_index(workspace, tmp_path / "slices", name="mine")
    return workspace


def test_phantoms_bring_their_masks_along(workspace: Workspace, tmp_path: Path) -> None:
    write_phantoms(tmp_path / "phantoms", seeds=[3], slices=6)
    build_index(workspace, tmp_path / "phantoms", name="phantoms")
    index = load_index(workspace, "phantoms")
    found = [load_masks(workspace, "phantoms", dict(row)) for _, row in index.iterrows()]
    assert all(each.lungs is not None and each.lesions is not None for each in found)
    assert any(each.lesions.any() for each in found if each.lesions is not None)


def test_a_named_folder_is_searched_by_path_and_by_stem(slices: Workspace, tmp_path: Path) -> None:
    mask = np.zeros((40, 50), np.uint8)
    mask[5:9, 5:9] = 255
    (tmp_path / "masks" / "pCT").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "masks" / "pCT" / "a.png"), mask)
    volume = nibabel.Nifti1Image(np.ones((50, 40, 1), np.uint8), np.eye(4))
    nibabel.save(volume, tmp_path / "masks" / "b.nii.gz")
    assert mask_folders(slices, "mine") == {}
    name_mask_folder(slices, "mine", "lungs", str(tmp_path / "masks"))
    first = load_masks(slices, "mine", {"path": "pCT/a.png", "frame": 0})
    assert first.lungs is not None and first.lungs.sum() == 16 and first.lesions is None
    second = load_masks(slices, "mine", {"path": "nCT/b.png", "frame": 0})
    assert second.lungs is not None and second.lungs.shape == (40, 50) and second.lungs.all()
    name_mask_folder(slices, "mine", "lungs", "")
    assert not load_masks(slices, "mine", {"path": "pCT/a.png", "frame": 0})


def test_a_stem_that_two_masks_share_means_neither(slices: Workspace, tmp_path: Path) -> None:
    for side in ("one", "two"):
        (tmp_path / "masks" / side).mkdir(parents=True)
        cv2.imwrite(str(tmp_path / "masks" / side / "a.png"), np.zeros((40, 50), np.uint8))
    name_mask_folder(slices, "mine", "lungs", str(tmp_path / "masks"))
    assert not load_masks(slices, "mine", {"path": "pCT/a.png", "frame": 0})


def test_masks_that_come_and_go_in_subfolders_are_found_anew(slices: Workspace, tmp_path: Path) -> None:
    """A search by stem lists a folder tree once, and again when a file in any of its folders came or went."""
    masks, row = tmp_path / "masks", {"path": "pCT/a.png", "frame": 0}
    (masks / "deep" / "one").mkdir(parents=True)
    cv2.imwrite(str(masks / "deep" / "one" / "other.png"), np.zeros((40, 50), np.uint8))
    name_mask_folder(slices, "mine", "lungs", str(masks))
    assert not load_masks(slices, "mine", row)
    cv2.imwrite(str(masks / "deep" / "one" / "a.png"), np.full((40, 50), 255, np.uint8))
    assert load_masks(slices, "mine", row)
    (masks / "deep" / "two").mkdir()
    cv2.imwrite(str(masks / "deep" / "two" / "a.png"), np.full((40, 50), 255, np.uint8))
    assert not load_masks(slices, "mine", row), "two files of one stem"
    (masks / "deep" / "one" / "a.png").unlink()
    assert load_masks(slices, "mine", row)


def test_a_mask_that_cannot_be_read_is_said(slices: Workspace, tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks" / "a.png").write_bytes(b"no picture")
    name_mask_folder(slices, "mine", "lungs", str(tmp_path / "masks"))
    found = load_masks(slices, "mine", {"path": "pCT/a.png", "frame": 0})
    assert not found and "a.png cannot be read" in found.problem


@pytest.mark.parametrize("folder", ["nowhere", "slices/../empty"])
def test_a_folder_without_masks_is_refused(slices: Workspace, tmp_path: Path, folder: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(MaskFolderError, match=r"Give the folder|holds no mask"):
        name_mask_folder(slices, "mine", "lungs", str(tmp_path / folder))


def test_pins_stay_in_the_order_they_were_set(slices: Workspace) -> None:
    assert pinned_slices(slices, "mine") == []
    pin_slices(slices, "mine", ["b", "a"])
    pin_slices(slices, "mine", ["a", "c"])
    assert pinned_slices(slices, "mine") == ["b", "a", "c"]
    unpin_slices(slices, "mine", ["a", "never"])
    assert pinned_slices(slices, "mine") == ["b", "c"]
