"""Batches from the prepared slices: augmented and shuffled for training, plain for validation."""

from __future__ import annotations

import math
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import keras
import numpy as np

from pipeline.training.augment import draw_changes, network_slice
from pipeline.training.config import TrainConfig
from pipeline.training.order import class_weights, epoch_length, epoch_order
from pipeline.training.share import ALONE, Share

AHEAD = 4  # batches that threads read before they are asked for


@dataclass(frozen=True)
class Part:
    """The slices of one part of a split.

    Attributes:
        array: uint8 (n, size, size[, 3]), the whole cache, memory-mapped.
        rows: int64 (m,), this part's rows of `array`.
        labels: int64 (m,), their classes.
    """

    array: np.ndarray
    rows: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)


class TrainBatches(keras.utils.PyDataset):
    """An epoch of training batches: (images, one-hot labels[, weights]); in a group, this process's share.

    `set_epoch` must be called before each epoch (`Curves` does). Slices left over from whole batches
    wait for another epoch: a batch of another length would be traced again, and its few slices would weigh
    more.
    """

    def __init__(self, part: Part, *, num_classes: int, config: TrainConfig, share: Share = ALONE) -> None:
        super().__init__(workers=1)
        self.share = share
        self._readers = ThreadPoolExecutor(share.readers, "reader") if share.readers else None
        self._coming: dict[int, Future[tuple[np.ndarray, ...]]] = {}
        self.part = part
        self.num_classes = num_classes
        self.config = config
        self.length = epoch_length(part.labels, balance=config.balance)
        self.batch_size = min(config.batch_size, self.length)
        self._weights = class_weights(part.labels, num_classes) if config.balance == "weights" else None
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Lay out the order and the augmentation of `epoch` (0-based)."""
        config = self.config
        for coming in self._coming.values():
            coming.cancel()
        self._coming = {}
        self.epoch = epoch
        self._order = epoch_order(self.part.labels, balance=config.balance, seed=config.seed, epoch=epoch)
        self._changes = draw_changes(
            config.augment, count=self.length, size=self.part.array.shape[1], seed=config.seed, epoch=epoch
        )

    def __len__(self) -> int:
        return self.length // self.batch_size

    def __getitem__(self, index: int) -> tuple[np.ndarray, ...]:
        if self._readers is None:
            return self._read(index)
        for ahead in range(index, min(index + AHEAD, len(self))):
            if ahead not in self._coming:
                self._coming[ahead] = self._readers.submit(self._read, ahead)
        return self._coming.pop(index).result()

    def _read(self, index: int) -> tuple[np.ndarray, ...]:
        places = self.share.of(range(index * self.batch_size, (index + 1) * self.batch_size))
        chosen = self._order[places.start : places.stop]
        labels = self.part.labels[chosen]
        inputs, targets = self._inputs(places, chosen), np.eye(self.num_classes, dtype=np.float32)[labels]
        return (inputs, targets) if self._weights is None else (inputs, targets, self._weights[labels])

    def _inputs(self, places: range, chosen: np.ndarray) -> np.ndarray:
        """Return what the network is given at these places of the epoch: the slices `chosen` of the part."""
        return np.stack(
            [
                network_slice(
                    self.part.array[self.part.rows[slice_]],
                    self._changes[place],
                    image_size=self.config.image_size,
                )
                for place, slice_ in zip(places, chosen, strict=True)
            ]
        )


class EvalBatches:
    """The slices of a part as prediction sees them, in order: float32 (batch, size, size, channels)."""

    def __init__(self, part: Part, *, image_size: int, batch_size: int) -> None:
        self.part = part
        self.image_size = image_size
        self.batch_size = batch_size

    def __len__(self) -> int:
        return math.ceil(len(self.part) / self.batch_size)

    def __getitem__(self, index: int) -> np.ndarray:
        return self.inputs(self.places(index))

    def places(self, index: int) -> np.ndarray:
        """Return which slices of the part a batch holds, int64."""
        first = index * self.batch_size
        return np.arange(first, min(first + self.batch_size, len(self.part)))

    def inputs(self, places: np.ndarray) -> np.ndarray:
        """Return what the network is given of these slices of the part."""
        rows = self.part.rows[places]
        return np.stack(
            [network_slice(self.part.array[row], None, image_size=self.image_size) for row in rows]
        )
