"""From a slice to an answer: gate, recipe, network, what was seen before; one slice or many files."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pipeline.data.inputs import InputSlice, expand_inputs
from pipeline.data.reading import read_slice
from pipeline.data.slice_image import SliceError, SliceImage
from pipeline.data.statistics import display_grey
from pipeline.explanation.overlay import draw_overlay
from pipeline.inference.answer import decide
from pipeline.inference.averaging import PLAIN, Averaging, in_order, make_averaging, view_probabilities
from pipeline.inference.drawn import unlike_drawn
from pipeline.inference.engine import Engine
from pipeline.inference.prediction import Prediction, error_json, score_text
from pipeline.inference.reference import pool
from pipeline.inference.seen import WORST_FIRST, SeenSlices
from pipeline.inference.wording import has_answer, score_kind, shown_labels
from pipeline.jobs import Progress, no_progress
from pipeline.notice import NOTICE, SYNTHETIC
from pipeline.preprocessing.apply import Preprocessed, preprocess_slice
from pipeline.preprocessing.gate import GateVerdict, is_chest_ct
from pipeline.preprocessing.geometry import to_model_input
from pipeline.runs import RunInfo, RunStore
from pipeline.workspace import Workspace, atomic_write_bytes


def predict_slice(
    engine: Engine,
    image: SliceImage,
    *,
    seen: SeenSlices | None = None,
    patient_id: str | None = None,
    averaging: Averaging = PLAIN,
) -> Prediction:
    """Say what the model makes of a slice.

    Args:
        engine: the exported model; its own recipe prepares the slice.
        image: the slice.
        seen: what the run was made with; without it, `seen` is `unknown`.
        patient_id: whose slice it is, where known better than from its header.
        averaging: what the probabilities are averaged over; maps and logits stay those of `engine` alone.
    """
    clock = [time.perf_counter()]
    gate = judge(image)
    clock.append(time.perf_counter())
    preprocessed = _prepare(engine, image)
    facts = engine.facts
    model_input = to_model_input(preprocessed.output, image_size=facts.image_size, channels=facts.channels)
    clock.append(time.perf_counter())
    outputs = engine.run(model_input[None])
    members = _members(engine, image, preprocessed, outputs.logits, averaging)
    clock.append(time.perf_counter())
    known = _seen(image, patient_id, seen, averaging)
    clock.append(time.perf_counter())
    probabilities = _by_class(engine, members.mean(axis=0))
    distance = _distance(engine, outputs.features[0])
    clock.append(time.perf_counter())
    foreign = unlike_drawn(image) if averaging.is_synthetic(engine) else ""
    answer = decide(
        engine,
        refusals=gate.reasons,
        lung_fraction=preprocessed.verdict.lung_fraction,
        lungs_believed=preprocessed.verdict.plausible,
        probabilities=probabilities,
        distance=distance,
        unlike_drawn=foreign,
    )
    steps = ("gate", "preprocessing", "network", "seen", "distance")
    return Prediction(
        engine=engine,
        image=image,
        gate=gate,
        preprocessed=preprocessed,
        status=answer.status,
        reason=answer.reason,
        label=answer.label,
        model_label=answer.model_label,
        little_lung=answer.little_lung,
        probabilities=probabilities,
        logits=_by_class(engine, outputs.logits[0]),
        calibrated=engine.calibration is not None and averaging.is_plain,
        seen=known,
        features=outputs.features[0],
        model_input=model_input,
        distance=distance,
        unlike_drawn=foreign,
        averaging=averaging,
        members=members,
        patient_id=patient_id or (image.header.patient_id if image.header is not None else None),
        milliseconds={name: 1e3 * float(t) for name, t in zip(steps, np.diff(clock), strict=True)},
    )


def _seen(image: SliceImage, patient_id: str | None, seen: SeenSlices | None, averaging: Averaging) -> str:
    """Return how a slice was met before, by whichever of the networks knows it best."""
    found = [
        "unknown" if each is None else each.find(image, patient_id=patient_id)
        for each in (seen, *averaging.seen)
    ]
    return min(found, key=WORST_FIRST.index)


def _prepare(engine: Engine, image: SliceImage) -> Preprocessed:
    spacing = image.header.pixel_spacing if image.header is not None else None
    return preprocess_slice(
        image.image, intensity=image.intensity, recipe=engine.recipe, pixel_spacing=spacing
    )


def _members(
    engine: Engine, image: SliceImage, prepared: Preprocessed, logits: np.ndarray, averaging: Averaging
) -> np.ndarray:
    """Return the probabilities of each view by each network, (m, c); where plain of the slice alone."""
    if averaging.is_plain:
        return engine.probabilities(logits)
    found = [view_probabilities(engine, prepared.output, averaging)]
    for other in averaging.others:
        output = prepared.output if other.recipe.hash == engine.recipe.hash else _prepare(other, image).output
        found.append(in_order(view_probabilities(other, output, averaging), other, engine.classes))
    return np.concatenate(found)


def _distance(engine: Engine, features: np.ndarray) -> float | None:
    return None if engine.reference is None else engine.reference.distance(pool(features))


def judge(image: SliceImage) -> GateVerdict:
    """Ask the gate about a slice."""
    return is_chest_ct(
        image.image,
        intensity=image.intensity,
        modality=image.header.modality if image.header is not None else None,
        color_share=image.color_share,
    )


def _by_class(engine: Engine, values: np.ndarray) -> dict[str, float]:
    return {name: float(value) for name, value in zip(engine.classes, values, strict=True)}


def predict_inputs(
    workspace: Workspace,
    run: str | RunInfo,
    inputs: Sequence[Path],
    *,
    heatmaps: Path | None = None,
    check_maps: bool = False,
    tta: int = 1,
    ensemble: Sequence[str] = (),
    progress: Progress = no_progress,
) -> Iterator[dict[str, Any]]:
    """Predict slices, one JSON object (design: Commands, `predict`) each, in the order of the inputs.

    What cannot be read is an object with status `error`.

    Args:
        run: which model.
        inputs: slices, files of several frames, folders and archives (see `expand_inputs`).
        heatmaps: a folder for `<stem>.npy` (float32, the slice's size, logit margin a cell) and `<stem>.png`.
        check_maps: add how far each heatmap can be trusted; some seconds a slice.
        tta: average the probabilities over so many slightly moved copies of each slice.
        ensemble: further runs, with the same classes, to average with.
        progress: told how many are done.

    Raises:
        RunNotFoundError, EngineMissingError, EngineDamagedError, RecipeGoneError: there is nothing to predict
            with.
        AveragingError: views or runs that cannot be averaged.
    """
    from pipeline.inference.map_report import report_map

    found = RunStore(workspace).find(run) if isinstance(run, str) else run
    for each, answer in answer_inputs(
        workspace, found, inputs, tta=tta, ensemble=ensemble, progress=progress
    ):
        if isinstance(answer, SliceError):
            yield error_json(input=each.shown, reason=str(answer)) | {"frame": each.frame}
        else:
            written = write_heatmap(answer, heatmaps, each.stem) if heatmaps is not None else None
            report = {"map_report": report_map(answer).to_json()} if check_maps else {}
            yield answer.to_json(input=each.shown, heatmap=written) | report


def answer_inputs(
    workspace: Workspace,
    run: RunInfo,
    inputs: Sequence[Path],
    *,
    tta: int = 1,
    ensemble: Sequence[str] = (),
    progress: Progress = no_progress,
) -> Iterator[tuple[InputSlice, Prediction | SliceError]]:
    """Yield each slice of the inputs with its answer, or with why it cannot be read; see `predict_inputs`."""
    engine = Engine.load(run)
    averaging = make_averaging(workspace, run, views=tta, ensemble=ensemble)
    seen = SeenSlices.load(run.artifacts)
    key = workspace.pseudonym_key()
    done, total = 0, len(inputs)
    for slices in expand_inputs(inputs):
        total += len(slices) - 1
        for each in slices:
            try:
                if each.problem is not None:
                    raise each.problem
                image = read_slice(each.path, frame=each.frame, key=key)
                yield each, predict_slice(engine, image, seen=seen, averaging=averaging)
            except SliceError as error:
                yield each, error
            done += 1
            progress(done, total, each.shown)


def write_heatmap(prediction: Prediction, folder: Path, stem: str) -> str | None:
    """Write the predicted class's heatmap as `<stem>.npy` and `<stem>.png`; return the array's path.

    A rejected slice gets none, nor does one of which no class is answered.
    """
    if prediction.status != "ok" or not has_answer(prediction):
        return None
    values = prediction.on_slice(prediction.heatmap.values)
    target = folder / f"{stem}.npy"
    atomic_write_bytes(target, _npy(values))
    atomic_write_bytes(
        folder / f"{stem}.png", encode_png(draw_prediction(prediction, prediction.label, values))
    )
    return str(target)


def draw_prediction(prediction: Prediction, label: str, values: np.ndarray) -> np.ndarray:
    """Draw a map of the slice's size over the slice, with scale and notice: uint8 RGB.

    The picture of a rejected slice says so, and shows a probability only where a page does.
    """
    grey = display_grey(prediction.image.image, intensity=prediction.image.intensity)
    return draw_overlay(
        grey, values, limit=prediction.heat_limit(label), title=_title(prediction, label),
        notice=f"{NOTICE}. {SYNTHETIC}" if prediction.synthetic else NOTICE,
    )  # fmt: skip


def _title(prediction: Prediction, label: str) -> str:
    said = f"{score_kind(prediction)} {score_text(prediction.probabilities[label])}"
    if label not in shown_labels(prediction):
        said = "no probability is shown"
    unit = "logit margin a cell"
    if prediction.status == "rejected":
        foreign = not prediction.gate.passed
        unit = "not taken for a chest CT slice" if foreign else "refused: unlike the training"
    return f"{label}: {said} - {unit}"


def _npy(values: np.ndarray) -> bytes:
    import io

    buffer = io.BytesIO()
    np.save(buffer, values.astype(np.float32), allow_pickle=False)
    return buffer.getvalue()


def encode_png(picture: np.ndarray) -> bytes:
    """Return a uint8 RGB picture as a PNG file."""
    return bytes(cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes())
