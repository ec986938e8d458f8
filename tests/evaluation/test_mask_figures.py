"""Means over slices with known masks."""

from __future__ import annotations

import pytest

from pipeline.evaluation.mask_figures import mean_over_groups


def test_the_mean_leaves_out_what_is_not_known() -> None:
    estimate, n = mean_over_groups([0.5, None, 1.0, 0.9, 0.8, 0.7, 0.6], list("abcdefg"))
    assert n == 6 and estimate.value == pytest.approx(0.75)
    assert estimate.low is not None and estimate.high is not None
    assert estimate.low < 0.75 < estimate.high


def test_repeating_a_patients_slices_does_not_narrow_the_interval() -> None:
    values, groups = [0.2, 0.4, 0.5, 0.7, 0.9, 1.0], list("abcdef")
    once, _ = mean_over_groups(values, groups)
    thrice, n = mean_over_groups(values * 3, groups * 3)
    assert n == 18 and thrice.low == pytest.approx(once.low) and thrice.high == pytest.approx(once.high)


def test_few_groups_have_no_interval_and_none_has_no_value() -> None:
    few, n = mean_over_groups([0.5, 1.0], ["a", "b"])
    assert n == 2 and few.value == 0.75 and few.low is None
    nothing, n = mean_over_groups([None], ["a"])
    assert n == 0 and nothing.value is None and nothing.reason
