"""How a model stands on the validation part, after each epoch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.metrics import f1_score, roc_auc_score

from pipeline.training.batches import EvalBatches


def predict_batches(
    model: Any, batches: EvalBatches, *, between: Callable[[], None] = lambda: None
) -> np.ndarray:
    """Return the model's probabilities for every slice of `batches`, float32 (n, classes).

    The last batch is filled up, so that the network is traced for one batch size only. `between` is called
    after each batch.
    """
    results = []
    for index in range(len(batches)):
        images = batches[index]
        missing = min(batches.batch_size, len(batches.part)) - len(images)
        filled = np.concatenate([images, np.repeat(images[-1:], missing, axis=0)]) if missing else images
        results.append(np.asarray(model.predict_on_batch(filled))[: len(images)])
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
