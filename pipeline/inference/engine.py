"""The exported model: OpenVINO's graph, and what must be known to use it. No TensorFlow.

    engine/  model.xml  model.bin  cam.npz  engine.json

`engine.json` names the classes, the input, the recipe with its hash, and the sha256 of the other files,
which are checked before anything is loaded: a model file replaced on disk is refused. Beside the folder lie
what was fitted to this model afterwards, `calibration.json` and `reference.npz`; without them it answers all
the same, and says what it lacks.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from models.hashing import sha256_of
from pipeline.errors import HilumError
from pipeline.explanation.closed_form import CamWeights
from pipeline.inference.calibrated import FILE as CALIBRATION_FILE
from pipeline.inference.calibrated import Calibration, softmax
from pipeline.inference.reference import FILE as REFERENCE_FILE
from pipeline.inference.reference import Reference, ReferenceDamagedError
from pipeline.inference.runtime import load_openvino
from pipeline.preprocessing.recipe import Recipe, RecipeError
from pipeline.workspace import atomic_write_text, read_json

if TYPE_CHECKING:
    from pipeline.runs import RunInfo

FOLDER = "engine"
FORMAT = 1
FILES = ("model.xml", "model.bin", "cam.npz")
# On processors with bfloat16 the default is that, whose logits differ from the trained model's.
PRECISION = "f32"
KEPT = 2  # engines in memory: the one in use and the one it is compared with


class EngineMissingError(HilumError):
    """A run has no exported engine."""


class EngineDamagedError(HilumError):
    """An engine's files are not those that were exported."""


class RecipeGoneError(HilumError):
    """This Hilum prepares slices differently from the one that trained the model."""


