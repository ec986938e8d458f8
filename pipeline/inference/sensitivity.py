"""How much hangs on one parameter of a recipe: sweep it over its range on a sample of slices.

At each value every slice is prepared again: how large is the lung, how many masks are not believed, how many
known lesions are lost, and, with a model, how many predictions are others than with the recipe in hand. The
model is the exported one (OpenVINO); it was trained with one recipe, and a flip says that the answer hangs on
the preparation, not which of the two answers is right.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import HilumError
from pipeline.jobs import Progress, no_progress
from pipeline.preprocessing.apply import preprocess_output, preprocess_slice
from pipeline.preprocessing.geometry import to_model_input
from pipeline.preprocessing.recipe import Recipe, RecipeError
from pipeline.preprocessing.reference import compare_masks

if TYPE_CHECKING:
    from pipeline.inference.engine import Engine

BATCH = 8


@dataclass(frozen=True)
class _Asked:
    """What a sweep would be of: the recipe, the sample's intensities, and whether a model is asked."""

    recipe: Recipe
    intensities: frozenset[str]
    has_model: bool

    @property
    def has_fixed_level(self) -> bool:
        """Whether the level in HU acts: on slices without HU a measured one is taken instead."""
        return self.recipe.threshold.method == "hu" and "hu" in self.intensities

    @property
    def has_measured_level(self) -> bool:
        """Whether there is a level that the offset moves."""
        return self.recipe.threshold.method != "hu" or "grey" in self.intensities


# What is swept: the values, and when the parameter matters. Longer ranges than one would choose, since the
# question is where it breaks.
_RANGES: dict[str, tuple[Sequence[float | int], Callable[[_Asked], bool]]] = {
    "threshold__offset": (tuple(float(v) for v in range(-60, 61, 10)), lambda a: a.has_measured_level),
    "threshold__level_hu": (tuple(float(v) for v in range(-800, 1, 80)), lambda a: a.has_fixed_level),
    "threshold__block": (
        (21, 51, 101, 151, 201, 251, 301, 401, 511), lambda a: a.recipe.threshold.method.startswith("local")
    ),
    "denoise__size": ((3, 5, 7, 9, 11, 13, 15), lambda a: a.recipe.denoise.method != "none"),
    "lungs__opening_radius": (tuple(range(0, 11)), lambda a: True),
    "lungs__erosion_radius": (tuple(range(0, 13)), lambda a: True),
    "lungs__closing_radius": (tuple(range(0, 31, 3)), lambda a: True),
    "lungs__repair": (tuple(v / 4 for v in range(0, 13)), lambda a: a.recipe.lungs.method == "anatomy"),
    "lungs__keep": ((1, 2, 3, 4, 5, 6), lambda a: a.recipe.lungs.method != "anatomy"),
    # Beyond the mask: only a model sees it.
    "margin": (tuple(range(0, 33, 4)), lambda a: a.recipe.output == "masked" and a.has_model),
}  # fmt: skip


class SweepStoppedError(HilumError):
    """The user gave the sweep up."""


@dataclass(frozen=True, eq=False)
class SweepSlice:
    """A slice of the sample: its pixels, "hu" or "grey", and its known lesions, (rows, columns), or None."""

    image: NDArray[Any]
    intensity: str
    lesions: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class SweepPoint:
    """What one value of the parameter does to the sample.

    Attributes:
        value: the parameter's.
        slices: how many were prepared.
        lung_share: the median share of the slice's pixels in the mask, found or not believed, [0, 1].
        implausible: how many masks are not believed.
        lesion_recall: mean over the slices with known lesions, None without any.
        flips: how many predictions differ from those with the recipe in hand, None without a model.
    """

    value: float | int
    slices: int
    lung_share: float
    implausible: int
    lesion_recall: float | None = None
    flips: int | None = None


def sweepable(recipe: Recipe, *, intensities: Iterable[str], has_model: bool) -> list[str]:
    """Return the parameters that can be swept and matter, as `Recipe.changed` takes them.

    They matter for the methods chosen, the sample's `intensities` ("hu", "grey"), and what is looked at: the
    mask alone, or a model's predictions too.
    """
    if recipe.lungs.method == "none":
        return []
    asked = _Asked(recipe, frozenset(intensities), has_model)
    return [path for path, (_, matters) in _RANGES.items() if matters(asked)]


def sweep_values(recipe: Recipe, path: str) -> list[float | int]:
    """Return the values that are tried, the recipe's own among them.

    Raises:
        RecipeError: `path` is no parameter to sweep.
    """
    if path not in _RANGES:
        raise RecipeError(f"{path!r} can't be swept; there are {', '.join(_RANGES)}.")
    return sorted({*_RANGES[path][0], own_value(recipe, path)})


