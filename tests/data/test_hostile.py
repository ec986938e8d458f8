"""Files made to do harm: 500 mutants, each a row within seconds, no process beyond a gigabyte."""

import time

import cv2
import numpy as np
import psutil
import pytest

from pipeline.data.index import build_index, load_index
from pipeline.data.sandbox import borrowed_worker

MUTANTS = 500


def mutate(data, generator):
    """Return the bytes with a flip, a cut, a run of noise, a repeated or a removed piece."""
    data = bytearray(data)
    start, length = int(generator.integers(len(data))), int(generator.integers(1, 64))
    kind = generator.integers(5)
    if kind == 0:
        for at in generator.integers(0, min(len(data), 600), 4):
            data[at] ^= int(generator.integers(1, 256))
    elif kind == 1:
        del data[start:]
    elif kind == 2:
        data[start : start + length] = generator.bytes(length)
    elif kind == 3:
        data[start:start] = data[start : start + length]
    else:
        del data[start : start + length]
    return bytes(data)


@pytest.fixture
def mutants(tmp_path, picture, write_dicom):
    generator = np.random.default_rng(0)
    image = picture(1)
    seeds = [cv2.imencode(extension, image)[1].tobytes() for extension in (".png", ".jpg", ".tiff", ".bmp")]
    seeds += [cv2.imencode(".png", cv2.merge([image] * 3))[1].tobytes(), write_dicom().read_bytes()]
    seeds += [write_dicom("frames.dcm", stored=np.zeros((2, 32, 32), np.int16)).read_bytes()]
    folder = tmp_path / "mutants"
    folder.mkdir()
    for number in range(MUTANTS):
        (folder / f"{number:04d}").write_bytes(mutate(seeds[number % len(seeds)], generator))
    return folder


def test_every_mutant_is_a_row(workspace, mutants):
    began = time.monotonic()
    summary = build_index(workspace, mutants, name="mutants")
    table = load_index(workspace, "mutants")
    assert table["path"].nunique() == MUTANTS
    assert all(len(error["reason"]) > 10 for error in summary.errors)
    assert not {error["code"] for error in summary.errors} & {"timeout", "crashed"}
    assert time.monotonic() - began < 120
    with borrowed_worker() as worker:
        if worker._process is not None:
            assert psutil.Process(worker._process.pid).memory_info().rss < 2**30
