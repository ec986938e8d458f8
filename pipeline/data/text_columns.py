"""Text columns of a million rows, taken whole: joined, hashed and looked up in Arrow, not row by row."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.compute
from numpy.typing import NDArray

Texts = Any  # a pyarrow.LargeStringArray


def join_columns(columns: Sequence[pd.Series], *, separator: str) -> Texts:
    """Return a text for each row: its values with `separator` between them, "" where one is null."""
    texts = [_as_texts(column).fill_null("") for column in columns]
    return pyarrow.compute.binary_join_element_wise(*texts, _scalar(separator))


def hash_texts(texts: Texts, *, between: str = "", before: str = "", after: str = "") -> str:
    """Return the SHA-256 of all texts with `between` between them, `before` before and `after` after, in hex.

    >>> hash_texts(pyarrow.array(["a", "b"], pyarrow.large_string()), between=",") == hash_texts(
    ...     pyarrow.array(["a,b"], pyarrow.large_string())
    ... )
    True
    """
    digest = hashlib.sha256(before.encode())
    if len(texts):
        ended = pyarrow.compute.binary_join_element_wise(texts, _scalar(""), _scalar(between))
        _, offsets, data = ended.buffers()
        ends = np.frombuffer(offsets, np.int64)[ended.offset : ended.offset + len(ended) + 1]
        if data is not None:
            digest.update(data.slice(int(ends[0]), int(ends[-1] - ends[0]) - len(between.encode())))
    digest.update(after.encode())
    return digest.hexdigest()


def positions_in(values: pd.Series, known: pd.Series) -> NDArray[np.int64]:
    """Return for each value where it stands first in `known`, -1 where it isn't there or is null."""
    found = pyarrow.compute.index_in(_as_texts(values), value_set=_as_texts(known), skip_nulls=True)
    return np.asarray(found.fill_null(-1), np.int64)


def _scalar(text: str) -> Any:
    return pyarrow.scalar(text, pyarrow.large_string())


def _as_texts(column: pd.Series) -> Texts:
    values: Any = pyarrow.array(column.astype("str"), type=pyarrow.large_string())
    return values.combine_chunks() if isinstance(values, pyarrow.ChunkedArray) else values
