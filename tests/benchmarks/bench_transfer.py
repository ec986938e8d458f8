"""Do weights trained on phantoms beat random ones on real slices? Cross-validation with patients kept apart.

One source of the folder named by HILUM_REAL_DATA, positive against negative: sources differ in how their
pictures were made, and would be told apart by that. Both arms have the same folds, seeds, epochs and stages;
the last epoch counts and none is chosen, so that no figure has seen the slices that it is of.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.cache.build import build_cache
from pipeline.cache.store import SliceCache
from pipeline.data.index import build_index, load_index
from pipeline.evaluation.intervals import draw_resamples, percentile_interval
from pipeline.preprocessing.recipe import PRESETS
from pipeline.training.config import TrainConfig
from pipeline.workspace import Workspace

SOURCE, FOLDS = "mos", 3
ARMS = ("phantom", "random")
CONFIG = TrainConfig(
    dataset="real",
    architecture="EfficientNetV2B0",
    image_size=128,
    batch_size=16,
    head_epochs=2,
    epochs=6,
    unfreeze=2,
    fine_tune_factor=0.3,
    warmup_epochs=0.5,
    balance="weights",
    threads=1,
)


def run() -> list[dict[str, Any]]:
    """Return the AUC of each arm, the mean over folds, and the difference; `peer` is the 95 % interval."""
    source = os.environ.get("HILUM_REAL_DATA")
    if source is None:
        return [{"figure": "phantom against random weights", "value": float("nan"), "unit": "no real data"}]
    from pipeline.training.train import set_up_backend

    set_up_backend(CONFIG)
    with tempfile.TemporaryDirectory() as folder:
        table, cache = _prepare(Workspace.open(Path(folder) / "workspace"), Path(source))
        scores = {arm: _out_of_fold(table, cache, arm) for arm in ARMS}
    samples = {arm: _resampled_aucs(table, scores[arm]) for arm in ARMS}
    what = f"{len(table)} slices, {table['patient_id'].nunique()} patients, {FOLDS} folds"
    values = {f"AUC from {arm} weights, source {SOURCE}": samples[arm] for arm in ARMS}
    values["the same, difference, patients paired"] = samples["phantom"] - samples["random"]
    fewer = int(table.groupby("y")["patient_id"].nunique().min())
    return [_row(figure, value, what, groups=fewer) for figure, value in values.items()]


def _prepare(workspace: Workspace, source: Path) -> tuple[pd.DataFrame, SliceCache]:
    """Index and prepare the slices of one source; add `fold` and `y` (1 is positive) to their rows."""
    from sklearn.model_selection import StratifiedGroupKFold

    labels = pd.read_csv(source / "slices.csv")
    labels = labels[(labels["source"] == SOURCE) & labels["label"].isin(["pCT", "nCT"])]
    labels.to_csv(workspace.root / "labels.csv", index=False)
    build_index(workspace, source / "slices", name="real", labels_csv=workspace.root / "labels.csv")
    table = load_index(workspace, "real")
    table = table[(table["source"] == SOURCE) & (table["status"] == "ok")].reset_index(drop=True)
    cache = build_cache(workspace, "real", PRESETS["hilum"])
    table["y"] = (table["label"] == "positive").astype(int)
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
    for fold, (_, held) in enumerate(folds.split(table, table["y"], table["patient_id"])):
        table.loc[held, "fold"] = fold
    return table, cache


def _out_of_fold(table: pd.DataFrame, cache: SliceCache, weights: str) -> np.ndarray:
    """Return each slice's score of `positive` by the network that has not seen its fold."""
    from models import create_model
    from pipeline.training.batches import EvalBatches, Part, TrainBatches
    from pipeline.training.learner import Learner
    from pipeline.training.measure import predict_batches
    from pipeline.training.stages import stages_of

    rows, y = cache.rows(table["slice_id"].tolist()), table["y"].to_numpy(np.int64)
    scores = np.full(len(table), np.nan)
    for fold in range(FOLDS):
        held = (table["fold"] == fold).to_numpy()
        config = CONFIG.model_copy(update={"seed": fold})
        train, test = (Part(cache.array, rows[part], y[part]) for part in (~held, held))
        batches = TrainBatches(train, num_classes=2, config=config)
        model = create_model(
            config.architecture,
            num_classes=2,
            image_size=config.image_size,
            channels=cache.channels,
            weights=weights,
            seed=fold,
        )
        learner = Learner(model, config, steps_per_epoch=len(batches))
        for stage in stages_of(config):
            fitted = learner.enter(stage)
            for epoch in range(stage.first, stage.end):
                batches.set_epoch(epoch)
                fitted.fit(batches, epochs=epoch + 1, initial_epoch=epoch, shuffle=False, verbose=0)
        seen = EvalBatches(test, image_size=config.image_size, batch_size=config.batch_size)
        scores[held] = predict_batches(model, seen)[:, 1]
    return scores


def _resampled_aucs(table: pd.DataFrame, scores: np.ndarray) -> np.ndarray:
    """Return the mean over folds of the AUC: on all patients first, then in each resample of them.

    Scores are compared within a fold only: those of two networks have no common scale. Both arms see the
    same resamples.
    """
    found = []
    for fold in range(FOLDS):
        held = (table["fold"] == fold).to_numpy()
        y, own = table["y"].to_numpy()[held], scores[held]
        patients = pd.factorize(table["patient_id"][held])[0]
        drawn = draw_resamples(patients, seed=fold).weights
        weights = np.vstack([np.ones((1, drawn.shape[1]), np.float32), drawn])[:, patients]
        above = np.sign(own[y == 1][:, None] - own[y == 0][None, :]) / 2 + 0.5
        wins = np.einsum("bi,ij,bj->b", weights[:, y == 1], above, weights[:, y == 0], optimize=True)
        found.append(wins / (weights[:, y == 1].sum(1) * weights[:, y == 0].sum(1)))
    return np.mean(found, axis=0)


def _row(figure: str, samples: np.ndarray, what: str, *, groups: int) -> dict[str, Any]:
    low, high = percentile_interval(samples[1:], groups=groups)
    return {"figure": figure, "value": samples[0], "unit": "", "peer": f"{low:.3f} to {high:.3f}, {what}"}
