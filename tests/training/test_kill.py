"""Three kills at random moments; `make bench` has a hundred."""

import os

import pytest

from tests.training.killing import kill_and_compare

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name != "posix", reason="kills processes")]


def test_a_training_that_is_killed_and_resumed_ends_in_the_same_bits(discs, monkeypatch):
    for name in ("TF_DETERMINISTIC_OPS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        monkeypatch.setenv(name, os.environ.get(name, ""))  # put back afterwards
    found = kill_and_compare(discs, kills=3, seed=1)
    assert found.kills == 3
    assert found.runs >= 1
    assert found.different == ()
