"""Fit a run's reference: axes and points from its training slices, the threshold from other patients."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from sklearn.utils.extmath import randomized_svd

from pipeline.inference.calibrated import Basis
from pipeline.inference.reference import NEIGHBOURS, ROWS, Reference

MOST = 4000  # training slices that are kept: of every patient some, before any has many
DIMENSIONS = 64
FLOOR = (
    1e-3  # of the axes' variances, as a share of the first's: one along which nothing varies must not decide
)
QUANTILE = 0.99  # of the calibration slices' distances
LEAST = 20  # slices on either side: fewer say nothing about what is far


def fit_reference(
    train: np.ndarray,
    train_rows: pd.DataFrame,
    held_out: np.ndarray,
    held_out_rows: pd.DataFrame,
    *,
    dataset: str,
    part: str,
    model_sha256: str,
    most: int = MOST,
    dimensions: int = DIMENSIONS,
    floor: float = FLOOR,
    quantile: float = QUANTILE,
) -> Reference | None:
    """Fit the axes on the training slices and the threshold on patients that the model did not learn from.

    Args:
        train: (n, k) pooled features of the training part.
        train_rows: n rows with `slice_id`, `label`, `patient_id`, `group` and `content_hash`.
        held_out: (m, k) pooled features of the part that sets the threshold, without slices of little lung:
            those are never refused.
        held_out_rows: m rows, likewise.
        dataset: whose slices they are.
        part: the held-out part's name.
        model_sha256: digest of the engine's weights.
        most: training slices to keep.
        dimensions, floor: how many axes are kept, and what their variances are raised by, a share of the
            first's.
        quantile: of the held-out slices' distances, the threshold.

    Returns:
        None where either side has fewer than LEAST slices.
    """
    if min(len(train), len(held_out)) < max(LEAST, NEIGHBOURS):
        return None
    values = train.astype(np.float32)
    center = values.mean(axis=0)
    axes, variances = _principal_axes(values - center, dimensions)
    least = floor * float(variances[0]) + 1e-12
    scales = np.sqrt(variances + least).astype(np.float32)
    chosen = _sample(train_rows["group"].astype(str).to_numpy(), most)
    unbounded = Reference(
        model_sha256=model_sha256,
        center=center,
        axes=axes,
        scales=scales,
        floor=float(np.sqrt(least)),
        points=((values[chosen] - center) @ axes / scales).astype(np.float16),
        rows=train_rows.iloc[chosen][list(ROWS)].reset_index(drop=True),
        threshold=float("inf"),
        quantile=1.0,
        basis=_basis(held_out_rows, dataset, part),
        trained_on=_basis(train_rows, dataset, "train"),
    )
    distances = np.sort(unbounded.distances(held_out))
    place = int(np.ceil((len(distances) + 1) * quantile))
    enough = place <= len(distances)
    return replace(
        unbounded,
        threshold=float(distances[place - 1] if enough else distances[-1]),
        quantile=quantile if enough else 1.0,
    )


def _principal_axes(centred: np.ndarray, dimensions: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the first axes of centred rows (n, k) as they are stored, float32 (k, d), and variances (d,)."""
    sample = centred[:: max(1, len(centred) // MOST)]
    _, sizes, turned = randomized_svd(sample, min(dimensions, *sample.shape), random_state=0)
    axes = np.asarray(turned.T.astype(np.float16), np.float32)
    return axes, np.asarray(sizes**2 / len(sample), np.float32)


def _sample(groups: np.ndarray, most: int) -> np.ndarray:
    """Return the places of at most `most` rows in their order: of every group some, before any has many."""
    rank = pd.Series(np.random.default_rng(0).permutation(len(groups))).groupby(groups).rank(method="first")
    return np.sort(np.argsort(rank.to_numpy(), kind="stable")[:most])


def _basis(rows: pd.DataFrame, dataset: str, part: str) -> Basis:
    known = bool(rows["patient_id"].notna().all())
    units = rows["patient_id"] if known else rows["group"]
    return Basis(
        dataset=dataset,
        part=part,
        slices=len(rows),
        groups=int(units.nunique()),
        unit="patient" if known else "group",
    )
