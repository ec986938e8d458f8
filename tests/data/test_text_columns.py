"""Columns as a whole give what their rows give one by one."""

import hashlib

import numpy as np
import pandas as pd
import pytest

from pipeline.data.text_columns import hash_texts, join_columns, positions_in

ODD = pd.Series(["b\u00e9", None, "\U0001f600", "", "\uffff", "plain"], dtype="str")


@pytest.mark.parametrize("rows", [slice(None), slice(1, 4), slice(0, 0), slice(None, None, -1)])
def test_joined_and_hashed_as_python_does(rows):
    columns = [ODD[rows], pd.Series(range(6))[rows]]
    lines = [
        "\0".join(("" if pd.isna(text) else text, str(number))) for text, number in zip(*columns, strict=True)
    ]
    joined = join_columns(columns, separator="\0")
    assert joined.to_pylist() == lines
    for between in ("", "\n", "--"):
        expected = hashlib.sha256(f"v1{between.join(sorted(lines))}end".encode()).hexdigest()
        assert hash_texts(joined.sort(), between=between, before="v1", after="end") == expected


def test_positions_of_values_null_and_unknown_ones_nowhere():
    found = positions_in(pd.Series(["c", None, "a", "x"]), pd.Series(["a", "c", "a", None]))
    np.testing.assert_array_equal(found, [1, -1, 0, -1])
