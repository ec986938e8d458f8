"""The recipe: what is done to a slice before a network sees it. Frozen, validated, hashed, kept by name."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipeline.errors import HilumError
from pipeline.preprocessing.conflicts import doubts
from pipeline.preprocessing.parameters import Crop, Denoise, Edges, Lungs, Parameters, Threshold, Window
from pipeline.workspace import atomic_write_json, checked_name

Output = Literal["grey", "masked", "three-channel"]
# A stage whose bytes change for the same parameters gets the next number: caches are remade, and runs that
# were trained on the old bytes are refused.
STAGE_VERSIONS = {"fit": 1, "grey": 1, "threshold": 1, "lungs": 2, "edges": 1, "output": 1}

# Parameters that came later, with the value that leaves the bytes as they were: it doesn't count for the
# hash, so that caches and runs from before stay good.
_CAME_LATER = {"lungs.opening_radius": 0, "lungs.hull": False}


class RecipeError(HilumError):
    """A recipe that cannot be read, found or believed."""


class StageVersionError(RecipeError):
    """A recipe that was made with another version of a stage than this Hilum has."""


class Recipe(Parameters):
    """A preprocessing configuration; the same object drives the page, the cache and prediction.

    Lengths in pixels are those of the fitted slice (`size`), whatever the size of the file.

    Raises:
        RecipeError: on construction, for unknown keys and values out of range, in sentences.
        StageVersionError: `versions` names a stage or version that this Hilum lacks.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str = Field("hilum", min_length=1, max_length=64, description="What the recipe is called.")
    size: int = Field(512, ge=64, le=1024, description="Pixels a side of the output.")
    fit: Literal["pad", "stretch"] = Field(
        "pad", description="Keep the aspect and pad with black, or stretch."
    )
    window: Window = Window()
    denoise: Denoise = Denoise()
    threshold: Threshold = Threshold()
    lungs: Lungs = Lungs()
    edges: Edges = Edges()
    output: Output = Field(
        "masked",
        description="grey: the slice. masked: black outside the lungs. three-channel: slice, mask and edges.",
    )
    margin: int = Field(6, ge=0, le=64, description="Pixels around the lungs that stay visible (masked).")
    crop: Crop = Crop()
    versions: dict[str, int] = Field(default_factory=lambda: dict(STAGE_VERSIONS))

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise RecipeError(_sentences(error, name=values.get("name"))) from None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.edges.low > self.edges.high:
            raise ValueError(f"edges: low ({self.edges.low:g}) must not be above high ({self.edges.high:g})")
        for stage, version in sorted(self.versions.items()):
            if STAGE_VERSIONS.get(stage) != version:
                raise StageVersionError(
                    f"The recipe {self.name!r} was made with stage {stage!r} version {version}, and this "
                    f"Hilum has {_available(stage)}. Use the Hilum that made it, or train again with a "
                    "recipe of today."
                )
        if missing := sorted(set(STAGE_VERSIONS) - set(self.versions)):
            raise StageVersionError(
                f"The recipe {self.name!r} doesn't say which version of {', '.join(missing)} made it. "
                "Leave out 'versions' altogether to take today's."
            )
        return self

    @property
    def hash(self) -> str:
        """SHA-256 (hex) of what decides the output's bytes: parameters and stage versions, not the name."""
        values = self.model_dump(mode="json", exclude={"name"})
        if self.crop.to == "none":
            del values["crop"]
        for parameter, without in _CAME_LATER.items():
            stage, _, name = parameter.partition(".")
            if values[stage][name] == without:
                del values[stage][name]
        return hashlib.sha256(json.dumps(values, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    def changed(self, **values: Any) -> Recipe:
        """Return a copy with parameters changed; those of a stage are written `stage__parameter`.

        >>> PRESETS["hilum"].changed(size=256, lungs__erosion_radius=5).lungs.erosion_radius
        5
        """
        dumped = self.model_dump()
        for key, value in values.items():
            group, _, parameter = key.rpartition("__")
            (dumped[group] if group else dumped)[parameter] = value
        return Recipe(**dumped)

    def difference(self, other: Recipe) -> dict[str, tuple[Any, Any]]:
        """Return where `other` differs: `stage.parameter` -> (here, there); names don't count.

        >>> PRESETS["hilum"].difference(PRESETS["hilum"].changed(fit="stretch"))
        {'fit': ('pad', 'stretch')}
        """
        here, there = _flat(self), _flat(other)
        return {key: (here[key], there[key]) for key in here if here[key] != there[key] and key != "name"}

    def warnings(self) -> list[str]:
        """Return what the parameters do to each other that is allowed and hardly meant, in sentences."""
        return list(doubts(self))

    def to_json(self) -> dict[str, Any]:
        """Return the recipe as a JSON object; `Recipe(**value)` makes it again."""
        return self.model_dump(mode="json")


def _flat(model: BaseModel, prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in model:
        found |= _flat(value, f"{prefix}{key}.") if isinstance(value, BaseModel) else {prefix + key: value}
    return found


def _available(stage: str) -> str:
    return f"version {STAGE_VERSIONS[stage]}" if stage in STAGE_VERSIONS else "no such stage"


def _sentences(error: ValidationError, *, name: Any) -> str:
    """Say each mistake in words: where, what came, what is expected."""
    parts = []
    for mistake in error.errors():
        where = ".".join(str(step) for step in mistake["loc"])
        if mistake["type"] == "extra_forbidden":
            parts.append(f"there is no parameter {where!r}; {_known(mistake['loc'])}")
        elif mistake["type"] == "model_type":
            parts.append(f"{where} = {mistake['input']!r}: it holds parameters of its own")
        elif mistake["type"] == "value_error":
            parts.append(f"{where + ' ' if where else ''}{mistake['ctx']['error']}")
        else:
            text = mistake["msg"][0].lower() + mistake["msg"][1:]
            parts.append(f"{where} = {mistake['input']!r}: {text}")
    whose = f"The recipe {name!r}" if isinstance(name, str) else "The recipe"
    return f"{whose} cannot be used: {'; '.join(parts)}."


def _known(location: tuple[int | str, ...]) -> str:
    model: Any = Recipe
    for step in location[:-1]:
        model = model.model_fields[str(step)].annotation
    return f"there are {', '.join(model.model_fields)}"


PRESETS: dict[str, Recipe] = {
    # Hilum's own, and the default: see lungs/anatomy.py.
    "hilum": Recipe(name="hilum"),
    # The authors of HUST-19: a local mean over a block larger than the picture, so in effect one
    # level a slice (the mean of its borders plus 96), the holes of the body, 5 x 5 and 10 x 10
    # squares; see lungs/corners.py.
    "hust19": Recipe(
        name="hust19",
        denoise=Denoise(method="none"),
        threshold=Threshold(method="local-mean", block=10999, offset=-96.0),
        lungs=Lungs(method="corners", keep=2, erosion_radius=4, closing_radius=9, kernel="square"),
        edges=Edges(of="closing"),
        margin=0,
    ),
    # The LUNA16 / Data Science Bowl kernels on Kaggle: -420 HU, the two largest parts off the border, erosion
    # with disk 2, closing with disk 10, Roberts, filled. Kept as it is: it loses consolidation at the pleura.
    "luna": Recipe(
        name="luna",
        denoise=Denoise(method="none"),
        threshold=Threshold(method="hu", level_hu=-420.0),
        lungs=Lungs(method="classic", clear_border=True, keep=2, erosion_radius=2, closing_radius=10),
        edges=Edges(method="roberts", of="closing"),
        margin=0,
    ),
    # The notebook that the mission starts from names its steps (stretched to 512 x 512, local threshold,
    # erosion, closing, edges) and no values. These are ours: a block about as wide as a lung, so that a
    # lung is dark against its chest wall; radii that survive a 512 pixel slice.
    "notebook": Recipe(
        name="notebook",
        fit="stretch",
        denoise=Denoise(method="none"),
        threshold=Threshold(method="local-gaussian", block=251, offset=0.0),
        lungs=Lungs(method="classic", clear_border=True, keep=2, erosion_radius=2, closing_radius=8),
        edges=Edges(method="canny", of="closing"),
        margin=0,
    ),
}


def load_recipe(text: str, folder: Path | None = None) -> Recipe:
    """Return the recipe that `text` means: a preset's name, a name saved in `folder`, or a JSON file.

    Raises:
        RecipeError: there is none, or its file is not a recipe.
    """
    if text in PRESETS:
        return PRESETS[text]
    saved = list_recipes(folder) if folder is not None else []
    if folder is not None and text in saved:
        return _read(folder / f"{text}.json")
    path = Path(text)
    if path.suffix == ".json" and path.is_file():
        return _read(path)
    raise RecipeError(
        f"There is no recipe {text!r}: it is neither a preset ({', '.join(PRESETS)})"
        f"{f' nor saved here ({chr(44).join(saved)})' if saved else ''} nor a JSON file."
    )


def save_recipe(recipe: Recipe, folder: Path) -> Path:
    """Write the recipe to `folder` under its name, replacing one of that name; return the file.

    Raises:
        RecipeError: the name is a preset's.
        InvalidNameError: the name cannot be a file's.
    """
    if recipe.name in PRESETS:
        raise RecipeError(
            f"{recipe.name!r} is a preset and stays as it is; save the recipe under another name."
        )
    path = folder / f"{checked_name(recipe.name)}.json"
    atomic_write_json(path, recipe.to_json())
    return path


def list_recipes(folder: Path) -> list[str]:
    """Return the names of the recipes saved in `folder` in alphabetical order, presets not among them."""
    return sorted(path.stem for path in folder.glob("*.json")) if folder.is_dir() else []


def _read(path: Path) -> Recipe:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecipeError(f"{path} is not a recipe: {error}. Expected a JSON object.") from None
    if not isinstance(values, dict):
        raise RecipeError(
            f"{path} is not a recipe: expected a JSON object, received {type(values).__name__}."
        )
    return Recipe(**({"name": path.stem} | values))
