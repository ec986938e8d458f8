"""Answers averaged over slightly moved copies of a slice, or over several networks: options, off by default.

Their gain is measured on validation (`pipeline.evaluation.gain`), not promised.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from pipeline.errors import HilumError
from pipeline.inference.engine import Engine
from pipeline.inference.seen import SeenSlices
from pipeline.preprocessing.geometry import to_model_input
from pipeline.runs import RunInfo, RunStore
from pipeline.workspace import Workspace

MOST_VIEWS = 32
ROTATION, TRANSLATION = (
    5.0,
    0.03,
)  # of a run that does not say how it was augmented: degrees, share of the side


class AveragingError(HilumError):
    """Views or networks that cannot be averaged."""


@dataclass(frozen=True)
class Averaging:
    """What an answer is averaged over.

    Attributes:
        views: copies of the slice; the first is the slice itself.
        rotation, translation: how far the others are moved, degrees and share of the side to either side:
            as in the run's training.
        others: further networks, each with its own recipe and calibration.
        names: the other networks' runs.
        seen: what those were made with; None of one that does not say.
    """

    views: int = 1
    rotation: float = ROTATION
    translation: float = TRANSLATION
    others: tuple[Engine, ...] = field(default=(), compare=False)
    names: tuple[str, ...] = ()
    seen: tuple[SeenSlices | None, ...] = field(default=(), compare=False)

    @property
    def is_plain(self) -> bool:
        """Whether there is nothing to average."""
        return self.views == 1 and not self.others

    def is_synthetic(self, engine: Engine) -> bool:
        """Return whether `engine`, or one that it is averaged with, learnt from synthetic slices."""
        return any(each.synthetic for each in (engine, *self.others))

    @property
    def key(self) -> str:
        """Name the choice, whatever the order of its networks."""
        return "|".join([str(self.views), *sorted(self.names)])

    @property
    def text(self) -> str:
        """Say it.

        >>> Averaging(views=8, names=("b",)).text
        'averaged over 8 slightly moved copies of the slice and 2 networks'
        """
        parts = []
        if self.views > 1:
            parts.append(f"{self.views} slightly moved copies of the slice")
        if self.names:
            parts.append(f"{1 + len(self.names)} networks")
        return f"averaged over {' and '.join(parts)}" if parts else ""


PLAIN = Averaging()


def make_averaging(
    workspace: Workspace, run: RunInfo, *, views: int = 1, ensemble: Sequence[str] = ()
) -> Averaging:
    """Check a choice of views and further runs and open what it takes.

    Raises:
        AveragingError: too many views; a run that knows other classes, or is the run itself.
        RunNotFoundError, EngineMissingError, EngineDamagedError, RecipeGoneError: see their messages.
    """
    if not 1 <= views <= MOST_VIEWS:
        raise AveragingError(f"An answer is averaged over 1 to {MOST_VIEWS} views; {views} were asked for.")
    classes = set(Engine.load(run).classes)
    store, others, names, seen = RunStore(workspace), [], [], []
    for text in ensemble:
        other = store.find(text)
        engine = Engine.load(other)
        if set(engine.classes) != classes:
            raise AveragingError(
                f"{other.name} knows {', '.join(engine.classes)}; {run.name} knows "
                f"{', '.join(sorted(classes))}. Only networks with the same classes can be averaged."
            )
        if other.id == run.id or other.name in names:
            raise AveragingError(f"{other.name} is in the ensemble already: name each run once.")
        others.append(engine)
        names.append(other.name)
        seen.append(SeenSlices.load(other.artifacts))
    rotation, translation = _motion(run)
    return Averaging(views, rotation, translation, tuple(others), tuple(names), tuple(seen))


def _motion(run: RunInfo) -> tuple[float, float]:
    """Return rotation and translation of a run's training."""
    if not (run.artifacts / "config.json").is_file():
        return ROTATION, TRANSLATION
    augment = run.load_config().get("augment") or {}
    return float(augment.get("rotation", ROTATION)), float(augment.get("translation", TRANSLATION))


def view_probabilities(engine: Engine, prepared: np.ndarray, averaging: Averaging) -> np.ndarray:
    """Return one network's probabilities of each view, float32 (views, c).

    Args:
        engine: the network.
        prepared: uint8 (size, size) or (size, size, 3), what the engine's recipe makes of the slice.
    """
    facts = engine.facts
    views = [
        to_model_input(view, image_size=facts.image_size, channels=facts.channels)
        for view in moved(prepared, averaging)
    ]
    return engine.probabilities(engine.run(np.stack(views)).logits)


def moved(prepared: np.ndarray, averaging: Averaging) -> list[np.ndarray]:
    """Return the views of a prepared slice, itself first; the same ones for every slice."""
    size = prepared.shape[0]
    draws = np.random.default_rng(0).uniform(-1, 1, (averaging.views - 1, 3))
    views = [prepared]
    for turn, down, right in draws:
        center = (size - 1) / 2
        matrix = cv2.getRotationMatrix2D((center, center), turn * averaging.rotation, 1.0)
        matrix[:, 2] += np.array([right, down]) * averaging.translation * size
        views.append(cv2.warpAffine(prepared, matrix, (size, size), flags=cv2.INTER_LINEAR))
    return views


def in_order(probabilities: np.ndarray, engine: Engine, classes: Sequence[str]) -> np.ndarray:
    """Return probabilities (..., c) of an engine in the order of `classes`."""
    return probabilities[..., [engine.classes.index(name) for name in classes]]
