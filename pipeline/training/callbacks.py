"""What happens between batches and epochs: order, curves, validation, best weights, checkpoint, early end,
stop.

All state that decides how a training goes on is in `TrainingState`, so that a resumed run decides the same.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

import keras

from models import save_weights
from pipeline.training.batches import EvalBatches, TrainBatches
from pipeline.training.checkpoint import FILE, TrainingState
from pipeline.training.config import TrainConfig
from pipeline.training.ema import averaged
from pipeline.training.errors import DivergedError
from pipeline.training.journal import Journal
from pipeline.training.keeping import Keeper
from pipeline.training.measure import measure, predict_batches
from pipeline.training.order import epoch_order
from pipeline.training.plan import BEST
from pipeline.training.share import ALONE, Share
from pipeline.training.stages import stage_of, waited_epochs
from pipeline.training.switch import StopSwitch

MIN_IMPROVEMENT = 1e-4  # less than this is no better epoch
NAMED_SLICES = 4  # of a batch that went wrong, in a sentence; the log names all
_NAMES = {"val_auc": "validation AUC", "val_loss": "validation loss", "val_accuracy": "validation accuracy"}


class Curves(keras.callbacks.Callback):
    """Lay out each epoch, log by batch, tell how far it is; end at a stop or a loss that is no number.

    `batches` may be exchanged between fits, for others of the same length. `slice_ids` are those of the
    training part, to name a batch by.
    """

    def __init__(
        self,
        batches: TrainBatches,
        config: TrainConfig,
        journal: Journal,
        progress: StopSwitch,
        slice_ids: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.batches = batches
        self.slice_ids = slice_ids
        self.config = config
        self.journal = journal
        self.progress = progress
        self.rate = 0.0  # images a second in training, a moving average
        self.best = ""  # how the best epoch so far reads in the message
        self.first = 0  # the first batch of this fit's epoch: more than 0 in the rest of an epoch
        self.done = 0  # batches of the epoch
        self._epoch = 0

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._began: float | None = None  # when the epoch began, if at its first batch
        self.rate = 0.0  # a stage's own: on features the head alone learns a hundred times as fast

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        # Before Keras makes the epoch's iterator, whose background thread reads ahead.
        self.batches.set_epoch(epoch)
        self._epoch = epoch
        self._means: dict[str, float] = {}
        self._last = now = time.monotonic()
        # Seconds of an epoch with its validation, by the last of this stage; 0 where there is none.
        self.pace = now - self._began if self._began is not None else 0.0
        self._began = None if self.first else now
        self.done = self.first

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.first = 0

    def take_means(self, means: dict[str, float]) -> None:
        """Take the figures of the batches that an earlier process did of this epoch."""
        self._means = means

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._measure_rate(batch)
        batch += self.first
        self.done = batch + 1
        means = {key: float(value) for key, value in (logs or {}).items()}
        # Keras reports means over the epoch so far; a curve wants the batch's own values.
        own = {key: mean * (batch + 1) - self._means.get(key, 0.0) * batch for key, mean in means.items()}
        self._means = means
        if not math.isfinite(means["loss"]):
            raise DivergedError(self._diverged(batch))
        step = self._epoch * len(self.batches) + batch + 1
        self.journal.batch(step, own | {"images_per_second": self.rate})
        self.progress(step, self.config.epochs * len(self.batches), self._message(batch + 1, step, means))
        if self.progress.asked:
            self.model.stop_training = True

    def _measure_rate(self, batch: int) -> None:
        now = time.monotonic()
        rate = self.batches.batch_size / max(now - self._last, 1e-9)
        self._last = now
        if batch > 0:  # the first batch of a process builds the graph
            self.rate = rate if self.rate == 0 else 0.9 * self.rate + 0.1 * rate

    def _message(self, batch: int, step: int, means: dict[str, float]) -> str:
        text = f"Epoch {self._epoch + 1} of {self.config.epochs}, batch {batch} of {len(self.batches)}"
        text += f", loss {means['loss']:.3f}{self.best}"
        if self.rate:
            epoch = self.pace or len(self.batches) * self.batches.batch_size / self.rate
            stage = stage_of(self.config, self._epoch)  # another stage has another pace
            left = (stage.end - step / len(self.batches)) * epoch
            text += f", {self.rate:.1f} images/s, about {duration(left)} left"
            text += "" if stage.end >= self.config.epochs else " of this stage"
        return text

    def _diverged(self, batch: int) -> str:
        config = self.config
        kept = "The best weights so far are kept. " if (self.journal.run.artifacts / BEST).is_file() else ""
        return (
            f"The loss is no longer a number in batch {batch + 1} of epoch {self._epoch + 1}"
            f"{self._slices_of(batch)}. {kept}Train again with a smaller learning rate than "
            f"{config.learning_rate:g}, for example {config.learning_rate / 10:g}; if it happens at the same "
            "batch again, look at its slices."
        )

    def _slices_of(self, batch: int) -> str:
        """Name the slices of a batch: the first few in the sentence, all of them in the run's log."""
        if not self.slice_ids:
            return ""
        labels, size = self.batches.part.labels, self.batches.batch_size
        order = epoch_order(labels, balance=self.config.balance, seed=self.config.seed, epoch=self._epoch)
        names = [self.slice_ids[place] for place in order[batch * size : (batch + 1) * size]]
        self.journal.say(f"Batch {batch + 1} of epoch {self._epoch + 1} held {', '.join(names)}.")
        further = f" and {len(names) - NAMED_SLICES} more" if len(names) > NAMED_SLICES else ""
        return f" (slices {', '.join(names[:NAMED_SLICES])}{further})"


