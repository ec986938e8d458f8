"""Maps on phantoms, where the lesion is known; and what a report card takes.

For each family and method: the pointing game, the share of heat in the lesion, and the overlap of the map's
hottest part with it, one slice a patient, with intervals over patients. EfficientNetV2 is the shipped demo
model; the other two families are small models trained here for a few epochs, whose size and AUC stand beside
them: a map can be no better than its model. Then: do report cards tell the maps that hit from those that
miss? It is all synthetic. It takes the better part of an hour on two cores; the last row says how long.
"""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from models.backend import start_backend
from pipeline.data.index import build_index
from pipeline.data.phantom import PhantomSlice, generate_patient, write_phantoms
from pipeline.data.slice_image import SliceImage
from pipeline.data.splits import make_split
from pipeline.demo_model import ASSETS, load_shipped_model
from pipeline.evaluation.intervals import draw_resamples, estimate
from pipeline.explanation.localization import localization
from pipeline.explanation.methods import DEFAULT, METHODS, OCCLUSION
from pipeline.explanation.occlusion import occlusion_values
from pipeline.explanation.probe import occlude_slice
from pipeline.inference.engine import Engine
from pipeline.inference.map_report import contrast_of, patches_of, report_map
from pipeline.inference.predict import predict_slice
from pipeline.inference.prediction import Prediction
from pipeline.inference.randomized import map_check
from pipeline.runs import RunStore
from pipeline.workspace import Workspace

LABEL = "positive"
TEST_SEEDS, PATIENTS = range(1000, 1100), 20
FEW = 5  # patients for the methods that take minutes a slice
SLOW = ("score-cam",)
TRAINING_SEEDS, LEVELS = range(500, 620), 6
SIZE, EPOCHS = 128, 8
TINY = ("ResNet50V2", "ConvNeXtTiny")
CARD_SIZE = 512


class Case(NamedTuple):
    """A slice with a lesion, and the model's answer."""

    patient_id: str
    prediction: Prediction
    lesion: np.ndarray


@dataclass(frozen=True, eq=False)
class Tested:
    """A model as engine and as Keras model, with what is known of it."""

    name: str
    engine: Engine
    keras: Any
    note: str


def run() -> Iterator[dict[str, Any]]:
    """Measure every method of every family, the report cards' verdicts, and their time, row by row."""
    start_backend()
    import keras

    keras.utils.disable_interactive_logging()  # Score-CAM's bars would run through the table
    began = time.perf_counter()
    phantoms = list(_phantoms())
    with tempfile.TemporaryDirectory() as folder:
        demo = _demo(Path(folder) / "demo")
        yield from _card_time(demo, phantoms[0])
        yield from _localized(demo, phantoms)
        yield from _verdicts(demo, phantoms)
        for tested in _tiny(Workspace.open(Path(folder) / "workspace")):
            yield from _localized(tested, phantoms)
    minutes = (time.perf_counter() - began) / 60
    yield {"figure": "all of this, trainings included", "value": minutes, "unit": "min"}


def _phantoms() -> Iterator[PhantomSlice]:
    """Yield of each patient with lesions the slice that has most of them."""
    found = 0
    for seed in TEST_SEEDS:
        worst = max(generate_patient(seed, slices=LEVELS), key=lambda one: one.lesion_area_mm2)
        if worst.label == LABEL:
            found += 1
            yield worst
        if found == PATIENTS:
            return


def _demo(folder: Path) -> Tested:
    from pipeline.inference.export import export_engine

    shipped = load_shipped_model()
    model = shipped.build()
    export_engine(model, folder / "engine", class_names=shipped.classes, recipe=shipped.recipe)
    size, auc = shipped.config["image_size"], shipped.card["test"]["auc"][LABEL]["value"]
    note = f"shipped, {size} pixels, AUC {auc:.2f}"
    return Tested(shipped.config["architecture"], Engine.open(folder / "engine"), model, note)


def _tiny(workspace: Workspace) -> Iterator[Tested]:
    """Train the other families on phantoms and yield them."""
    from pipeline.inference.export import rebuild_model
    from pipeline.training.config import TrainConfig
    from pipeline.training.train import train

    written = write_phantoms(workspace.root / "phantoms", seeds=TRAINING_SEEDS, slices=LEVELS, masks=False)
    build_index(workspace, written.folder, name="phantoms", labels_csv=written.labels_csv)
    make_split(workspace, "phantoms", group_by="patient")
    for name in TINY:
        began = time.perf_counter()
        config = TrainConfig(
            dataset="phantoms", architecture=name, weights="random", image_size=SIZE, epochs=EPOCHS,
            batch_size=16, patience=0, balance="weights", learning_rate=1e-3, threads=2,
            recipe=str(ASSETS / "whole.json"),
        )  # fmt: skip
        found = RunStore(workspace).find(train(workspace, config))
        history = RunStore(workspace).history(found.id)
        note = (
            f"trained {time.perf_counter() - began:.0f} s on {len(TRAINING_SEEDS)} phantoms, {SIZE} pixels, "
            f"validation AUC {history['val_auc'].max():.2f}"
        )
        yield Tested(name, Engine.load(found), rebuild_model(found), note)


