"""How well each preset isolates lungs: on phantoms, whose lungs are known, and on real slices where they are.

The phantoms have seeds 1000 and on, which nothing is tuned on. "Lesion recall" is the share of a lesion's
pixels that the mask keeps (Dice hardly falls when a lesion is lost); a lesion is a connected part of the
lesion mask as large as a slice's label asks for, and touches the pleura where it reaches the lung's
outermost two pixels. A mask is poor below a Dice of 0.9; suspected is one side much smaller than the other.
Intervals are 95 % percentile bootstraps over patients. Masks are measured whether believed or not; false lung
and what is suspected are of those that are believed.

HILUM_BENCH_QUICK=1 takes 8 phantoms instead of 100 and every 12th real slice.
"""

from __future__ import annotations

import csv
import multiprocessing
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.data.phantom import PhantomSlice, generate_patient
from pipeline.preprocessing.apply import find_lungs
from pipeline.preprocessing.lungs.body import find_body
from pipeline.preprocessing.recipe import PRESETS
from pipeline.preprocessing.windowing import to_grey8

PROCESSES = 2
LEAST_LESION_MM2 = 50.0
POOR_DICE = 0.9
# (centre, width): a preset must hold on slices that come as 8-bit grey, whatever window they were saved in.
GREY_WINDOWS = {"lung": (-600, 1500), "wide": (-300, 2600), "mediastinum": (40, 400)}
_RESAMPLES = 2000
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Measured:
    """One preset on one phantom slice. The lists hold a lesion's recall each."""

    preset: str
    patient_id: str
    dice: float | None  # of an informative slice
    touching: tuple[float, ...]
    others: tuple[float, ...]
    false_lung: float | None  # of a slice of neck or abdomen without lung, as a share of the body
    suspected: float | None  # of a believed mask: whether it is doubted for one small side
    healthy: bool


def run() -> list[dict[str, Any]]:
    """Return the rows of the bench's table."""
    quick = bool(os.environ.get("HILUM_BENCH_QUICK"))
    rows = list(_phantom_rows(range(1000, 1008 if quick else 1100)))
    root = os.environ.get("HILUM_REAL_DATA")
    if root:
        rows += [*_known_mask_rows(Path(root)), *_doubt_rows(Path(root), step=12 if quick else 1)]
    return rows


def measure_patient(seed: int) -> list[Measured]:
    """Measure all presets on a phantom's slices in HU, and `hilum` on them as 8-bit grey."""
    measured = []
    for piece in generate_patient(seed):
        measured += [measure_slice(piece, preset) for preset in PRESETS]
        measured += [measure_slice(piece, "hilum", window=window) for window in GREY_WINDOWS]
    return measured


def measure_slice(piece: PhantomSlice, preset: str, *, window: str | None = None) -> Measured:
    """Measure a preset on one phantom slice, in HU or as 8-bit grey in a window."""
    image: NDArray[Any] = piece.slice_hu
    if window is not None:
        center, width = GREY_WINDOWS[window]
        image = to_grey8(image, intensity="hu", center=center, width=width)
    intensity = "hu" if window is None else "grey"
    found, verdict = find_lungs(image, intensity=intensity, recipe=PRESETS[preset])
    mask = found > 0
    informative = piece.label != "non-informative"
    found_dice = dice(mask, piece.lung_mask) if informative else None
    touching, others = lesion_recalls(mask, piece) if informative else ((), ())
    return Measured(
        preset=preset if window is None else f"{preset}, grey in the {window} window",
        patient_id=piece.patient_id,
        dice=found_dice,
        touching=touching,
        others=others,
        false_lung=None if piece.lung_mask.any() else _share_of_body(mask & verdict.plausible, piece),
        suspected=float(verdict.suspicion is not None) if verdict.plausible else None,
        healthy=not piece.findings and not piece.lesion_mask.any(),
    )


def dice(mask: NDArray[np.bool_], reference: NDArray[np.bool_]) -> float:
    """Return Dice's coefficient of two masks, 1 where both are empty."""
    total = int(mask.sum() + reference.sum())
    return float(2 * (mask & reference).sum() / total) if total else 1.0


