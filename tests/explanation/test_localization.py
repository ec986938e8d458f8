import numpy as np
import pytest

from pipeline.explanation.localization import localization, overlap_of_hottest, points_into

LESION = np.zeros((10, 10), np.uint8)
LESION[2:4, 2:4] = 1


def test_a_map_of_the_lesion_has_all():
    assert localization(LESION.astype(float), LESION) == {"pointing": 1.0, "heat": 1.0, "overlap": 1.0}


def test_a_map_of_everything_else_has_nothing():
    assert localization(1.0 - LESION, LESION) == {"pointing": 0.0, "heat": 0.0, "overlap": 0.0}


def test_a_map_without_anything_positive_points_nowhere():
    assert localization(-LESION.astype(float), LESION) == {"pointing": 0.0, "heat": 0.0, "overlap": 0.0}
    assert not points_into(np.zeros((10, 10)), np.ones((10, 10)))


def test_the_scale_of_a_map_does_not_matter():
    values = np.random.default_rng(0).uniform(0.1, 1, (10, 10))
    assert localization(1000 * values, LESION) == pytest.approx(localization(values, LESION))


def test_overlap_is_by_equal_area():
    values = np.zeros((10, 10))
    values[2:4, 3:5] = 1  # shifted by one column: half of each
    assert overlap_of_hottest(values, LESION) == pytest.approx(2 / 6)
    assert overlap_of_hottest(values, np.zeros((10, 10))) is None
