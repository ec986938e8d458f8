"""Augmentation: what is drawn depends on (seed, epoch, position) alone; one affine moves and reduces."""

import numpy as np
import pytest

from pipeline.preprocessing.geometry import to_model_input
from pipeline.training.augment import Change, augment_slice, draw_affines, draw_changes, network_slice
from pipeline.training.config import Augmentation
from pipeline.training.shades import shade_table

IDENTITY = np.array([[1.0, 0, 0], [0, 1, 0]])
STILL = Change(IDENTITY)
GREYS = {"brightness": 0.1, "contrast": 0.2, "gamma": 0.3, "noise": 0.05, "blur": 1.0, "cutout": 0.4}


def only(**ranges: float) -> Augmentation:
    return Augmentation(rotation=0, translation=0, zoom=0, **ranges)


def dot(row: int, column: int, size: int = 64) -> np.ndarray:
    image = np.zeros((size, size), np.uint8)
    image[row - 2 : row + 3, column - 2 : column + 3] = 255
    return image


def center(image: np.ndarray) -> tuple[float, float]:
    """Return the row and column of the centre of mass."""
    weights = image[..., 0] / image.sum()
    rows, columns = np.indices(weights.shape)
    return float((rows * weights).sum()), float((columns * weights).sum())


def test_draws_repeat_and_an_epochs_beginning_does_not_depend_on_its_length():
    draw = {"augment": Augmentation(), "size": 64, "seed": 3, "epoch": 5}
    first = draw_affines(count=10, **draw)
    np.testing.assert_array_equal(first, draw_affines(count=10, **draw))
    np.testing.assert_array_equal(first[:4], draw_affines(count=4, **draw))
    assert not np.allclose(first, draw_affines(count=10, **draw | {"epoch": 6}))
    assert not np.allclose(first, draw_affines(count=10, **draw | {"seed": 4}))


def test_draws_stay_in_their_ranges_and_fill_them():
    augment = Augmentation(rotation=10, translation=0.1, zoom=0.2)
    affines = draw_affines(augment, count=2000, size=100, seed=0, epoch=0)
    angles = np.degrees(np.arctan2(affines[:, 0, 1], affines[:, 0, 0]))
    scales = np.hypot(affines[:, 0, 0], affines[:, 0, 1])
    middle = affines[:, :, :2] @ np.full(2, 49.5) + affines[:, :, 2] - 49.5
    assert 9.9 < np.abs(angles).max() <= 10
    assert 1 / 1.2 <= scales.min() < 0.84
    assert 1.19 < scales.max() <= 1.2
    assert 9.9 < np.abs(middle).max() <= 10


def test_no_augmentation_changes_nothing():
    affines = draw_affines(Augmentation.none(), count=3, size=64, seed=0, epoch=0)
    np.testing.assert_allclose(affines, np.broadcast_to(IDENTITY, (3, 2, 3)), atol=1e-12)


@pytest.mark.parametrize("image_size", [64, 32, 16])
def test_unmoved_slices_look_as_in_prediction(image_size):
    """Whole factors: the same area averages, up to rounding to whole grey values."""
    image = np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8)
    moved = augment_slice(image, STILL, image_size=image_size)
    expected = to_model_input(image, image_size=image_size, channels=1)
    assert (moved.dtype, moved.shape) == (np.float32, (image_size, image_size, 1))
    np.testing.assert_allclose(moved, expected, atol=0.51)


def test_reducing_by_any_factor_keeps_places():
    rows, columns = np.indices((64, 64))
    blob = 255 * np.exp(-((rows - 20) ** 2 + (columns - 40) ** 2) / 32)
    moved = augment_slice(np.rint(blob).astype(np.uint8), STILL, image_size=28)
    row, column = center(moved)
    assert row == pytest.approx((20 + 0.5) * 28 / 64 - 0.5, abs=0.05)
    assert column == pytest.approx((40 + 0.5) * 28 / 64 - 0.5, abs=0.05)


def test_a_shift_moves_and_brings_black_in():
    shift = np.array([[1.0, 0, 10], [0, 1, -4]])
    moved = augment_slice(np.full((64, 64), 200, np.uint8), Change(shift), image_size=64)
    assert moved[:, :10].max() == 0
    assert moved[-4:].max() == 0
    assert moved[:-4, 10:].min() == 200


def test_a_quarter_turn_turns_around_the_middle():
    quarter = np.array([[0.0, 1, 0], [-1, 0, 63]])  # counter-clockwise: right goes up
    row, column = center(augment_slice(dot(31, 50), Change(quarter), image_size=64))
    assert (row, column) == (pytest.approx(13), pytest.approx(31))