def lesion_recalls(
    mask: NDArray[np.bool_], piece: PhantomSlice
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the recall of each lesion of a slice: of those that touch the pleura, and of the others."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(piece.lesion_mask.astype(np.uint8))
    outermost = piece.lung_mask & (
        cv2.erode(piece.lung_mask.astype(np.uint8), np.ones((3, 3), np.uint8), iterations=2) == 0
    )
    touching, others = [], []
    for label in range(1, count):
        if stats[label, cv2.CC_STAT_AREA] * piece.pixel_spacing**2 < LEAST_LESION_MM2:
            continue
        lesion = labels == label
        (touching if (lesion & outermost).any() else others).append(float(mask[lesion].mean()))
    return tuple(touching), tuple(others)


def bootstrap(values: dict[str, list[float]], *, seed: int = 0) -> tuple[float, float]:
    """Return the 95 % interval of the mean of `values` (patient -> its values), patients drawn anew."""
    sums = np.array([[np.sum(of_patient), len(of_patient)] for of_patient in values.values()])
    drawn = np.random.default_rng(seed).integers(0, len(sums), (_RESAMPLES, len(sums)))
    totals = sums[drawn].sum(axis=1)
    low, high = np.percentile(totals[:, 0] / totals[:, 1], [2.5, 97.5])
    return float(low), float(high)


def _phantom_rows(seeds: Iterable[int]) -> Iterator[dict[str, Any]]:
    measured = [one for patient in _in_processes(measure_patient, seeds) for one in patient]
    parts: dict[str, Callable[[Measured], tuple[float, ...]]] = {
        "Dice": lambda one: () if one.dice is None else (one.dice,),
        "recall, lesions at the pleura": lambda one: one.touching,
        "recall, other lesions": lambda one: one.others,
        "healthy masks suspected": lambda one: _suspected(one) if one.healthy else (),
        "poor masks suspected": lambda one: _suspected(one) if _is_poor(one) else (),
        "false lung, share of body": lambda one: () if one.false_lung is None else (one.false_lung,),
    }
    for preset in dict.fromkeys(one.preset for one in measured):
        for name, part in parts.items():
            values = defaultdict(list)
            for one in measured:
                if one.preset == preset and part(one):
                    values[one.patient_id] += part(one)
            if values:
                yield _row(f"`{preset}`: {name}", values)


def _suspected(one: Measured) -> tuple[float, ...]:
    return () if one.suspected is None else (one.suspected,)


def _is_poor(one: Measured) -> bool:
    return one.dice is not None and one.dice < POOR_DICE


def _row(figure: str, values: dict[str, list[float]]) -> dict[str, Any]:
    low, high = bootstrap(values)
    every = np.concatenate([np.array(one) for one in values.values()])
    return {
        "figure": figure,
        "value": float(every.mean()),
        "unit": "",
        "peer": f"95 % {low:.3f}-{high:.3f}, n {every.size} of {len(values)}",
    }


def _known_mask_rows(root: Path) -> Iterator[dict[str, Any]]:
    images = sorted((root / "lung-masks" / "images").glob("*.png"))
    for preset, recipe in PRESETS.items():
        scores = []
        for path in images:
            known = cv2.imread(str(root / "lung-masks" / "masks" / path.name), cv2.IMREAD_GRAYSCALE)
            found, _ = find_lungs(_read(path), intensity="grey", recipe=recipe)
            scores.append(dice(found > 0, known > 0))
        yield {
            "figure": f"`{preset}`: Dice, real lung masks",
            "value": float(np.mean(scores)),
            "unit": "",
            "peer": f"lowest {min(scores):.3f}, {sum(s < 0.9 for s in scores)} of {len(scores)} below 0.90",
        }


def _doubt_rows(root: Path, *, step: int) -> Iterator[dict[str, Any]]:
    with (root / "slices.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["label"] != "NiCT"][::step]
    doubted = list(_in_processes(_doubted, [root / "slices" / row["path"] for row in rows]))
    for preset in PRESETS:
        for source in sorted({row["source"] for row in rows}):
            ours = [one[preset] for one, row in zip(doubted, rows, strict=True) if row["source"] == source]
            yield {
                "figure": f"`{preset}`: not believed, real slices of {source}",
                "value": 100 * float(np.mean(ours)),
                "unit": "%",
                "peer": f"{sum(ours)} of {len(ours)} slices",
            }


def _doubted(path: Path) -> dict[str, bool]:
    grey = _read(path)
    return {
        name: not find_lungs(grey, intensity="grey", recipe=recipe)[1].plausible
        for name, recipe in PRESETS.items()
    }


def _read(path: Path) -> NDArray[np.uint8]:
    return cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)


def _share_of_body(mask: NDArray[np.bool_], piece: PhantomSlice) -> float:
    grey = to_grey8(piece.slice_hu, intensity="hu", center=-600, width=1500)
    return float(mask.sum() / max(1, find_body(grey).area))


def _in_processes(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        PROCESSES, mp_context=context, initializer=cv2.setNumThreads, initargs=(1,)
    ) as executor:
        yield from executor.map(function, items, chunksize=4)