def _localized(tested: Tested, phantoms: list[PhantomSlice]) -> Iterator[dict[str, Any]]:
    """Yield a row a method."""
    cases = [_case(tested.engine, phantom) for phantom in phantoms]
    for name in METHODS:
        call = _method(tested, name)
        kept = cases[:FEW] if name in SLOW else cases
        began = time.perf_counter()
        found = [localization(case.prediction.on_slice(call(case.prediction)), case.lesion) for case in kept]
        seconds = (time.perf_counter() - began) / len(kept)
        yield _row(f"{tested.name}, {METHODS[name].title}", found, seconds)
    yield _chance(tested, cases)


def _case(engine: Engine, phantom: PhantomSlice) -> Case:
    image = SliceImage(phantom.slice_hu, "hu", "dicom", 16)
    return Case(phantom.patient_id, predict_slice(engine, image), phantom.lesion_mask)


def _method(tested: Tested, name: str) -> Callable[[Prediction], np.ndarray]:
    """Return what makes a map of LABEL, over the network's field."""

    def hidden(prediction: Prediction) -> np.ndarray:
        without, logits = occlude_slice(tested.engine, patches_of(prediction))
        return occlusion_values(without, logits, contrast_of(prediction, LABEL))

    def in_keras(prediction: Prediction) -> np.ndarray:
        from pipeline.explanation.gradient import gradient_map

        place = tested.engine.classes.index(LABEL)
        return gradient_map(tested.keras, prediction.model_input, method=name, class_index=place)

    own = {DEFAULT: lambda prediction: prediction.heatmap_of(LABEL).values, OCCLUSION: hidden}
    return own.get(name, in_keras)


def _row(figure: str, found: list[dict[str, float]], seconds: float | None = None) -> dict[str, Any]:
    said = {key: _interval([one[key] for one in found]) for key in ("pointing", "heat", "overlap")}
    took = "" if seconds is None else f"; {seconds:.2g} s a map"
    return {
        "figure": f"{figure}: points into the lesion",
        "value": float(np.mean([one["pointing"] for one in found])),
        "unit": f"of {len(found)}",
        "peer": f"{said['pointing']}; heat in it {said['heat']}; IoU {said['overlap']}{took}",
    }


def _interval(values: list[float]) -> str:
    """Return mean and 95 % interval as text; a slice is a patient."""
    per_slice = np.array(values)
    samples = draw_resamples(np.arange(len(per_slice))).sums(per_slice) / len(per_slice)
    found = estimate(float(per_slice.mean()), samples, groups=len(per_slice))
    between = "few patients" if found.low is None else f"{found.low:.2f}-{found.high:.2f}"
    return f"{found.value:.2f} ({between})"


def _chance(tested: Tested, cases: list[Case]) -> dict[str, Any]:
    """Return what a map evenly spread over the lungs would reach, and the model's size."""
    shares = [
        np.count_nonzero(case.lesion) / max(1, np.count_nonzero(case.prediction.preprocessed.found_mask))
        for case in cases
    ]
    return {
        "figure": f"{tested.name}: a random point in the lungs",
        "value": float(np.mean(shares)),
        "unit": f"of {len(cases)}",
        "peer": tested.note,
    }


def _verdicts(tested: Tested, phantoms: list[PhantomSlice]) -> list[dict[str, Any]]:
    """Return how often the exact map hits, by the verdict of its report card, on slices called LABEL."""
    hits: dict[str, list[dict[str, float]]] = defaultdict(list)
    for phantom in phantoms:
        case = _case(tested.engine, phantom)
        if case.prediction.label != LABEL:
            continue  # the map is true to a model that sees no lesion
        values = case.prediction.on_slice(case.prediction.heatmap_of(LABEL).values)
        card = report_map(case.prediction, LABEL)
        hits[card.sentence].append(localization(values, case.lesion))
    return [_row(f"{tested.name}: exact map, '{said}'", found) for said, found in sorted(hits.items())]


def _card_time(tested: Tested, phantom: PhantomSlice) -> list[dict[str, Any]]:
    """Return the seconds of a report card at 512 pixels; the model's own check was made before."""
    shipped = tested.engine
    facts = shipped.facts.model_copy(update={"image_size": CARD_SIZE})
    engine = Engine(shipped.folder, facts, shipped.recipe, shipped.cam)
    prediction = _case(engine, phantom).prediction
    began = time.perf_counter()
    map_check(engine)
    once = time.perf_counter() - began
    wall, cpu = [], []
    for _ in range(3):
        began, used = time.perf_counter(), time.process_time()
        report_map(prediction, LABEL)
        wall.append(time.perf_counter() - began)
        cpu.append(time.process_time() - used)
    name = f"{facts.architecture} at {CARD_SIZE}"
    busy = f"{np.median(cpu):.0f} s of processor time"
    return [
        {
            "figure": f"report card of a map, {name}",
            "value": float(np.median(wall)),
            "unit": "s",
            "peer": busy,
        },
        {"figure": f"random weights, once for a model, {name}", "value": once, "unit": "s"},
    ]
