"""What no split may part: slices that show one person, or nearly one picture."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.data.duplicates import connected_components


def join_groups(index: pd.DataFrame, clusters: pd.Series, *further: pd.Series) -> pd.Series:
    """Return the group of each row: patients, joined where near-duplicates join them.

    Rows with one patient, study or series id belong together, and so do rows of one near-duplicate cluster. A
    row without any id is in the group of its cluster.

    Args:
        index: with `patient_id`, `study_uid`, `series_uid` and `slice_id`.
        clusters: near-duplicate cluster of each row.
        further: names of each row; rows of one name belong together too.

    Returns:
        The first patient id of each group (with `+n` where it joins n more), else its cluster's name.
    """
    first, second = [], []
    for names in (index["patient_id"], index["study_uid"], index["series_uid"], clusters, *further):
        codes, _ = pd.factorize(names.astype("str"))
        known = np.flatnonzero(codes >= 0)
        order = known[np.argsort(codes[known], kind="stable")]
        same = codes[order[1:]] == codes[order[:-1]] if len(order) else np.empty(0, bool)
        first.append(order[:-1][same] if len(order) else order)
        second.append(order[1:][same] if len(order) else order)
    roots = connected_components(len(index), np.concatenate(first), np.concatenate(second))
    return _names(index["patient_id"], clusters, roots).set_axis(index.index)


def _names(patients: pd.Series, clusters: pd.Series, roots: NDArray[np.int64]) -> pd.Series:
    codes, ids = pd.factorize(patients.astype("str"), sort=True)
    pairs = pd.DataFrame({"root": roots, "code": codes})[codes >= 0].drop_duplicates()
    of_root = pairs.groupby("root")["code"]
    first, further = of_root.min(), of_root.size() - 1
    texts = pd.Series(ids.take(first.to_numpy()), index=first.index, dtype="str")
    texts = texts.mask(further > 0, texts + "+" + further.astype("str"))
    place = texts.index.get_indexer(pd.Index(roots))
    names = clusters.astype("str").array.take(roots)
    if len(texts):
        names = pd.Series(names).where(place < 0, pd.Series(texts.array.take(place))).array
    return pd.Series(names, name="group", dtype="str")