def test_mirroring_is_drawn_for_half_and_only_on_request():
    still = Augmentation(rotation=0, translation=0, zoom=0, horizontal_flip=True)
    mirrored = draw_affines(still, count=1000, size=64, seed=0, epoch=0)[:, 0, 0] < 0
    assert 450 < mirrored.sum() < 550
    place = int(np.flatnonzero(mirrored)[0])
    affine = draw_affines(still, count=1000, size=64, seed=0, epoch=0)[place]
    row, column = center(augment_slice(dot(20, 10), Change(affine), image_size=64))
    assert (row, column) == (pytest.approx(20), pytest.approx(53))
    assert (draw_affines(Augmentation(), count=1000, size=64, seed=0, epoch=0)[:, 0, 0] > 0).all()


def test_colour_slices_stay_in_colour_and_inputs_unchanged():
    image = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    before = image.copy()
    affine = draw_changes(Augmentation(**GREYS), count=1, size=64, seed=0, epoch=0)[0]
    assert network_slice(image, affine, image_size=32).shape == (32, 32, 3)
    assert network_slice(image, None, image_size=32).shape == (32, 32, 3)
    np.testing.assert_array_equal(image, before)


def test_slices_lean_by_no_more_than_asked_and_the_other_draws_stay():
    leaning = draw_affines(only(shear=20), count=2000, size=100, seed=0, epoch=0)
    slopes = leaning[:, 0, 1] / leaning[:, 0, 0]
    assert 19.5 < np.degrees(np.arctan(np.abs(slopes))).max() <= 20
    np.testing.assert_allclose(leaning[:, 1, 0], 0, atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(leaning[:, :, :2]), 1)
    usual, sheared = (
        draw_affines(Augmentation(shear=degrees), count=50, size=64, seed=0, epoch=0) for degrees in (0, 20)
    )
    np.testing.assert_array_equal(usual[:, :, 0], sheared[:, :, 0])


@pytest.mark.parametrize("name", GREYS)
def test_each_change_of_greys_is_a_function_of_seed_epoch_and_position(name):
    image = np.random.default_rng(0).integers(40, 200, (64, 64), dtype=np.uint8)

    def look(place: int, **other: int) -> np.ndarray:
        where = {"count": 5, "size": 64, "seed": 3, "epoch": 2} | other
        return network_slice(image, draw_changes(only(**{name: GREYS[name]}), **where)[place], image_size=64)

    np.testing.assert_array_equal(look(1), look(1))
    np.testing.assert_array_equal(look(1), look(1, count=2))
    others = [look(2), look(1, seed=4), look(1, epoch=3), network_slice(image, None, image_size=64)]
    assert all(not np.array_equal(look(1), other) for other in others)
    assert look(1).min() >= 0
    assert look(1).max() <= 255


def test_greys_stay_in_their_ranges():
    image = np.full((64, 64), 127, np.uint8)
    changes = draw_changes(only(brightness=0.1), count=500, size=64, seed=0, epoch=0)
    levels = np.array([network_slice(image, change, image_size=64)[0, 0, 0] for change in changes])
    assert 24 < np.abs(levels - 127).max() <= 25.5 + 0.01
    changes = draw_changes(only(noise=0.04), count=100, size=64, seed=0, epoch=0)
    spreads = np.array([network_slice(image, change, image_size=64).std() for change in changes])
    assert 9.5 < spreads.max() < 1.05 * 0.04 * 255
    assert spreads.min() < 0.6


def test_a_cut_out_is_one_black_square_no_larger_than_asked():
    image = np.full((64, 64), 200, np.uint8)
    changes = draw_changes(only(cutout=0.25), count=1500, size=64, seed=0, epoch=0)
    holes = [network_slice(image, change, image_size=64)[..., 0] == 0 for change in changes]
    sides = [(hole.any(axis=1).sum(), hole.any(axis=0).sum()) for hole in holes]
    assert max(map(max, sides)) == 16
    assert all(hole.sum() == rows * columns for hole, (rows, columns) in zip(holes, sides, strict=True))
    covered = np.mean(holes, axis=0)
    assert covered.min() > 0  # no place is safe from it


def test_masks_and_edges_keep_their_values_where_greys_change():
    image = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    change = draw_changes(only(brightness=0.2, noise=0.1, blur=2), count=1, size=64, seed=0, epoch=0)[0]
    seen = network_slice(image, change, image_size=64)
    np.testing.assert_array_equal(seen[..., 1:], image[..., 1:])
    assert not np.array_equal(seen[..., 0], image[..., 0])


def test_a_narrower_window_spreads_greys_around_the_middle():
    table = shade_table(brightness=0.0, contrast=2.0, gamma=1.0)
    assert table[[0, 63, 128, 255]].round().tolist() == [0.0, 0.0, 128.0, 255.0]
    darker = shade_table(brightness=0.0, contrast=1.0, gamma=2.0)
    assert darker[[0, 128, 255]].round().tolist() == [0.0, 64.0, 255.0]
