"""Seeded predictions tables: patients who differ, slices of one patient alike, a model of a chosen skill."""

from __future__ import annotations

import numpy as np
import pandas as pd

LABELS = ("negative", "non-informative", "positive")


def make_table(
    *,
    patients: int = 40,
    slices: int = 12,
    skill: float = 1.5,
    likeness: float = 1.0,
    seed: int = 0,
    labels: tuple[str, ...] = LABELS,
    known_patients: bool = True,
) -> pd.DataFrame:
    """Make a predictions table as a run leaves it.

    Half of the patients are positive; every fourth slice of anyone is non-informative. `skill` is how far the
    right class's logit stands out, `likeness` the spread of what all slices of a patient share.
    """
    rng = np.random.default_rng(seed)
    n = patients * slices
    patient = np.repeat(np.arange(patients), slices)
    ill = patient % 2 == 1
    blind = np.arange(n) % 4 == 0
    named = np.where(blind, "non-informative", np.where(ill, "positive", "negative"))
    y_true = np.where(np.isin(named, labels), named, labels[0])
    places = np.array([labels.index(label) for label in y_true])
    shared = rng.normal(0, likeness, (patients, len(labels)))[patient]
    logits = rng.normal(0, 1, (n, len(labels))) + shared
    logits[np.arange(n), places] += skill
    probabilities = np.exp(logits - logits.max(1, keepdims=True))
    probabilities /= probabilities.sum(1, keepdims=True)
    ids = [f"P{number:03d}" for number in patient]
    table = pd.DataFrame(
        {
            "slice_id": [f"s{number:05d}" for number in range(n)],
            "patient_id": ids if known_patients else None,
            "group": ids if known_patients else [f"c{number // 2}" for number in range(n)],
            "part": "test",
            "y_true": y_true,
            "y_pred": [labels[place] for place in probabilities.argmax(1)],
        }
    )
    for place, label in enumerate(labels):
        table[f"logit_{label}"] = logits[:, place].astype(np.float32)
        table[f"probability_{label}"] = probabilities[:, place]
    table["source"] = np.where(patient % 3 == 0, "hospital A", "hospital B")
    return table
