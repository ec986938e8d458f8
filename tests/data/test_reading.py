"""Reading from outside: by content, in a sandbox where parsers are not to be trusted."""

import os
import time

import numpy as np
import psutil
import pytest

from pipeline.data import sandbox
from pipeline.data.formats import detect_format
from pipeline.data.reading import SliceError, read_slice, read_slice_bytes

# pydicom walks the boxes of a JP2 header by their lengths: one of length 0 keeps it there for ever.
ZERO_LENGTH_BOX = b"\x00\x00\x00\x0cjP  " + bytes(24)


def test_the_content_decides_and_not_the_name(folder, picture, write_picture):
    path = write_picture(folder / "lie.png", picture(1))
    path.rename(folder / "lie.dcm")
    assert read_slice(folder / "lie.dcm").format == "png"


def test_dicom_comes_through_the_sandbox_as_it_is(write_dicom):
    path = write_dicom()
    read = read_slice(path, key=b"k" * 32)
    assert (read.intensity, read.image.shape, read.image[0, 1]) == ("hu", (32, 32), -1023)
    assert read.header.patient_id.startswith("P-")
    assert read.image.flags.writeable
    same = read_slice_bytes(path.read_bytes(), key=b"k" * 32)
    np.testing.assert_array_equal(same.image, read.image)
    assert same.header == read.header


def test_reading_needs_no_name_of_the_patient(write_dicom):
    assert read_slice(write_dicom()).header.patient_id is None


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty-file"),
        (b"just a text", "not-an-image"),
        (b"GIF89a" + b"\0" * 200, "unsupported-format"),
        (b"\x89PNG\r\n\x1a\n", "corrupt"),
        (b"\xff\xd8\xff\xe0", "corrupt"),
        (b"II*\x00" + b"\xff" * 50, "corrupt"),
        (b"BM" + b"\0" * 60, "corrupt"),
        (b"\0" * 128 + b"DICM", "no-pixels"),
        (b"\0" * 128 + b"DICM" + b"\xff" * 40, "no-pixels"),
    ],
)
def test_a_bad_file_is_an_error_with_a_code_and_a_sentence(tmp_path, content, code):
    path = tmp_path / "bad.png"
    path.write_bytes(content)
    with pytest.raises(SliceError) as caught:
        read_slice(path)
    assert caught.value.code == code
    assert caught.value.reason.endswith(".")
    with pytest.raises(SliceError):
        read_slice_bytes(content)


def test_a_missing_file_a_folder_and_a_pipe_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name, code in (("nowhere.png", "missing-file"), ("", "not-a-file"), ("pipe", "not-a-file")):
        with pytest.raises(SliceError) as caught:
            read_slice(tmp_path / name)
        assert caught.value.code == code


def test_a_file_that_hangs_its_parser_is_given_up(write_dicom, monkeypatch):
    monkeypatch.setattr(sandbox.Worker.receive, "__kwdefaults__", {"timeout": 2.0})
    path = write_dicom()
    import pydicom
    from pydicom.encaps import encapsulate
    from pydicom.uid import JPEG2000Lossless

    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = JPEG2000Lossless
    dataset.PixelData = encapsulate([ZERO_LENGTH_BOX])
    dataset["PixelData"].is_undefined_length = True
    dataset.save_as(path)
    began = time.monotonic()
    with pytest.raises(SliceError) as caught:
        read_slice(path)
    assert caught.value.code == "timeout"
    assert time.monotonic() - began < 20
    assert read_slice(write_dicom("good.dcm")).intensity == "hu"  # the next file gets a new worker


def test_a_worker_that_dies_is_one_file_lost():
    worker = sandbox.Worker()
    worker.send({"verb": "read", "path": __file__, "frame": 0})
    assert worker.receive()[0]["error"][0] == "not-an-image"
    worker._process.kill()
    worker.send({"verb": "read", "path": __file__, "frame": 0})
    with pytest.raises(sandbox.WorkerDiedError) as caught:
        worker.receive()
    assert caught.value.as_slice_error().code == "crashed"
    worker.send({"verb": "read", "path": __file__, "frame": 0})
    assert worker.receive()[0]["error"][0] == "not-an-image"
    worker.close()


def test_no_worker_outlives_its_owner(write_dicom):
    worker = sandbox.Worker()
    worker.send({"verb": "read", "path": str(write_dicom()), "frame": 0})
    worker.receive()
    process = psutil.Process(worker._process.pid)
    worker.close()
    assert not process.is_running()


@pytest.mark.parametrize("length", [0, 1, 4, 8, 131])
def test_telling_formats_never_stumbles_over_short_heads(length):
    for head in (b"\x08\x00" * 66, b"\x89PNG" * 40, bytes(range(132))):
        try:
            detect_format(head[:length])
        except SliceError as error:
            assert error.code in ("empty-file", "not-an-image")
