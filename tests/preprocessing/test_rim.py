"""Where the rim of a lung mask runs."""

import cv2
import numpy as np

from pipeline.preprocessing.lungs.body import Body
from pipeline.preprocessing.lungs.rim import move_rim

WHOLE = np.full((60, 60), 255, np.uint8)
BODY = Body(WHOLE, np.zeros_like(WHOLE), 140.0, 0.0, (0, 0, 60, 60), WHOLE.size, 120.0)


def moved(grey: np.ndarray) -> np.ndarray:
    mask = np.zeros_like(WHOLE)
    mask[20:40, 20:40] = 255
    return move_rim(mask, grey, BODY) > 0


def test_a_blurred_border_beside_dark_lung_moves_in():
    """The rim's pixels hold more tissue than lung."""
    grey = np.full((60, 60), 200, np.uint8)
    grey[21:39, 21:39] = 40
    grey[20, 20:40] = 130
    rim = moved(grey)
    assert not rim[20, 25:35].any() and rim[21, 25:35].all()


def test_the_border_of_disease_moves_out_by_a_pixel():
    found = moved(np.full((60, 60), 200, np.uint8))
    assert found[19, 20:40].all() and not found[18].any()
    assert cv2.countNonZero(found.astype(np.uint8)) == 20 * 20 + 4 * 20
