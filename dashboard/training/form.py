"""The form of a new training: choices in, a validated configuration out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard import loaders, widgets
from dashboard.loaders import train as load
from dashboard.training.preview import draw_preview
from models.registry import ARCHITECTURES

if TYPE_CHECKING:
    from pipeline.data.datasets import DatasetInfo

SIZES = (96, 128, 160, 192, 224, 256, 300, 384, 480, 512)
BATCHES = (2, 4, 8, 16, 32, 64, 128)
RATES = (3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5)
WEIGHTS = {
    "random": "Random weights",
    "imagenet": "ImageNet",
    "phantom": "Phantom-trained",
    "run": "A run of mine",
    "file": "A weights file",
}
BALANCE = {"augment": "more copies", "weights": "weighted loss", "none": "as it is"}
MONITORS = {"val_auc": "validation AUC", "val_loss": "validation loss", "val_accuracy": "validation accuracy"}
DEFAULTS: dict[str, Any] = {
    "architecture": "EfficientNetV2B0", "weights": "random", "recipe": "hilum", "image_size": 224,
    "batch_size": 16, "epochs": 30, "patience": 10, "learning_rate": 1e-3, "balance": "augment",
    "rotation": 10, "translation": 8, "zoom": 8, "horizontal_flip": False, "schedule": "cosine",
    "monitor": "val_auc", "dropout": 0.3, "label_smoothing": 0.0, "head_only": False, "seed": 0, "name": "",
    "from_run": None, "file": "",
}  # fmt: skip


def draw_form(dataset: DatasetInfo) -> dict[str, Any]:
    """Draw the choices; return a configuration's values, not validated yet."""
    st.session_state.setdefault(_key("recipe"), load.default_recipe())
    for name, value in DEFAULTS.items():
        st.session_state.setdefault(_key(name), value)
    values: dict[str, Any] = {"dataset": dataset.name}
    left, right = st.columns(2)
    with right:
        values["recipe"] = _select("Recipe", "recipe", load.recipes())
    with left:
        values["split"] = _draw_split(dataset.name)
    if values["split"] is not None:
        _tell_split(dataset.name, values["split"])
    values |= _draw_model()
    values |= _draw_schedule()
    values["augment"] = _draw_augmentation(dataset.name, values)
    values |= _draw_more()
    return values


def fill_form(config: dict[str, Any]) -> None:
    """Put a run's settings into the form, for another run with changes. Call before the form is drawn."""
    flat = {key: value for key, value in config.items() if key in DEFAULTS and value is not None}
    augment = config.get("augment", {})
    flat |= {"rotation": int(augment.get("rotation", 0)), "name": ""}
    flat |= {key: round(100 * augment.get(key, 0)) for key in ("translation", "zoom")}
    flat["horizontal_flip"] = bool(augment.get("horizontal_flip"))
    kind, _, rest = str(config.get("weights", "random")).partition(":")
    flat["weights"] = kind
    if kind == "file":
        flat["file"] = rest
    for name, value in flat.items():
        st.session_state[_key(name)] = value


def _draw_split(dataset: str) -> str | None:
    names = load.split_names(dataset)
    if not names:
        st.caption("This data set has no split yet.")
        if st.button(
            "Split it by patient", key="train-split", help="70 % to train on, patients kept together"
        ):
            _make_split(dataset)
        return None
    return str(st.selectbox("Split", names, key=_key("split"), persist_state="session"))


def _tell_split(dataset: str, name: str) -> None:
    counts = load.split_counts(dataset, name)
    parts = " · ".join(
        f"{part} {counts[part]['slices']:,}" for part in ("train", "val", "test") if counts.get(part)
    )
    known = counts["train"]["patients"]
    st.caption(
        f"{parts} slices; " + ("patients kept apart" if known else "patients unknown, near-copies kept apart")
    )


def _make_split(dataset: str) -> None:
    from pipeline.data.splits import NoPatientsError, make_split

    try:
        make_split(loaders.workspace(), dataset)
    except NoPatientsError:
        make_split(loaders.workspace(), dataset, group_by="cluster")
    st.rerun()


