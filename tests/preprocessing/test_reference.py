"""Found masks beside known ones: Dice, lesion recall, lost lesions."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.preprocessing.reference import MaskSizeError, compare_masks


def box(rows: slice, columns: slice) -> np.ndarray:
    mask = np.zeros((10, 10), np.uint8)
    mask[rows, columns] = 255
    return mask


def test_dice_and_recall_of_boxes_that_can_be_counted() -> None:
    found, lungs = box(np.s_[0:4], np.s_[0:4]), box(np.s_[0:4], np.s_[2:6])
    lesions = box(np.s_[0:2], np.s_[3:5]) | box(np.s_[8:10], np.s_[8:10])
    made = compare_masks(found, lungs=lungs, lesions=lesions)
    assert made.dice == pytest.approx(2 * 8 / 32)
    assert made.lesion_recall == pytest.approx(2 / 8)
    assert (made.lesions, made.lost, made.missed_pixels) == (2, 1, 6)  # one half inside, one wholly outside
    assert made.missed is not None and made.missed[9, 9] and not made.missed[0, 3]


def test_nothing_found_where_nothing_is_is_right() -> None:
    empty = np.zeros((10, 10), np.uint8)
    made = compare_masks(empty, lungs=empty, lesions=empty)
    assert made.dice == 1 and made.lesion_recall is None and made.lesions == 0


def test_what_is_not_known_is_not_said() -> None:
    made = compare_masks(box(np.s_[0:4], np.s_[0:4]))
    assert made.dice is None and made.lesion_recall is None and made.missed is None


def test_a_mask_of_another_size_is_refused() -> None:
    with pytest.raises(MaskSizeError, match="a mask has its slice's size"):
        compare_masks(np.zeros((10, 10)), lungs=np.zeros((5, 10)))
