"""The parameters of a recipe, stage by stage: ranges, meanings, defaults (those of the `hilum` preset)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def _odd(value: int) -> int:
    if value % 2 == 0:
        raise ValueError(f"must be odd, so that it has a middle pixel; take {value - 1} or {value + 1}")
    return value


Odd = Annotated[int, AfterValidator(_odd)]


class Parameters(BaseModel):
    """A frozen group of parameters that knows no others."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Window(Parameters):
    """Which HU become black and white. Slices without HU keep their grey levels."""

    center: float = Field(-600.0, ge=-1024, le=3071, description="HU in the middle of the grey scale.")
    width: float = Field(1500.0, ge=1, le=4096, description="HU from black to white.")


class Denoise(Parameters):
    """Smoothing before the threshold; the network's grey channel stays as it is."""

    method: Literal["none", "median", "gaussian"] = Field("gaussian", description="How noise is smoothed.")
    size: Odd = Field(3, ge=3, le=15, description="Side of the neighbourhood, odd, in pixels.")


class Threshold(Parameters):
    """Where dark ends and tissue begins."""

    method: Literal["body", "otsu", "multi-otsu", "local-mean", "local-gaussian", "hu"] = Field(
        "body",
        description="body: between the darkness of lung and of tissue, measured inside the body. "
        "otsu, multi-otsu: one level for the slice. local-mean, local-gaussian: each pixel against its "
        "neighbourhood. hu: a fixed CT number (inside the body where the slice has no HU).",
    )
    block: Odd = Field(51, ge=3, le=10999, description="Side of the local neighbourhood, odd, in pixels.")
    offset: float = Field(
        0.0, ge=-128, le=128, description="Taken from the level, in grey levels: below 0, denser lung passes."
    )
    level_hu: float = Field(-400.0, ge=-1000, le=200, description="The fixed level in HU, for the method hu.")


class Lungs(Parameters):
    """From dark pixels to lungs."""

    method: Literal["anatomy", "classic", "corners", "none"] = Field(
        "anatomy",
        description="anatomy: body, size, place and both sides, with the pleura repaired. classic: the "
        "largest dark parts, closed, their edges filled. corners: the holes of the largest bright part. "
        "none: no mask.",
    )
    clear_border: bool = Field(True, description="Drop dark parts that touch the picture's edge (classic).")
    keep: int = Field(2, ge=1, le=6, description="How many of the largest parts stay (classic, corners).")
    opening_radius: int = Field(
        0, ge=0, le=20, description="Drops dark specks and threads thinner than it, first of all. 0: none."
    )
    erosion_radius: int = Field(2, ge=0, le=20, description="Cuts bridges: airways, bowel. Pixels.")
    closing_radius: int = Field(9, ge=0, le=40, description="Brings back vessels and dents. Pixels.")
    kernel: Literal["disk", "square"] = Field("disk", description="Shape of erosion and closing.")
    fill_holes: bool = Field(True, description="Take in what the lung encloses: vessels, lesions.")
    repair: float = Field(
        1.5, ge=0, le=3,
        description="How deep a dent in the outer border is taken back as lung, as a share of its width: "
        "keeps consolidation at the pleura (anatomy).",
    )  # fmt: skip
    hull: bool = Field(
        False,
        description="Take each lung's convex hull, within the body: keeps all at the pleura, and takes in "
        "some of heart and diaphragm.",
    )


class Crop(Parameters):
    """Which part of the slice the network gets: a square window, enlarged to the recipe's size."""

    to: Literal["none", "body", "lungs"] = Field(
        "none",
        description="none: the whole slice. body, lungs: what holds them; the whole slice where no body is "
        "seen, or no lung mask is believed.",
    )
    margin: int = Field(12, ge=0, le=128, description="Pixels around body or lungs that stay in view.")


class Edges(Parameters):
    """The edge picture."""

    method: Literal["roberts", "sobel", "canny"] = Field("sobel", description="Which edge detector.")
    of: Literal["grey", "closing"] = Field("grey", description="Edges of the slice, or of the closed mask.")
    low: float = Field(60.0, ge=0, le=1000, description="Canny: weaker gradients are no edge.")
    high: float = Field(140.0, ge=0, le=1000, description="Canny: stronger gradients begin an edge.")
