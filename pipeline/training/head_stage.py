"""Epochs in which the head alone learns, on features of the frozen backbone: milliseconds each.

The head's layers are those of the whole model, so what they learn is in it. Batch normalisation and dropout
of the head work as ever; what differs from training through the backbone is that augmentation repeats itself
after `feature_copies` looks at a slice.
"""

from __future__ import annotations

import time
from typing import Any

import keras
import numpy as np

from models import save_weights
from models.registry import HEAD_LAYERS
from pipeline.cache.store import SliceCache, cache_folder
from pipeline.training.batches import EvalBatches, Part, TrainBatches
from pipeline.training.callbacks import Curves, EpochEnd
from pipeline.training.checkpoint import TrainingState
from pipeline.training.features import Features, compute_features
from pipeline.training.measure import predict_batches
from pipeline.training.plan import BEST, Plan
from pipeline.training.stages import Stage
from pipeline.training.switch import StopSwitch

_STREAM = 0xFEA


def fit_head(
    whole: Any,
    stage: Stage,
    plan: Plan,
    cache: SliceCache,
    curves: Curves,
    *,
    validation: Part,
    state: TrainingState,
) -> tuple[TrainingState, bool]:
    """Train the head of `whole` for the epochs of `stage` that are left.

    Args:
        whole: compiled for this stage (`Learner.enter`); its head has learnt in place afterwards.
        curves: holds the training batches, journal and progress; a request to stop ends it as in other
            stages.
        validation: the validation part.
        state: where the training stands.

    Returns:
        Where it stands then, and whether early stopping ended it.

    Raises:
        CacheSpaceError: the features do not fit the disk.
        DivergedError: the loss is no longer a number.
    """
    config, train = curves.config, curves.batches.part
    began = time.monotonic()
    folder = cache_folder(curves.journal.store.workspace, plan.split["dataset"], plan.recipe)
    try:
        features = compute_features(
            whole,
            cache,
            config,
            folder=folder,
            train_rows=train.rows,
            plain_rows=validation.rows,
            progress=_stoppable(curves.progress),
        )
    except _Asked:
        return state, False
    curves.journal.features_seconds += time.monotonic() - began
    head = build_feature_head(whole)
    head.compile(
        optimizer=whole.optimizer,
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=config.label_smoothing),
        metrics=[keras.metrics.CategoricalAccuracy(name="accuracy")],
    )
    curves.batches = FeatureBatches(features, train, num_classes=len(plan.classes), config=config)
    seen = FeatureEval(features, validation, batch_size=curves.batches.batch_size)
    ending = HeadEpochEnd(curves, seen, state, whole, last_epoch=stage.end)
    try:
        head.fit(
            curves.batches,
            epochs=stage.end,
            initial_epoch=max(stage.first, state.epoch),
            shuffle=False,
            callbacks=[curves, ending],
            verbose=0,
        )
    finally:
        ending.write_best()
    return ending.state, ending.ended_early


def build_feature_head(whole: Any) -> Any:
    """Return pooled features -> probabilities, as a model over the head's own layers."""
    pooled, *others = HEAD_LAYERS
    features = keras.Input(whole.get_layer(pooled).output.shape[1:], name="features", dtype="float32")
    x = features
    for name in others:
        x = whole.get_layer(name)(x)
    return keras.Model(features, x, name=f"{whole.name}_head")


class FeatureBatches(TrainBatches):
    """An epoch of training batches as features: the same slices in the same order as `TrainBatches`.

    Which augmented copy a place gets is drawn by (seed, epoch, position).
    """

    def __init__(self, features: Features, part: Part, **options: Any) -> None:
        self._copies = features.copies
        super().__init__(part, **options)

    def set_epoch(self, epoch: int) -> None:
        super().set_epoch(epoch)
        rng = np.random.default_rng([self.config.seed, epoch, _STREAM])
        self._copy = rng.integers(0, len(self._copies), self.length)

    def _inputs(self, places: range, chosen: np.ndarray) -> np.ndarray:
        rows, copies = self.part.rows[chosen], self._copy[places.start : places.stop]
        batch = np.empty((len(rows), self._copies[0].shape[1]), np.float32)
        for number in np.unique(copies):
            mine = copies == number
            batch[mine] = self._copies[number][rows[mine]]
        return batch


class FeatureEval(EvalBatches):
    """The features of a part's slices as prediction sees them, in order."""

    def __init__(self, features: Features, part: Part, *, batch_size: int) -> None:
        super().__init__(part, image_size=0, batch_size=max(batch_size, 256))
        self._plain = features.plain

    def inputs(self, places: np.ndarray) -> np.ndarray:
        return np.asarray(self._plain[self.part.rows[places]])


class HeadEpochEnd(EpochEnd):
    """Validate on features; write the whole model seldom, for an epoch takes less time than that.

    The best head waits in memory. A checkpoint never tells of a best epoch whose weights are not written.
    """

    def __init__(
        self, curves: Curves, validation: EvalBatches, state: TrainingState, whole: Any, *, last_epoch: int
    ) -> None:
        super().__init__(curves, validation, state, whole)
        self._last_epoch = last_epoch
        self._head = [weight for name in HEAD_LAYERS for weight in whole.get_layer(name).weights]
        self._waiting: list[np.ndarray] | None = None

    def _predict(self) -> np.ndarray:
        return predict_batches(self.model, self.validation)

    def _save_best(self) -> None:
        self._waiting = [keras.ops.convert_to_numpy(weight).copy() for weight in self._head]

    def _save_step(self) -> None:
        """Keep nothing within an epoch: it is done again in milliseconds."""

    def _save_state(self) -> None:
        ends = self.ended_early or self.curves.progress.asked or self.state.epoch >= self._last_epoch
        if ends or self.keeper.is_due(epoch_ends=True):
            self.write_best()
            self.journal.flush()
            self.keeper.save(self.whole, self.state)

    def write_best(self) -> None:
        """Write the best weights that wait; those that are learning stay as they are."""
        if self._waiting is None:
            return
        learning = [keras.ops.convert_to_numpy(weight).copy() for weight in self._head]
        self._assign(self._waiting)
        bare = keras.Model(self.whole.inputs, self.whole.outputs, name=self.whole.name)
        save_weights(bare, self.journal.run.artifacts / BEST)
        self._assign(learning)
        self._waiting = None

    def _assign(self, values: list[np.ndarray]) -> None:
        for weight, value in zip(self._head, values, strict=True):
            weight.assign(value)


class _Asked(Exception):
    """The user asked to stop while features were computed."""


def _stoppable(progress: StopSwitch) -> Any:
    def tell(done: int, total: int, message: str) -> None:
        progress(done, total, message)
        if progress.asked:
            raise _Asked

    return tell