def _draw_model() -> dict[str, Any]:
    left, right = st.columns(2)
    with left:
        values = {"architecture": _select("Architecture", "architecture", list(ARCHITECTURES))}
    with right:
        kind = _select("Start from", "weights", list(WEIGHTS), names=WEIGHTS)
    values["weights"] = _draw_weights(str(kind))
    left, right = st.columns(2)
    with left:
        values["image_size"] = _select("Image size", "image_size", SIZES, unit=" px")
    with right:
        values["batch_size"] = _select("Batch size", "batch_size", BATCHES)
    return values


def _draw_weights(kind: str) -> str:
    if kind == "run":
        runs = [run for run in loaders.runs() if (run.artifacts / "weights.weights.h5").is_file()]
        if not runs:
            st.caption("No run has weights yet.")
            return "random"
        names = {run.id: f"{run.name} ({run.params.get('architecture', '')})" for run in runs}
        return f"run:{_select('Run', 'from_run', list(names), names=names)}"
    if kind == "file":
        path = st.text_input("Path of a .weights.h5 file", key=_key("file"), persist_state="session")
        return f"file:{os.path.expanduser(path)}"
    return kind


def _draw_schedule() -> dict[str, Any]:
    left, right = st.columns(2)
    with left:
        epochs = _number("Epochs, at most", "epochs", 1, 1000)
        rate = _select("Learning rate", "learning_rate", RATES)
    with right:
        patience = _number(
            "Stop after, epochs", "patience", 0, 1000, help="without a better epoch; 0: never early"
        )
        balance = _select("Smaller classes", "balance", list(BALANCE), names=BALANCE)
    return {"epochs": epochs, "patience": patience, "learning_rate": rate, "balance": balance}


def _draw_augmentation(dataset: str, values: dict[str, Any]) -> dict[str, Any]:
    with st.expander("Augmentation, with preview", key="train-augmentation"):
        augment: dict[str, Any] = {
            "rotation": _slider("Rotation, degrees to either side", "rotation", 0, 45),
            "translation": _slider("Shift, % of the side", "translation", 0, 30) / 100,
            "zoom": _slider("Zoom, %", "zoom", 0, 30) / 100,
            "horizontal_flip": st.checkbox(
                "Mirror left and right",
                key=_key("horizontal_flip"),
                persist_state="session",
                help="Off by default: a network that sees mirrored chests can no longer use sides.",
            ),
        }
        with widgets.guarded("The preview could not be drawn."):
            draw_preview(dataset, str(values["recipe"]), augment, image_size=int(values["image_size"]))
    return augment


def _draw_more() -> dict[str, Any]:
    with st.expander("More", key="train-more"):
        values: dict[str, Any] = {
            "monitor": _select("Best epoch by", "monitor", list(MONITORS), names=MONITORS),
            "schedule": _select("Learning rate over time", "schedule", ["cosine", "constant"]),
            "head_only": st.checkbox(
                "Train the head only",
                key=_key("head_only"),
                persist_state="session",
                help="The backbone stays as it came.",
            ),
            "dropout": _slider("Dropout", "dropout", 0.0, 0.8),
            "label_smoothing": _slider("Label smoothing", "label_smoothing", 0.0, 0.3),
            "seed": _number("Seed", "seed", 0, 2**31),
        }
        name = st.text_input(
            "Name of the run", key=_key("name"), persist_state="session", placeholder="made from the choices"
        )
        values["name"] = name or None
    return values


def _select(
    label: str, name: str, options: Sequence[Any], *, names: dict[Any, str] | None = None, unit: str = ""
) -> Any:
    if st.session_state.get(_key(name)) not in options:
        st.session_state[_key(name)] = options[0]
    return st.selectbox(
        label,
        options,
        key=_key(name),
        format_func=lambda option: names[option] if names else _text(option) + unit,
        persist_state="session",
    )


def _text(option: Any) -> str:
    return f"{option:g}" if isinstance(option, float) else str(option)


def _number(label: str, name: str, least: int, most: int, *, help: str | None = None) -> int:
    return int(
        st.number_input(label, least, most, step=1, key=_key(name), help=help, persist_state="session")
    )


def _slider(label: str, name: str, least: Any, most: Any) -> Any:
    return st.slider(label, least, most, key=_key(name), persist_state="session")


def _key(name: str) -> str:
    return f"train.{name}"
