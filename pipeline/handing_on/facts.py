"""What an answer comes from, in words."""

from __future__ import annotations

from pipeline.data.slice_image import SliceImage
from pipeline.data.statistics import DISPLAY_HU, content_hash
from pipeline.handing_on.versions import hilum_version, versions
from pipeline.inference.engine import PRECISION
from pipeline.inference.prediction import Prediction
from pipeline.runs import RunInfo


def slice_words(image: SliceImage) -> str:
    """Say what kind of slice it is: size, spacing, file format, how it is shown."""
    rows, columns = image.image.shape
    parts = [f"{columns} x {rows} pixels"]
    if image.header is not None and image.header.pixel_spacing:
        parts.append(f"{image.header.pixel_spacing:.2f} mm each")
    parts.append(
        f"{image.format.upper()}, shown from {DISPLAY_HU[0]:.0f} to {DISPLAY_HU[1]:.0f} HU"
        if image.intensity == "hu"
        else f"{image.format.upper()}, {image.bit_depth}-bit grey, no Hounsfield units"
    )
    return "; ".join(parts)


def origin(prediction: Prediction, run: RunInfo) -> list[tuple[str, str]]:
    """Return what an answer comes from, as titles and texts."""
    engine = prediction.engine
    facts, calibration = engine.facts, engine.calibration
    fitted = (
        f"temperature {calibration.temperature:.3f}, fitted on {calibration.basis.text}"
        if calibration is not None
        else "none: scores are uncalibrated"
    )
    libraries = ", ".join(f"{name} {number}" for name, number in versions().items() if name != "hilum")
    rows = [
        (
            "Model",
            f"{facts.architecture}, {facts.image_size} x {facts.image_size} pixels, {PRECISION} on CPU",
        ),
        ("Run", f"{run.name} ({run.id})"),
        ("Weights", f"sha256 {facts.sha256['model.bin']}"),
        ("Recipe", f"{engine.recipe.name}, hash {facts.recipe_hash}"),
        ("Slice", f"hash of the pixels {content_hash(prediction.image.image)}"),
        ("Calibration", fitted),
        ("Versions", f"Hilum {hilum_version()}; {libraries}"),
    ]
    return rows if prediction.averaging.is_plain else [*rows, ("Averaging", prediction.averaging.text)]