class EpochEnd(keras.callbacks.Callback):
    """Validate, log the epoch, keep the best weights and the checkpoint, end early.

    What is validated and kept is `whole`, the model at its full size, with averaged weights where there are
    some; what is fitted may share its weights at another size.
    """

    def __init__(
        self,
        curves: Curves,
        validation: EvalBatches,
        state: TrainingState,
        whole: Any,
        share: Share = ALONE,
    ) -> None:
        super().__init__()
        self.whole = whole
        self.share = share
        self.curves = curves
        self.validation = validation
        self.config = curves.config
        self.journal = curves.journal
        self.state = state
        self.ended_early = False
        self.keeper = Keeper(self.journal.run.artifacts / FILE, writes=self.journal.writes)
        self._tell_best()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._began = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        inside = self.curves.done < len(self.curves.batches)
        if inside and not self.curves.progress.asked and self.keeper.is_due(epoch_ends=False):
            self._save_step()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        is_whole = self.curves.done >= len(self.curves.batches)
        if not is_whole:
            self._save_step()
            if self.state.best_epoch > 0:
                return  # a part of an epoch is not an epoch; resuming does the rest of it
        logs = logs if logs is not None else {}
        with averaged(self.model):
            logs |= measure(self._predict(), self.validation.part.labels)
            seconds = time.monotonic() - self._began
            self._keep_best(epoch + 1, logs, seconds)
        self._write(epoch + 1, logs, seconds)
        if is_whole:
            self.ended_early = is_patience_over(self.config, self.state)
            self.curves.progress.epoch_done(epoch + 1, float(logs[self.config.monitor]))
            self._save_state()
        if self.ended_early or self.curves.progress.asked:
            self.model.stop_training = True

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self.keeper.finish()

    def _keep_best(self, epoch: int, logs: dict[str, Any], seconds: float) -> None:
        state, value, loss = self.state, float(logs[self.config.monitor]), float(logs["val_loss"])
        better = self._is_better(value, loss)
        changes: dict[str, Any] = {"epoch": epoch, "step": 0, "seconds": state.seconds + seconds}
        changes |= (
            {"best_epoch": epoch, "best_value": value, "best_loss": loss, "waited": 0}
            if better
            else {"waited": state.waited + 1}
        )
        self.state = state.model_copy(update=changes)
        if better:
            self._save_best()
            figures = {key: float(value) for key, value in logs.items() if key.startswith("val_")}
            self.journal.best(epoch, figures | {"epoch": float(epoch)})
            self._tell_best()

    def _predict(self) -> Any:
        return predict_batches(self.whole, self.validation, share=self.share)

    def _save_best(self) -> None:
        if not self.journal.writes:
            return
        # Without the optimizer, which a compiled model would save too: three times the bytes.
        bare = keras.Model(self.whole.inputs, self.whole.outputs, name=self.whole.name)
        save_weights(bare, self.journal.run.artifacts / BEST)

    def _save_step(self) -> None:
        """Keep where the training stands within its epoch."""
        seconds = self.state.seconds + time.monotonic() - self._began
        self.journal.flush()
        self.keeper.save(
            self.model, self.state.model_copy(update={"step": self.curves.done, "seconds": seconds})
        )

    def _save_state(self) -> None:
        """Keep where the training stands after an epoch, if that is not too soon after the last time."""
        ends = self.ended_early or self.curves.progress.asked or self.state.epoch >= self.config.epochs
        if ends or self.keeper.is_due(epoch_ends=True):
            self.journal.flush()
            self.keeper.save(self.model, self.state)

    def _is_better(self, value: float, loss: float) -> bool:
        """Whether an epoch is the best so far. A small part's AUC is soon 1: then the loss decides."""
        best, best_loss = self.state.best_value, self.state.best_loss
        if not math.isfinite(value):
            return False
        if best is None or best_loss is None:
            return True
        gain = (best - value) if self.config.monitor == "val_loss" else (value - best)
        return gain > MIN_IMPROVEMENT or (gain >= 0 and best_loss - loss > MIN_IMPROVEMENT)

    def _tell_best(self) -> None:
        if self.state.best_value is not None:
            name = _NAMES[self.config.monitor]
            self.curves.best = f", best {name} {self.state.best_value:.3f} (epoch {self.state.best_epoch})"

    def _write(self, epoch: int, logs: dict[str, Any], seconds: float) -> None:
        rate = keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)
        values = {key: float(value) for key, value in logs.items()}
        values |= {"learning_rate": float(rate), "seconds": seconds, "images_per_second": self.curves.rate}
        self.journal.epoch(epoch, values)
        self.journal.say(
            f"Epoch {epoch} of {self.config.epochs}: loss {values['loss']:.4f}, validation loss "
            f"{values['val_loss']:.4f}, AUC {values['val_auc']:.4f}, accuracy {values['val_accuracy']:.4f}; "
            f"{self.curves.rate:.1f} images/s, {duration(seconds)}"
            + (" (best)" if self.state.best_epoch == epoch else "")
        )


def is_patience_over(config: TrainConfig, state: TrainingState) -> bool:
    """Whether early stopping ends a training that stands at `state`."""
    waited = waited_epochs(config, waited=state.waited, epoch=state.epoch)
    return config.patience > 0 and waited >= config.patience


def duration(seconds: float) -> str:
    """Say a time span in words: `40 s`, `12 min`, `3 h 20 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
