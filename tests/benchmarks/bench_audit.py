"""Looking for copies, and the leakage meter, in sets as alike as a hospital's: 190 neighbours a patient.

Fingerprints are made up from phantoms: each patient is one, bent and zoomed anew, and each slice differs a
little from the one before, with noise of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.data.duplicates import cluster_pairs, find_duplicate_pairs
from pipeline.data.leakage_meter import measure_leakage
from pipeline.data.phantom import generate_patient
from pipeline.data.statistics import display_grey

SIZES = (1_000, 5_000, 20_000, 50_000)
SLICES = 190  # of a patient: HUST-19 has 19,685 of 104
PHANTOMS = 16
_SIDE = 96


def run() -> list[dict[str, Any]]:
    """Return the seconds that each size takes, and how they grow."""
    pictures = [
        cv2.resize(display_grey(one.slice_hu, intensity="hu"), (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
        for seed in range(PHANTOMS)
        for one in generate_patient(seed, slices=5)[1:4]
    ]
    fingerprints, patients = make_fingerprints(pictures, max(SIZES))
    rows, last = [], (0, 0.0)
    for size in SIZES:
        index = pd.DataFrame({"slice_id": [f"{at:06d}" for at in range(size)]})
        index["content_hash"] = index["slice_id"]
        pairs, seconds, cpu = _timed(
            lambda n=size, table=index: find_duplicate_pairs(table, fingerprints[:n])
        )
        crossing = int((patients[pairs.first] != patients[pairs.second]).sum())
        clusters = cluster_pairs(index, pairs).nunique()
        row = {"figure": f"copies among {size:,} slices", "value": seconds, "unit": "s"}
        row["peer"] = f"cpu {cpu:.1f} s, {len(pairs.first):,} pairs, {crossing} across"
        if last[0]:
            row["ratio"] = np.log(cpu / last[1]) / np.log(size / last[0])  # the exponent of growth
        rows += [row, {"figure": f"clusters of {size:,} slices", "value": clusters, "unit": "clusters"}]
        last = (size, cpu)
    names = pd.Series(patients[:20_000]).astype(str)
    labels = pd.Series(np.where(patients[:20_000] % 2, "positive", "negative"))
    meter, seconds, cpu = _timed(lambda: measure_leakage(fingerprints[:20_000], labels, names, names))
    figure = "leakage meter, 20,000 slices, labels at random by patient"
    gain = f"cpu {cpu:.1f} s, flatters by {100 * (meter.flattery.value or 0):.0f} points"
    return [*rows, {"figure": figure, "value": seconds, "unit": "s", "peer": gain}]


def make_fingerprints(
    pictures: list[NDArray[np.uint8]], count: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return (count, 32, 32) fingerprints of series of 190 slices, and the patient of each."""
    generator = np.random.default_rng(0)
    patients = np.arange(count) // SLICES
    series = [
        _series(_bent(pictures[patient % len(pictures)], generator), generator)
        for patient in range(int(patients.max()) + 1)
    ]
    return np.concatenate(series)[:count], patients


def _bent(picture: NDArray[np.uint8], generator: np.random.Generator) -> NDArray[np.uint8]:
    zoom = cv2.getRotationMatrix2D(
        (_SIDE / 2, _SIDE / 2), generator.normal(0, 4), generator.uniform(0.8, 1.1)
    )
    turned = cv2.warpAffine(picture, zoom, (_SIDE, _SIDE), borderMode=cv2.BORDER_REPLICATE)
    row, column = np.mgrid[:_SIDE, :_SIDE].astype(np.float32)
    across, down = (_field(generator, 5, 3.0) for _ in range(2))
    return np.asarray(cv2.remap(turned, column + across, row + down, cv2.INTER_LINEAR), np.uint8)


def _series(picture: NDArray[np.uint8], generator: np.random.Generator) -> NDArray[np.uint8]:
    """Return slices that drift away from a picture, (190, 32, 32)."""
    row, column = np.mgrid[:_SIDE, :_SIDE].astype(np.float32)
    across, down, tone = (np.zeros((_SIDE, _SIDE), np.float32) for _ in range(3))
    slices = []
    for _ in range(SLICES):
        across = across * 0.99 + _field(generator, 9, 0.6)
        down = down * 0.99 + _field(generator, 9, 0.6)
        tone = tone * 0.985 + _field(generator, 24, 2.2)
        moved = cv2.remap(picture, column + across, row + down, cv2.INTER_LINEAR).astype(np.float32)
        noisy = moved + tone * (moved > 40) + generator.normal(0, 4, moved.shape)
        slices.append(
            cv2.resize(np.clip(noisy, 0, 255).astype(np.uint8), (32, 32), interpolation=cv2.INTER_AREA)
        )
    return np.stack(slices)


def _field(generator: np.random.Generator, knots: int, deviation: float) -> NDArray[np.float32]:
    coarse = generator.normal(0, deviation, (knots, knots)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, (_SIDE, _SIDE), interpolation=cv2.INTER_CUBIC), np.float32)


def _timed(work: Callable[[], Any]) -> tuple[Any, float, float]:
    """Return what `work` returns, and its seconds by the clock and by the processor."""
    began, used = time.perf_counter(), time.process_time()
    result = work()
    return result, time.perf_counter() - began, time.process_time() - used
