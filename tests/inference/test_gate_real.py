"""The gate on real pictures: how many chest slices it wrongly refuses, how many intruders it lets in."""

import hashlib
from pathlib import Path

import pytest

from pipeline.data.reading import read_slice
from pipeline.inference.predict import judge


def half(paths: list[Path]) -> list[Path]:
    """Return the half that thresholds were not looked at for: whose name hashes to an odd number."""
    return [path for path in paths if hashlib.sha256(path.name.encode()).digest()[0] % 2]


def passed(paths: list[Path]) -> float:
    assert paths
    return sum(judge(read_slice(path)).passed for path in paths) / len(paths)


def test_chest_slices_pass(real_data):
    assert passed(half(sorted((real_data / "slices").glob("*/*")))) >= 0.98


@pytest.mark.parametrize("kind", ["head-ct", "brain-mri", "chest-xray"])
def test_intruders_are_refused(real_data, kind):
    assert passed(half(sorted((real_data / "not-chest-ct" / kind).iterdir()))) <= 0.02
