"""Marks drawn in colour: filled from what is around them, while grey slices stay as they are."""

import cv2
import numpy as np
import pytest

from pipeline.data.colour import COLOUR_NOTE, FILLED_NOTE, find_color_marks, grey_of_color
from pipeline.data.phantom import generate_patient
from pipeline.data.raster import decode_raster
from pipeline.data.statistics import display_grey

RED, YELLOW, CYAN, GREEN = (0, 0, 255), (0, 255, 255), (255, 255, 0), (0, 255, 0)


@pytest.fixture(scope="module")
def grey():
    """A phantom with much lung, (512, 512) uint8."""
    most = max(generate_patient(3), key=lambda piece: piece.lung_mask.sum())
    return display_grey(most.slice_hu, intensity="hu")


def marked(grey):
    """Draw an arrow, a circle about a lesion and a letter, with soft edges."""
    colour = cv2.merge([grey] * 3)
    cv2.arrowedLine(colour, (60, 420), (150, 320), YELLOW, 3, cv2.LINE_AA, tipLength=0.35)
    cv2.circle(colour, (350, 260), 40, RED, 2, cv2.LINE_AA)
    cv2.putText(colour, "R", (20, 250), cv2.FONT_HERSHEY_SIMPLEX, 1.0, GREEN, 2, cv2.LINE_AA)
    return colour


def read(colour, extension=".png", *options):
    format = {".jpg": "jpeg"}.get(extension, extension[1:])
    return decode_raster(cv2.imencode(extension, colour, list(options))[1].tobytes(), format=format)


@pytest.mark.parametrize(
    ("extension", "options"),
    [
        (".png", ()),
        (".bmp", ()),
        (".tiff", ()),
        (".jpg", (cv2.IMWRITE_JPEG_QUALITY, 95)),
        (".jpg", (cv2.IMWRITE_JPEG_QUALITY, 75)),
    ],
)
def test_a_slice_with_marks_is_nearly_the_one_without(grey, extension, options):
    drawn = marked(grey)
    found = read(drawn, extension, *options)
    unmarked = read(cv2.merge([grey] * 3), extension, *options).image.astype(int)
    near = cv2.dilate(np.any(drawn != grey[..., None], axis=2).astype(np.uint8), np.ones((9, 9))) > 0
    left = np.abs(found.image - unmarked)[near].mean()
    untreated = np.abs(cv2.cvtColor(drawn, cv2.COLOR_BGR2GRAY) - unmarked)[near].mean()
    assert left < 0.35 * untreated
    far = ~(cv2.dilate(near.astype(np.uint8), np.ones((33, 33))) > 0)  # beyond a JPEG's blocks
    assert np.abs(found.image - unmarked)[far].max() <= 1
    assert (found.notes, found.channels_equal) == ((COLOUR_NOTE, FILLED_NOTE), False)
    assert 0 < found.color_share < 0.03


@pytest.mark.parametrize("extension", [".png", ".jpg", ".bmp", ".tiff"])
def test_grey_in_three_channels_stays_as_it_is(grey, extension):
    """Noise that JPEG leaves in no channel alone is no colour."""
    found = read(cv2.merge([grey] * 3), extension)
    stored = cv2.imdecode(cv2.imencode(extension, cv2.merge([grey] * 3))[1], cv2.IMREAD_GRAYSCALE)
    np.testing.assert_array_equal(found.image, stored)
    assert (found.notes, found.color_share) == ((), 0)


def test_16_bit_colour_is_filled_as_well(grey):
    drawn = marked(grey).astype(np.uint16) * 257
    found, plain = read(drawn), read(cv2.merge([grey.astype(np.uint16) * 257] * 3))
    assert FILLED_NOTE in found.notes
    assert np.abs(found.image.astype(int) - plain.image).mean() < 1


def test_a_patch_painted_over_the_slice_is_left_and_told(grey):
    """Under it the slice shows through; a fill would make healthy lung of a lesion."""
    colour = cv2.merge([grey] * 3)
    painted = colour.copy()
    cv2.circle(painted, (350, 260), 24, RED, cv2.FILLED)
    mixed = cv2.addWeighted(colour, 0.6, painted, 0.4, 0)
    found = read(mixed)
    np.testing.assert_array_equal(found.image, cv2.cvtColor(mixed, cv2.COLOR_BGR2GRAY))
    assert found.notes == (COLOUR_NOTE,)


def test_much_colour_and_a_pale_tint_are_no_marks(grey):
    colour = cv2.merge([grey] * 3)
    covered = colour.copy()
    for row in range(0, 512, 24):
        cv2.line(covered, (0, row), (511, row), CYAN, 2)
    tinted = np.clip(colour.astype(int) + (0, 10, 30), 0, 255).astype(np.uint8)
    assert not find_color_marks(covered).any()
    assert not find_color_marks(tinted).any()
    np.testing.assert_array_equal(grey_of_color(tinted)[0], cv2.cvtColor(tinted, cv2.COLOR_BGR2GRAY))
