"""Which part of each batch a process works on, and how the processes of a group come to one decision.

One process alone has all of it; `cluster_worker` has the group's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Share:
    """One process's part of the work of a group.

    Attributes:
        rank: its place in the group, from 0.
        count: how many processes the group has.
        readers: threads that read the next batches meanwhile; none where the learning library does that.
    """

    rank: int = 0
    count: int = 1
    readers: int = 0

    def of(self, places: Any) -> Any:
        """Return this process's part of the places of a batch, whose number the group divides evenly."""
        size = len(places) // self.count
        return places[self.rank * size : (self.rank + 1) * size]

    def whole(self, size: int) -> int:
        """Return the smallest batch of at least `size` that the group divides evenly.

        >>> Share(count=4).whole(9)
        12
        """
        return -(-size // self.count) * self.count

    def any(self, flag: bool) -> bool:
        """Whether any process of the group says yes; all of them must ask, and all hear the same."""
        return flag

    def predict(self, model: Any, images: np.ndarray) -> np.ndarray:
        """Return the probabilities of the whole batch, of which `images` is this process's part."""
        return np.asarray(model.predict_on_batch(images))


ALONE = Share()
