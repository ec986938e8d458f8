import cv2
import numpy as np
import pytest

from pipeline.preprocessing.lungs.body import Body
from pipeline.preprocessing.lungs.verdict import judge_mask


def body_of(size: int = 100) -> Body:
    mask = np.zeros((size, size), np.uint8)
    mask[10:90, 5:95] = 255
    return Body(mask, np.zeros_like(mask), 100.0, None, (5, 10, 90, 80), int(cv2.countNonZero(mask)), 90.0)


def mask_with(*boxes) -> np.ndarray:
    mask = np.zeros((100, 100), np.uint8)
    for rows, columns in boxes:
        mask[rows, columns] = 255
    return mask


LEFT, RIGHT = (slice(30, 70), slice(15, 40)), (slice(30, 70), slice(60, 85))


def test_two_solid_sides_inside_the_body_are_believed():
    verdict = judge_mask(mask_with(LEFT, RIGHT), body_of())
    assert verdict.plausible and verdict.reasons == ()
    assert verdict.lung_fraction == pytest.approx(2000 / 7200)
    assert dict(verdict.measures)["symmetry"] == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(
    ("mask", "reason"),
    [
        (mask_with(), "No lung was found"),
        (mask_with((slice(40, 48), slice(20, 28)), (slice(40, 48), slice(70, 78))), "Little lung: 1.8%"),
        (mask_with((slice(10, 90), slice(5, 95))), "More than lungs can be: 100%"),
        (mask_with(LEFT), "One side only: .* 0%"),
        (mask_with(LEFT, RIGHT, (slice(0, 10), slice(40, 60))), "Outside the body: 9%"),
        (
            mask_with((slice(20, 80), slice(15, 85, 2)), (slice(20, 80, 8), slice(15, 85))) & mask_with(LEFT),
            "",
        ),
    ],
)
def test_every_doubt_is_a_sentence(mask, reason):
    verdict = judge_mask(mask, body_of())
    assert not verdict.plausible
    if reason:
        assert any(__import__("re").search(reason, sentence) for sentence in verdict.reasons), verdict.reasons


def test_a_cross_of_threads_is_ragged():
    threads = mask_with(
        (slice(48, 52), slice(10, 90)), (slice(20, 80), slice(30, 33)), (slice(20, 80), slice(66, 69))
    )
    assert any(sentence.startswith("Ragged") for sentence in judge_mask(threads, body_of()).reasons)


def test_crescents_around_the_diaphragm_are_believed():
    """They fill as little of their hulls as threads do, but they are thick."""
    wide, dome = np.zeros((400, 400), np.uint8), np.zeros((400, 400), np.uint8)
    body = cv2.ellipse(wide.copy(), (200, 200), (190, 150), 0, 0, 360, 255, cv2.FILLED)
    cv2.ellipse(wide, (200, 200), (160, 120), 0, 0, 180, 255, cv2.FILLED)
    cv2.ellipse(dome, (200, 190), (145, 110), 0, 0, 360, 255, cv2.FILLED)
    crescent = cv2.bitwise_and(wide, cv2.bitwise_not(dome))
    verdict = judge_mask(
        crescent,
        Body(body, np.zeros_like(body), 100.0, None, (10, 50, 381, 301), int(cv2.countNonZero(body)), 90.0),
    )
    assert dict(verdict.measures)["solidity"] < 0.35
    assert verdict.plausible, verdict.reasons


def test_a_side_much_smaller_than_the_other_is_believed_with_a_suspicion():
    half = (slice(30, 48), slice(60, 85))  # as where a lobe is solid: 45 % of the other side
    verdict = judge_mask(mask_with(LEFT, half), body_of())
    assert verdict.plausible
    assert verdict.suspicion is not None and "One side has 49% of the other's area" in verdict.suspicion


@pytest.mark.parametrize(
    "mask",
    [
        mask_with(LEFT, RIGHT),
        mask_with(LEFT, (slice(30, 55), slice(60, 85))),  # 62 %: a large heart
        mask_with((slice(50, 70), slice(15, 30)), (slice(60, 70), slice(70, 80))),  # the lungs' ends
        mask_with(LEFT),  # not believed, with a reason of its own
    ],
)
def test_even_sides_and_the_ends_of_the_lungs_are_above_suspicion(mask):
    assert judge_mask(mask, body_of()).suspicion is None


def test_without_a_body_there_is_nothing_to_judge():
    nothing = np.zeros((10, 10), np.uint8)
    verdict = judge_mask(nothing, Body(nothing, nothing, 0.0, None, (0, 0, 0, 0), 0, 0.0))
    assert not verdict.plausible and "one colour" in verdict.reasons[0]


def test_a_single_pixel_is_too_little_lung():
    """It falls between the pixels that sides are compared in."""
    mask = np.zeros((100, 100), np.uint8)
    mask[51, 31] = 255
    verdict = judge_mask(mask, body_of())
    assert not verdict.plausible and verdict.reasons[0].startswith("Little lung")
