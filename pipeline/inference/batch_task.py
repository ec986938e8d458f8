"""What a batch is about, wherever it is worked on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.data.inputs import InputSlice
from pipeline.inference.batch_rows import Row
from pipeline.inference.engine import Engine
from pipeline.runs import RunInfo

PartRows = tuple[int, list[Row]]  # a part's number, and a row a slice


@dataclass(frozen=True)
class Batch:
    """A batch.

    Attributes:
        run, engine: the model.
        key: the workspace's, for identifiers in headers.
        inputs: as they were named.
        parts: number and slices of each part that has to be answered.
    """

    run: RunInfo
    engine: Engine
    key: bytes
    inputs: Sequence[Path]
    parts: Sequence[tuple[int, Sequence[InputSlice]]] = ()

    @property
    def equipment(self) -> tuple[str, str, bytes, bool]:
        """What `equip` takes."""
        return self.engine.recipe.model_dump_json(), str(self.run.artifacts), self.key, self.run.synthetic
