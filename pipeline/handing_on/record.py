"""What is kept of one answer: enough to make it again, and to tell whether it comes out the same.

No time and no file name: the same answer makes the same record, and a file's name may hold a patient's.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from pipeline.data.slice_image import MAX_FRAMES, MAX_PIXELS, SliceImage
from pipeline.data.statistics import content_hash
from pipeline.explanation.report_card import ReportCard
from pipeline.handing_on.map_verdict import known_card
from pipeline.handing_on.versions import versions
from pipeline.inference.calibrated import Calibration
from pipeline.inference.engine import PRECISION, Engine
from pipeline.inference.prediction import Prediction
from pipeline.notice import NOTICE
from pipeline.runs import RunInfo

FORMAT = 2
READABLE = (1, FORMAT)  # 1 said nothing of the map's checks
_NOT_KEPT = ("input", "heatmap", "notice", "seen")  # where a file lay; and what depends on who asks


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class SliceFacts(_Facts):
    """Which slice was asked about.

    Attributes:
        content_hash: of shape, type and pixels, as the index has it.
        pixel_spacing: mm, None where it is not known.
    """

    content_hash: str = Field(pattern="^[0-9a-f]{32}$")
    rows: int = Field(gt=0, le=MAX_PIXELS)
    columns: int = Field(gt=0, le=MAX_PIXELS)
    intensity: Literal["hu", "grey"]
    format: str
    bit_depth: int
    frame: int = Field(ge=0, lt=MAX_FRAMES)
    color_share: float
    modality: str | None
    pixel_spacing: float | None


class ModelFacts(_Facts):
    """One network: which files, how it was run, how its slices were prepared.

    Attributes:
        run: id of the run; `name` what it was called.
        sha256: hex digest of each file of the engine.
        precision, device: what OpenVINO was told to compute with.
        heat_range: the end of the colour scale, logit margin a cell; None where it is each map's own.
    """

    run: str
    name: str
    architecture: str
    sha256: dict[str, str]
    classes: list[str] = Field(min_length=2, max_length=1000)
    image_size: int
    channels: int
    precision: str
    device: str
    exported_with: dict[str, str]
    recipe: dict[str, Any]
    recipe_hash: str
    calibration: Calibration | None
    distance_threshold: float | None
    heat_range: float | None


class AveragingFacts(_Facts):
    """What the probabilities were averaged over: views of the slice, and further networks by name."""

    views: int
    networks: dict[str, str]


class Outputs(BaseModel):
    """What `predict --json` says of the slice; these keys are compared."""

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False)

    status: Literal["ok", "rejected"]
    reason: str
    label: str
    probabilities: dict[str, float]
    logits: dict[str, float]
    conformal_set: list[str] | None
    heatmap_limit: float = Field(gt=0)


class ArrayFacts(_Facts):
    """An array beside the record: what its file must hold."""

    shape: list[int] = Field(min_length=2, max_length=3)
    dtype: Literal["<f4", "<i2", "|u1"]
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class MapFacts(_Facts):
    """How far one of the maps can be trusted.

    Attributes:
        label: whose map; the check was of the exact one.
        report: its report card, as `predict --check-maps --json` gives it; None where it was not checked.
    """

    label: str
    report: dict[str, Any] | None


class Record(_Facts):
    """One answer with all that it came from; `map` is None in bundles of the first format."""

    format: int
    notice: str
    synthetic: bool
    versions: dict[str, str]
    slice: SliceFacts
    model: ModelFacts
    averaging: AveragingFacts
    gate: dict[str, Any]
    answer: Outputs
    map: MapFacts | None = None
    arrays: dict[str, ArrayFacts] = Field(default={}, max_length=2)


def make_record(
    prediction: Prediction, run: RunInfo, *, card: ReportCard | None = None, label: str | None = None
) -> Record:
    """Return the record of an answer that `run` gave.

    Args:
        card: how far the exact map of `label`, else of the answer, can be trusted, where that was checked.
    """
    checked = known_card(prediction, card)
    others = dict(zip(prediction.averaging.names, prediction.averaging.others, strict=True))
    said = prediction.to_json(input="")
    return Record(
        format=FORMAT,
        notice=NOTICE,
        synthetic=run.synthetic,
        versions=versions(),
        slice=slice_facts(prediction.image),
        model=model_facts(prediction.engine, run),
        averaging=AveragingFacts(
            views=prediction.averaging.views,
            networks={name: other.facts.sha256["model.bin"] for name, other in others.items()},
        ),
        gate={
            "passed": prediction.gate.passed,
            "reasons": list(prediction.gate.reasons),
            "measures": prediction.gate.measures,
        },
        answer=Outputs(**{key: value for key, value in said.items() if key not in _NOT_KEPT}),
        map=MapFacts(
            label=label or prediction.label, report=checked.to_json() if checked is not None else None
        ),
    )


def slice_facts(image: SliceImage) -> SliceFacts:
    """Return what tells a slice from others; nothing of it names a patient."""
    header = image.header
    return SliceFacts(
        content_hash=content_hash(image.image),
        rows=image.image.shape[0],
        columns=image.image.shape[1],
        intensity=image.intensity,
        format=image.format,
        bit_depth=image.bit_depth,
        frame=image.frame,
        color_share=image.color_share,
        modality=header.modality if header is not None else None,
        pixel_spacing=header.pixel_spacing if header is not None else None,
    )


def model_facts(engine: Engine, run: RunInfo) -> ModelFacts:
    """Return what tells a run's network from others."""
    facts = engine.facts
    return ModelFacts(
        run=run.id,
        name=run.name,
        architecture=facts.architecture,
        sha256=facts.sha256,
        classes=list(facts.classes),
        image_size=facts.image_size,
        channels=facts.channels,
        precision=PRECISION,
        device="CPU",
        exported_with=facts.versions,
        recipe=facts.recipe,
        recipe_hash=facts.recipe_hash,
        calibration=engine.calibration,
        distance_threshold=engine.reference.threshold if engine.reference is not None else None,
        heat_range=facts.heat_range,
    )