def own_value(recipe: Recipe, path: str) -> float | int:
    """Return the recipe's value of a parameter."""
    found: Any = recipe
    for name in path.split("__"):
        found = getattr(found, name)
    value: float | int = found
    return value


def sweep(
    sample: Sequence[SweepSlice],
    recipe: Recipe,
    path: str,
    *,
    engine: Engine | None = None,
    progress: Progress = no_progress,
) -> list[SweepPoint]:
    """Prepare the sample at each value of one parameter.

    `progress` is told after each value, and may raise to stop.

    Raises:
        RecipeError: `path` is no parameter to sweep.
        ModelInputError: the model takes one channel and the recipe gives three.
    """
    values = sweep_values(recipe, path)
    usual = _Usual.of(engine, sample, recipe) if engine is not None else None
    found = []
    for done, value in enumerate(values):
        progress(done, len(values), f"{path} = {value:g}")
        found.append(_point(sample, recipe.changed(**{path: value}), value, usual))
    progress(len(values), len(values), "done")
    return found


def _point(
    sample: Sequence[SweepSlice],
    recipe: Recipe,
    value: float | int,
    usual: _Usual | None,
) -> SweepPoint:
    prepared = [preprocess_slice(each.image, intensity=each.intensity, recipe=recipe) for each in sample]
    shares = [np.count_nonzero(done.found_mask) / done.found_mask.size for done in prepared]
    recalls = [
        compare_masks(done.found_mask, lesions=each.lesions).lesion_recall
        for each, done in zip(sample, prepared, strict=True)
        if each.lesions is not None
    ]
    known = [recall for recall in recalls if recall is not None]
    return SweepPoint(
        value=value,
        slices=len(prepared),
        lung_share=float(np.median(shares)) if shares else 0.0,
        implausible=sum(not done.verdict.plausible for done in prepared),
        lesion_recall=float(np.mean(known)) if known else None,
        flips=usual.count_flips([done.output for done in prepared]) if usual is not None else None,
    )


@dataclass(frozen=True, eq=False)
class _Usual:
    """What a model sees and says of the sample with the recipe in hand."""

    engine: Engine
    outputs: list[NDArray[np.uint8]]
    labels: NDArray[np.int64]

    @classmethod
    def of(cls, engine: Engine, sample: Sequence[SweepSlice], recipe: Recipe) -> _Usual:
        outputs = [preprocess_output(each.image, intensity=each.intensity, recipe=recipe) for each in sample]
        return cls(engine, outputs, _labels(engine, outputs))

    def count_flips(self, outputs: Sequence[NDArray[np.uint8]]) -> int:
        """Return how many labels differ. Of the same picture the model would say the same, unasked."""
        changed = [i for i, output in enumerate(outputs) if not np.array_equal(output, self.outputs[i])]
        labels = _labels(self.engine, [outputs[i] for i in changed])
        return int(np.count_nonzero(labels != self.labels[changed]))


def _labels(engine: Engine, outputs: Sequence[NDArray[np.uint8]]) -> NDArray[np.int64]:
    facts = engine.facts
    found = []
    for start in range(0, len(outputs), BATCH):
        batch = [
            to_model_input(output, image_size=facts.image_size, channels=facts.channels)
            for output in outputs[start : start + BATCH]
        ]
        found.append(engine.run(np.stack(batch)).logits.argmax(axis=1))
    return np.concatenate(found) if found else np.zeros(0, np.int64)


@dataclass
class BackgroundSweep:
    """A sweep in a thread of its own: start, look, give up. One for each that was asked for."""

    title: str
    done: int = 0
    total: int = 0
    points: list[SweepPoint] | None = None
    problem: Exception | None = None
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self, work: Callable[[Progress], list[SweepPoint]]) -> BackgroundSweep:
        """Begin `work`, which is given the progress to report to."""

        def run() -> None:
            try:
                self.points = work(self._report)
            except Exception as error:
                self.problem = error

        self._thread = threading.Thread(target=run, name="hilum-sweep", daemon=True)
        self._thread.start()
        return self

    @property
    def ended(self) -> bool:
        """Whether there is an answer, or there will be none."""
        return self._thread is not None and not self._thread.is_alive()

    def cancel(self) -> None:
        """Ask it to end at its next value."""
        self._stop.set()

    def wait(self, seconds: float) -> None:
        """Wait until it ends, at most so long."""
        if self._thread is not None:
            self._thread.join(seconds)

    def _report(self, done: int, total: int, message: str = "") -> None:
        self.done, self.total = done, total
        if self._stop.is_set():
            raise SweepStoppedError("The sweep was given up.")