class EngineFacts(BaseModel):
    """What `engine.json` holds.

    Attributes:
        classes: names in the order of the outputs.
        image_size: side of the network's input, pixels.
        channels: 1 or 3.
        recipe: the preprocessing recipe, whole; `recipe_hash` covers the version of each of its stages too.
        sha256: hex digest of each file of the engine.
        heat_range: the heatmap value that a cohort's strongest cells reach (95th percentile of the slices'
            peaks), None where no cohort was seen.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int
    architecture: str
    classes: tuple[str, ...]
    image_size: int
    channels: int
    recipe: dict[str, Any]
    recipe_hash: str
    sha256: dict[str, str]
    versions: dict[str, str]
    heat_range: float | None = None


class Outputs(NamedTuple):
    """What the network says of a batch: float32 (n, c), (n, c) and (n, h, w, k)."""

    logits: np.ndarray
    probabilities: np.ndarray
    features: np.ndarray


class Engine:
    """One exported model, compiled when first used. Any number of threads may run it at once.

    Attributes:
        calibration: how its logits become probabilities; None where nothing was fitted.
        reference: the training slices in feature space; None where they were not kept.
        synthetic: whether it learnt from synthetic slices; known of a run's engine.
    """

    synthetic = False

    def __init__(
        self,
        folder: Path,
        facts: EngineFacts,
        recipe: Recipe,
        cam: CamWeights,
        *,
        calibration: Calibration | None = None,
        reference: Reference | None = None,
    ) -> None:
        self.folder = folder
        self.facts = facts
        self.recipe = recipe
        self.cam = cam
        self.calibration = calibration
        self.reference = reference
        self._lock = threading.Lock()
        self._compiled: dict[int, Any] = {}

    @classmethod
    def load(cls, run: RunInfo) -> Engine:
        """Open a run's engine; the engines used last stay in memory.

        Raises:
            EngineMissingError, EngineDamagedError, RecipeGoneError: with the way out.
        """
        folder = run.artifacts / FOLDER
        if not (folder / "engine.json").is_file():
            raise EngineMissingError(
                f"The run {run.name} has no exported engine ({run.status}). If its training finished, "
                f"make it again: `python -m pipeline export {run.id[:8]} --format openvino --out FOLDER`."
            )
        engine = cls.open(folder)
        engine.synthetic = run.synthetic
        return engine

    @classmethod
    def open(cls, folder: Path) -> Engine:
        """Open the engine in a folder; see `load`."""
        files = (*(folder / name for name in ("engine.json", *FILES)), *_beside(folder))
        key = (str(folder), *(_changed(path) for path in files))
        with _CACHE_LOCK:
            engine = _CACHE.get(key)
            if engine is None:
                engine = _CACHE[key] = _read(folder)
            _CACHE.move_to_end(key)
            while len(_CACHE) > KEPT:
                _CACHE.popitem(last=False)
        return engine

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names in the order of the outputs."""
        return self.facts.classes

    def run(self, batch: np.ndarray) -> Outputs:
        """Run the network.

        Args:
            batch: float32 (n, image_size, image_size, channels) in [0, 255].
        """
        expected = (self.facts.image_size, self.facts.image_size, self.facts.channels)
        if batch.dtype != np.float32 or batch.shape[1:] != expected:
            raise ValueError(f"Expected float32 (n, {expected}); received {batch.dtype} {batch.shape}.")
        return infer(self._for_batch(len(batch)), batch)

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Return the probabilities of logits (..., c): calibrated where that was fitted, else softmax."""
        return softmax(logits) if self.calibration is None else self.calibration.probabilities(logits)

    def rewrite(self, **changes: Any) -> None:
        """Change facts that were found out after the export, here and in `engine.json`."""
        self.facts = EngineFacts.model_validate(self.facts.model_dump() | changes)
        atomic_write_text(self.folder / "engine.json", self.facts.model_dump_json(indent=2))

    def _for_batch(self, count: int) -> Any:
        """Return the graph compiled for one slice (fixed shape: up to twice as fast) or for any number."""
        size = 1 if count == 1 else -1
        with self._lock:
            if size not in self._compiled:
                self._compiled[size] = _compile(self.folder, self.facts, size)
            return self._compiled[size]


_CACHE: OrderedDict[tuple[Any, ...], Engine] = OrderedDict()
_CACHE_LOCK = threading.Lock()


def _beside(folder: Path) -> tuple[Path, Path]:
    return folder.parent / CALIBRATION_FILE, folder.parent / REFERENCE_FILE


def _changed(path: Path) -> int:
    """Return when a file was last written, 0 where it is not there."""
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _read(folder: Path) -> Engine:
    try:
        facts = EngineFacts.model_validate(read_json(folder / "engine.json"))
        changed = [name for name in FILES if sha256_of(folder / name) != facts.sha256[name]]
    except (OSError, ValueError, KeyError, ValidationError) as error:
        raise EngineDamagedError(
            f"The engine in {folder} cannot be read ({type(error).__name__}). Export it again from its run, "
            "or restore it from a backup."
        ) from error
    if changed:
        raise EngineDamagedError(
            f"{', '.join(changed)} in {folder} {'is' if len(changed) == 1 else 'are'} not what was exported "
            "(the sha256 differs): replaced or damaged, and not loaded. Export the run again, or restore it."
        )
    with np.load(folder / "cam.npz", allow_pickle=False) as arrays:
        cam = CamWeights(arrays["weights"], arrays["constants"])
    digest, (calibration, reference) = facts.sha256["model.bin"], _beside(folder)
    return Engine(
        folder,
        facts,
        _recipe(facts, folder),
        cam,
        calibration=_load_calibration(calibration, digest),
        reference=_load_reference(reference, digest),
    )


def _load_calibration(path: Path, model_sha256: str) -> Calibration | None:
    """Read what was fitted to this model; what was fitted to another is as none."""
    if not path.is_file():
        return None
    try:
        found = Calibration.model_validate(read_json(path))
    except (OSError, ValueError) as error:
        raise EngineDamagedError(_unreadable(path, "scores are not calibrated")) from error
    return found if found.model_sha256 == model_sha256 else None


def _load_reference(path: Path, model_sha256: str) -> Reference | None:
    if not path.is_file():
        return None
    try:
        found = Reference.load(path)
    except ReferenceDamagedError as error:
        raise EngineDamagedError(_unreadable(path, "distances cannot be checked")) from error
    return found if found is not None and found.model_sha256 == model_sha256 else None


def _unreadable(path: Path, consequence: str) -> str:
    return (
        f"{path.name} in {path.parent} cannot be read: it was changed or damaged. Restore it from a backup, "
        f"or delete it: the model then answers without it ({consequence})."
    )


def _recipe(facts: EngineFacts, folder: Path) -> Recipe:
    try:
        recipe = Recipe(**facts.recipe)
    except RecipeError as error:
        raise RecipeGoneError(
            f"The model in {folder} cannot be used any more, because slices prepared now would not look as "
            f"those it learnt from. {error}"
        ) from error
    if recipe.hash != facts.recipe_hash:
        raise RecipeGoneError(
            f"The recipe {recipe.name!r} of the model in {folder} was changed after its training, so slices "
            "would not look as those it learnt from. Restore it from a backup, or train again."
        )
    return recipe


def _compile(folder: Path, facts: EngineFacts, batch: int) -> Any:
    return compile_network(read_network(folder, facts, batch))


def read_network(folder: Path, facts: EngineFacts, batch: int) -> Any:
    """Read an engine's graph for batches of this size, -1 for any."""
    network = load_openvino().Core().read_model(folder / "model.xml")
    network.reshape([batch, facts.image_size, facts.image_size, facts.channels])
    return network


def compile_network(network: Any) -> Any:
    """Compile a graph for this machine's processor."""
    options = {"INFERENCE_PRECISION_HINT": PRECISION, "PERFORMANCE_HINT": "LATENCY"}
    return load_openvino().Core().compile_model(network, "CPU", options)


def infer(compiled: Any, batch: np.ndarray) -> Outputs:
    """Run a compiled graph; any number of threads may."""
    # A request for each call: requests are not thread-safe, and one costs 0.1 ms.
    request = compiled.create_infer_request()
    request.infer([batch])
    return Outputs(*(request.get_tensor(name).data.copy() for name in Outputs._fields))
