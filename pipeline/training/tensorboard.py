"""TensorBoard's logs of a run, on request: `tensorboard --logdir <the run's folder>/tensorboard`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.run_info import BATCH_PREFIX, RunInfo
from pipeline.training.config import TrainConfig

FOLDER = "tensorboard"


class TensorBoardLog:
    """Writes what goes to the run's metrics as scalars: `train`, `validation`, and by `batch`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._writers: dict[str, Any] = {}

    def write(self, rows: Sequence[tuple[int, Mapping[str, float]]]) -> None:
        """Write the metrics of several steps."""
        # It knows the file format; `summary.scalar` would want TensorBoard itself, which need not be here.
        import tensorflow as tf

        facts = tf.compat.v1.SummaryMetadata(data_class="DATA_CLASS_SCALAR")
        facts.plugin_data.plugin_name = "scalars"
        for step, values in rows:
            for key, value in values.items():
                curve, name = _place(key)
                if curve not in self._writers:
                    self._writers[curve] = tf.summary.create_file_writer(str(self.folder / curve))
                with self._writers[curve].as_default():
                    tf.summary.write(name, tf.constant(value, tf.float32), step=step, metadata=facts)
        for writer in self._writers.values():
            writer.flush()


def open_log(config: TrainConfig, run: RunInfo) -> TensorBoardLog | None:
    """Return the log that a configuration asks for."""
    return TensorBoardLog(run.artifacts / FOLDER) if config.tensorboard else None


def _place(key: str) -> tuple[str, str]:
    """Return curve and name: the same name in `train` and `validation` lies in one chart."""
    if key.startswith(BATCH_PREFIX):
        return "batch", key.removeprefix(BATCH_PREFIX)
    if key.startswith("val_"):
        return "validation", key.removeprefix("val_")
    return "train", key
