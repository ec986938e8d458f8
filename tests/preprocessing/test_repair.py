"""What a repair takes back for lung, and what it must leave."""

import cv2
import numpy as np

from pipeline.preprocessing.lungs.body import Body
from pipeline.preprocessing.lungs.repair import fill_holes_and_dents
from tests.preprocessing.conftest import ellipse


def body_of(mask: np.ndarray) -> Body:
    left, top, width, height = cv2.boundingRect(mask)
    return Body(
        mask, np.zeros_like(mask), 100.0, 0.0, (left, top, width, height), cv2.countNonZero(mask), 90.0
    )


BODY = body_of(ellipse(256, (128, 128), (112, 84)).astype(np.uint8) * 255)


def repaired(lung: np.ndarray) -> np.ndarray:
    picture = lung.astype(np.uint8) * 255
    return fill_holes_and_dents(picture, origin=(0, 0), body=BODY, largest_hole=100, depth=1.5) > 0


def test_a_dent_at_the_ribs_is_filled_and_the_hollow_of_the_heart_is_not():
    lung = ellipse(256, (80, 124), (40, 56))
    dent, heart = ellipse(256, (44, 140), (14, 14)) & lung, ellipse(256, (112, 124), (14, 14)) & lung
    kept = repaired(lung & ~dent & ~heart)
    assert kept[dent].mean() > 0.9
    assert not kept[heart].any()


def test_the_spine_between_two_joined_lungs_is_not_filled():
    lungs = ellipse(256, (92, 140), (34, 50)) | ellipse(256, (164, 140), (34, 50))
    lungs[120:130, 92:164] = True
    spine = ellipse(256, (128, 176), (5, 12))
    assert not repaired(lungs)[spine].any()
