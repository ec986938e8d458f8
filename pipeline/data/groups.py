"""What no split may part: slices that show one person, or nearly one picture."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pipeline.data.duplicates import connected_components


def join_groups(index: pd.DataFrame, clusters: pd.Series) -> pd.Series:
    """Return the group of each row: patients, joined where near-duplicates join them.

    Rows with one patient, study or series id belong together, and so do rows of one near-duplicate cluster. A
    row without any id is in the group of its cluster.

    Args:
        index: with `patient_id`, `study_uid`, `series_uid` and `slice_id`.
        clusters: near-duplicate cluster of each row.

    Returns:
        The first patient id of each group (with `+n` where it joins n more), else its cluster's name.
    """
    first, second = [], []
    for names in (index["patient_id"], index["study_uid"], index["series_uid"], clusters):
        codes, _ = pd.factorize(names.to_numpy(dtype=object), use_na_sentinel=True)
        known = np.flatnonzero(codes >= 0)
        order = known[np.argsort(codes[known], kind="stable")]
        same = codes[order[1:]] == codes[order[:-1]] if len(order) else np.empty(0, bool)
        first.append(order[:-1][same] if len(order) else order)
        second.append(order[1:][same] if len(order) else order)
    roots = connected_components(len(index), np.concatenate(first), np.concatenate(second))
    frame = pd.DataFrame({"root": roots, "patient": index["patient_id"].to_numpy(dtype=object)})
    patients = frame.dropna(subset="patient").groupby("root")["patient"].unique()
    cluster_of_root = clusters.to_numpy(dtype=object)

    def name(root: int) -> str:
        if root not in patients.index:
            return str(cluster_of_root[root])
        ids = sorted(patients[root])
        return ids[0] if len(ids) == 1 else f"{ids[0]}+{len(ids) - 1}"

    named = {root: name(root) for root in np.unique(roots).tolist()}
    return pd.Series([named[root] for root in roots.tolist()], index=index.index, name="group", dtype="str")
