"""Does a model's map depend on what the model learned? Its maps before and after its weights are randomised.

The check of Adebayo et al. (Sanity checks for saliency maps, NeurIPS 2018), from the top down: first the
head's weights are drawn anew, then those of the upper half of the network are shuffled too, then all.
Shuffling within each layer keeps its weights' distribution, so that the signal neither dies nor explodes. It
is made once for a run and kept beside its engine.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.data.phantom import generate_patient
from pipeline.data.slice_image import SliceImage
from pipeline.explanation.checks import Check, randomized_check
from pipeline.explanation.closed_form import CamWeights, closed_form_cam
from pipeline.explanation.stability import rank_correlation
from pipeline.inference.engine import Engine, compile_network, infer, read_network
from pipeline.inference.runtime import load_openvino
from pipeline.preprocessing.apply import preprocess_output
from pipeline.preprocessing.geometry import to_model_input
from pipeline.progress import Progress, no_progress
from pipeline.workspace import atomic_write_text, read_json

FILE = "map-check.json"
VERSION = 1  # of how it is made: a check made otherwise is made anew
SEEDS = range(3000, 3004)
LEVELS = {"the head": 0.0, "the upper half too": 0.5, "all layers": 1.0}
_LOCK = threading.Lock()  # one check at a time: two pages may ask for the same


class MapCheck(BaseModel):
    """What was found of a model's maps.

    Attributes:
        model_sha256: digest of the engine's weights, for which alone it holds.
        correlations: median rank correlation with the maps after shuffling, by what was shuffled.
        basis: what it was measured on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = VERSION
    model_sha256: str
    correlations: dict[str, float]
    basis: str

    @property
    def check(self) -> Check:
        """The line of a report card."""
        return randomized_check(self.correlations, basis=self.basis)


def map_check(engine: Engine, *, progress: Progress = no_progress) -> MapCheck:
    """Return a model's check, made and kept beside its engine where it was not yet.

    `progress` is told of each slice and may raise, to stop.
    """
    with _LOCK:
        found = known_map_check(engine)
        if found is None:
            found = _measure(engine, progress)
            atomic_write_text(_path(engine), found.model_dump_json(indent=2))
    return found


def known_map_check(engine: Engine) -> MapCheck | None:
    """Return a model's check if it was made before; else None, making nothing."""
    try:
        found = MapCheck.model_validate(read_json(_path(engine)))
    except (OSError, ValueError, ValidationError):
        return None  # not there, or damaged: it is made anew
    known = (found.version, found.model_sha256) == (VERSION, engine.facts.sha256["model.bin"])
    return found if known else None


def _path(engine: Engine) -> Path:
    return engine.folder.parent / FILE


def _measure(engine: Engine, progress: Progress) -> MapCheck:
    images = list(_phantom_inputs(engine))
    maps: dict[str, list[np.ndarray]] = {}
    places = None
    for done, (name, share) in enumerate({"": None, **LEVELS}.items()):
        progress(done, 1 + len(LEVELS), "one more check, with random weights; once for this model")
        run, cam = (engine.run, engine.cam) if share is None else shuffled(engine, share=share)
        outputs = [run(image[None]) for image in images]
        places = places or [int(each.logits[0].argmax()) for each in outputs]
        maps[name] = [
            closed_form_cam(each.features[0], cam, class_index=place).values
            for each, place in zip(outputs, places, strict=True)
        ]
    trained = maps.pop("")
    return MapCheck(
        model_sha256=engine.facts.sha256["model.bin"],
        correlations={name: _median(trained, others) for name, others in maps.items()},
        basis=f"this model, {len(images)} synthetic slices of {len(SEEDS)} phantoms",
    )


def _median(ones: list[np.ndarray], others: list[np.ndarray]) -> float:
    found = [rank_correlation(one, other) for one, other in zip(ones, others, strict=True)]
    # A map that became constant has nothing in common with the one before.
    return float(np.median([0.0 if each is None else each for each in found]))


def _phantom_inputs(engine: Engine) -> Iterator[np.ndarray]:
    """Yield chest slices of phantoms as the network sees them."""
    facts = engine.facts
    for seed in SEEDS:
        for phantom in generate_patient(seed, slices=4)[1:3]:
            image = SliceImage(phantom.slice_hu, "hu", "dicom", 16)
            output = preprocess_output(image.image, intensity=image.intensity, recipe=engine.recipe)
            yield to_model_input(output, image_size=facts.image_size, channels=facts.channels)


def shuffled(engine: Engine, *, share: float, seed: int = 0) -> tuple[Any, CamWeights]:
    """Return a network like the engine with weights shuffled within each layer, and its folded head.

    Args:
        engine: the trained model, which stays as it is.
        share: of the backbone's layers from the top, [0, 1]; the head's weights are always shuffled.
        seed: of the shuffling.

    Returns:
        What `Engine.run` is to the engine, and the head.
    """
    rng = np.random.default_rng(seed)
    # Shuffled weights would keep their mean, and with it a map of where the network is active at all.
    drawn = rng.normal(0, engine.cam.weights.std(), engine.cam.weights.shape)
    cam = CamWeights(drawn.astype(np.float32), engine.cam.constants)
    if share == 0:
        return engine.run, cam
    network = read_network(engine.folder, engine.facts, 1)
    _shuffle_constants(network, share, rng)
    compiled = compile_network(network)
    return lambda batch: infer(compiled, batch), cam


def _shuffle_constants(network: Any, share: float, rng: np.random.Generator) -> None:
    """Shuffle the values of each layer's weights in the last `share` of the graph."""
    constant = load_openvino().opset13.constant
    found = [op for op in network.get_ordered_ops() if op.get_type_name() == "Constant" and _is_weight(op)]
    for op in found[round((1 - share) * len(found)) :]:
        mixed = rng.permutation(np.array(op.data).ravel()).reshape(op.data.shape)
        op.output(0).replace(constant(mixed).output(0))


def _is_weight(op: Any) -> bool:
    return bool(np.issubdtype(op.data.dtype, np.floating) and op.data.size > 1)
