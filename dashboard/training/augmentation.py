"""Every change that augmentation can make, with slices as the network will see them."""

from __future__ import annotations

import streamlit as st

from dashboard import widgets
from dashboard.training import session
from dashboard.training.controls import Controls
from dashboard.training.preview import draw_preview
from pipeline.training.config import Augmentation, TrainConfig

# The end of each slider and its step; a value beyond, from a file or a run, moves the end.
SHAPE = {
    "rotation": (45.0, 1.0, "°"),
    "translation": (0.3, 0.01, ""),
    "zoom": (0.3, 0.01, ""),
    "shear": (30.0, 1.0, "°"),
}
GREYS = {
    "brightness": (0.5, 0.01, ""), "contrast": (1.0, 0.01, ""), "gamma": (1.0, 0.01, ""),
    "noise": (0.2, 0.005, ""), "blur": (5.0, 0.1, " px"), "cutout": (0.5, 0.01, ""),
}  # fmt: skip


def draw_augmentation(dataset: str, controls: Controls, config: TrainConfig | None) -> None:
    """Draw the changes and, where the form is valid, what they make of some slices."""
    with st.container(horizontal=True, gap="small"):
        _button("Gentle", Augmentation(), "rotation, shift and zoom by little: the default")
        strong = Augmentation(
            rotation=15, translation=0.1, zoom=0.15, brightness=0.1, contrast=0.2, noise=0.02, blur=0.5
        )
        _button("Strong", strong, "more of each, and other windows, noise and blur: for other scanners")
        _button("None", Augmentation.none(), "slices as they are")
    _sliders(controls, SHAPE)
    controls.toggle("augment.horizontal_flip")
    _sliders(controls, GREYS)
    if config is not None:
        with widgets.guarded("The preview could not be drawn."):
            draw_preview(dataset, config)


def _button(name: str, augment: Augmentation, meaning: str) -> None:
    settings = {f"augment.{field}": value for field, value in augment.model_dump().items()}
    st.button(
        name,
        key=f"train-augment-{name.lower()}",
        help=meaning,
        on_click=session.take,
        args=(settings,),
        kwargs={"reason": f"augmentation {name.lower()}"},
        disabled=all(session.get(field) == value for field, value in settings.items()),
    )


def _sliders(controls: Controls, ranges: dict[str, tuple[float, float, str]]) -> None:
    columns = st.columns(2)
    for place, (name, (most, step, unit)) in enumerate(ranges.items()):
        with columns[place % 2]:
            controls.slider(f"augment.{name}", most, step=step, unit=unit)
