"""The quality a JPEG was written with is read off its head."""

import cv2
import numpy as np
import pytest

from pipeline.data.audit import audit_dataset
from pipeline.data.index import build_index
from pipeline.data.jpeg_quality import jpeg_quality


def encoded(image, quality):
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


@pytest.mark.parametrize("quality", [25, 40, 50, 75, 90, 95])
@pytest.mark.parametrize("colour", [False, True])
def test_the_quality_that_was_asked_for_is_found(picture, quality, colour):
    image = picture(1)
    found = jpeg_quality(encoded(cv2.merge([image] * 3) if colour else image, quality))
    assert found == pytest.approx(quality, abs=1)


@pytest.mark.parametrize("data", [b"", b"\xff\xd8", b"\x89PNG....", b"\xff\xd8\xff\xdb\x00\x00" * 3])
def test_what_has_no_table_has_no_quality(data):
    assert jpeg_quality(data) is None


def test_every_beginning_of_a_file_is_borne(picture):
    data = encoded(picture(1), 80)
    assert {jpeg_quality(data[:length]) for length in range(400)} == {None, 80}


def test_a_class_that_was_compressed_harder_is_named(workspace, tmp_path, picture, write_picture):
    for number in range(40):
        label, quality = (("pCT", 60), ("nCT", 92))[number % 2]
        noise = np.random.default_rng(number).normal(0, 8, (64, 64))
        image = np.clip(picture(number) + noise, 0, 255).astype(np.uint8)
        write_picture(tmp_path / "slices" / label / f"{number}.jpg", image, cv2.IMWRITE_JPEG_QUALITY, quality)
    build_index(workspace, tmp_path / "slices", name="set")
    report = audit_dataset(workspace, "set")
    (finding,) = [one for one in report.findings if one.code == "shortcut-jpeg_quality"]
    assert finding.severity == "bad" and finding.estimate["value"] == 1.0
    assert "It is 60 in 20 of 20 positive slices, and in 0 of 20 others" in finding.text
