"""Pictures: what is decoded, and what is refused before a pixel is."""

import struct
import zlib

import cv2
import numpy as np
import pytest

from pipeline.data.colour import COLOUR_NOTE
from pipeline.data.raster import decode_raster
from pipeline.data.slice_image import SliceError, stored_range_to_grey


def encode(image, extension=".png", *options):
    return cv2.imencode(extension, image, list(options))[1].tobytes()


def test_an_8_bit_png_is_read_as_it_is(picture):
    read = decode_raster(encode(picture(1)), format="png")
    np.testing.assert_array_equal(read.image, picture(1))
    assert (read.intensity, read.bit_depth, read.channels, read.channels_equal) == ("grey", 8, 1, True)


def test_equal_channels_are_reduced_to_one_exactly(picture):
    grey = picture(1)
    read = decode_raster(encode(cv2.merge([grey, grey, grey])), format="png")
    np.testing.assert_array_equal(read.image, grey)
    assert (read.channels, read.channels_equal, read.notes) == (3, True, ())


def test_rgba_says_four_channels(picture):
    grey = picture(1)
    read = decode_raster(encode(cv2.merge([grey, grey, grey, np.full_like(grey, 255)])), format="png")
    np.testing.assert_array_equal(read.image, grey)
    assert (read.channels, read.channels_equal) == (4, True)


@pytest.mark.parametrize("extension", [".png", ".jpg", ".bmp", ".tiff"])
def test_a_colour_arrow_is_noticed_and_the_slice_still_read(picture, extension):
    colour = cv2.merge([picture(1)] * 3)
    cv2.arrowedLine(colour, (5, 5), (40, 40), (0, 0, 255), 2)
    read = decode_raster(encode(colour, extension), format={".jpg": "jpeg"}.get(extension, extension[1:]))
    assert read.image.shape == (64, 64)
    assert not read.channels_equal and COLOUR_NOTE in read.notes


def test_a_grey_jpeg_in_three_channels_is_no_colour_image(picture):
    read = decode_raster(encode(cv2.merge([picture(1)] * 3), ".jpg"), format="jpeg")
    assert (read.channels, read.channels_equal) == (3, True)


@pytest.mark.parametrize("extension", [".png", ".tiff"])
def test_16_bits_are_mapped_from_least_to_greatest(extension):
    deep = np.linspace(1000, 5000, 64 * 64).reshape(64, 64).astype(np.uint16)
    read = decode_raster(encode(deep, extension), format=extension[1:])
    assert (read.bit_depth, read.image.min(), read.image.max()) == (16, 0, 255)
    assert (np.diff(read.image.ravel().astype(int)) >= 0).all()


def test_the_stored_range_ignores_padding():
    stored = np.array([[-2000, 0], [50, 100]], np.int16)
    grey = stored_range_to_grey(stored, bit_depth=16, ignore=stored == -2000)
    np.testing.assert_array_equal(grey, [[0, 0], [128, 255]])


def test_pages_of_a_tiff_are_frames(tmp_path, picture):
    path = tmp_path / "pages.tiff"
    assert cv2.imwritemulti(str(path), [picture(1), picture(2)])
    data = path.read_bytes()
    first, second = (decode_raster(data, format="tiff", frame=frame) for frame in (0, 1))
    np.testing.assert_array_equal(second.image, picture(2))
    assert (first.frames, second.frame) == (2, 1)
    with pytest.raises(SliceError, match="page 3"):
        decode_raster(data, format="tiff", frame=2)


@pytest.mark.parametrize(("extension", "format"), [(".png", "png"), (".jpg", "jpeg")])
def test_a_cut_off_file_is_truncated_and_never_half_grey(picture, extension, format):
    data = encode(picture(1), extension)
    for share in (0.5, 0.9):
        with pytest.raises(SliceError) as caught:
            decode_raster(data[: int(len(data) * share)], format=format)
        assert caught.value.code == "truncated"


def test_damaged_pixels_are_corrupt(picture):
    data = bytearray(encode(picture(1)))
    data[len(data) // 2] ^= 0xFF
    with pytest.raises(SliceError) as caught:
        decode_raster(bytes(data), format="png")
    assert caught.value.code == "corrupt"


def png_header(width, height):
    """A PNG that claims a size and holds nothing."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("size", "code"), [((14000, 14000), "too-large"), ((30000, 30000), "too-large"), ((1, 1), "too-small")]
)
def test_the_claimed_size_is_judged_before_anything_is_decoded(size, code):
    with pytest.raises(SliceError) as caught:
        decode_raster(png_header(*size), format="png")
    assert caught.value.code == code
    assert "pixels" in caught.value.reason
