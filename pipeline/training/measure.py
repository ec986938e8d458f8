"""How a model stands on the validation part, after each epoch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.metrics import f1_score, roc_auc_score

from pipeline.training.batches import EvalBatches
from pipeline.training.share import ALONE, Share


def predict_batches(
    model: Any,
    batches: EvalBatches,
    *,
    share: Share = ALONE,
    between: Callable[[], None] = lambda: None,
) -> np.ndarray:
    """Return the model's probabilities for every slice of `batches`, float32 (n, classes).

    The last batch is filled up, so that the network is traced for one batch size only. Each process of a
    group reads its share and hears of all. `between` is called after each batch.
    """
    size = share.whole(min(batches.batch_size, len(batches.part)))
    results = []
    for index in range(len(batches)):
        places = batches.places(index)
        filled = np.pad(places, (0, size - len(places)), mode="edge")
        results.append(share.predict(model, batches.inputs(share.of(filled)))[: len(places)])
        between()
    return np.concatenate(results)


def measure(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Return `val_loss` (cross-entropy), `val_accuracy`, `val_auc` and `val_f1`, both macro-averaged.

    The AUC is each class's against the rest; AUC and F1 are averaged over the classes that occur (at least
    two). Of a network that has diverged, what can't be computed is NaN.

    Args:
        probabilities: float (n, classes), rows summing to one.
        labels: int (n,).
    """
    chosen = np.clip(probabilities[np.arange(len(labels)), labels], 1e-7, 1.0)
    classes = np.unique(labels)
    predicted = probabilities.argmax(axis=1)
    finite = bool(np.isfinite(probabilities).all())
    aucs = [roc_auc_score(labels == k, probabilities[:, k]) if finite else np.nan for k in classes]
    return {
        "val_loss": float(-np.log(chosen).mean()),
        "val_accuracy": float((predicted == labels).mean()),
        "val_auc": float(np.mean(aucs)),
        "val_f1": float(f1_score(labels, predicted, labels=classes, average="macro", zero_division=0)),
    }
