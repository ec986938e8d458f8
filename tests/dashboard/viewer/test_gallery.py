"""Thumbnails: their size, their kind, and what is refused."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from dashboard.viewer import ViewerDataError, thumbnail


@pytest.mark.parametrize(("shape", "expected"), [((512, 256), (160, 80)), ((40, 60), (40, 60))])
def test_thumbnails_fit_and_are_never_enlarged(shape: tuple[int, int], expected: tuple[int, int]) -> None:
    data = np.frombuffer(thumbnail(np.zeros(shape, np.uint8)), np.uint8)
    picture = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    assert picture is not None
    assert picture.shape[:2] == expected


def test_colours_keep_their_order() -> None:
    red = np.zeros((16, 16, 3), np.uint8)
    red[..., 0] = 255
    picture = cv2.imdecode(np.frombuffer(thumbnail(red), np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture[8, 8, 2] > 240 > 20 > picture[8, 8, 0]


@pytest.mark.parametrize("image", [np.zeros((4, 4)), np.zeros((0, 4), np.uint8), np.zeros(4, np.uint8)])
def test_what_is_no_picture_is_refused(image: np.ndarray) -> None:
    with pytest.raises(ViewerDataError, match="uint8 grey or RGB"):
        thumbnail(image)
