"""How the network learns: stages, optimizer, what keeps it from learning by heart, and the run itself."""

from __future__ import annotations

import streamlit as st

from dashboard.loaders import planning
from dashboard.training import session
from dashboard.training.controls import Controls
from dashboard.training.model import SIZES
from dashboard.training.words import NAMES
from models.registry import find_architecture
from pipeline.training.config import TrainConfig
from pipeline.training.networks import BLOCKS
from pipeline.training.plan import remarks_on
from pipeline.training.stages import peak_rate, stages_of

RATES = (3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5)
DECAYS = (0.0, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 5e-2, 0.1)
FACTORS = (1.0, 0.3, 0.1, 0.03, 0.01)
AVERAGES = (0.0, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9999)
BLOCK_COUNTS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48)
KERAS_DROP_PATH = {"EfficientNetV2": "0.2", "ConvNeXt": "0"}  # by family; ResNetV2 has none


def draw_schedule(controls: Controls) -> None:
    """Draw the choices that are in view: how long, and how fast."""
    left, right = st.columns(2)
    with left:
        controls.number("epochs", 1, 10_000, on_change=_bend_head)
    with right:
        controls.number("patience", 0, 10_000)
    left, right = st.columns(2)
    with left:
        controls.select("learning_rate", RATES, typed=True)
    with right:
        controls.select("monitor", list(NAMES["monitor"]))


def draw_stages(controls: Controls, config: TrainConfig | None) -> None:
    """Draw what learns when, and at which size."""
    architecture, head_only = str(session.get("architecture")), bool(session.get("head_only"))
    controls.toggle("head_only")
    left, right = st.columns(2)
    if not head_only:
        most = BLOCKS[architecture]
        with left:
            controls.number("head_epochs", 0, 10_000)
            controls.select("unfreeze", ["all", *(count for count in BLOCK_COUNTS if count < most)])
        with right:
            controls.select("fine_tune_factor", FACTORS, typed=True)
            controls.number("feature_copies", 0, 64)
        controls.several("sizes", _smaller_sizes(), unit=" px", placeholder="the full size at once")
        controls.toggle("freeze_norm")
    else:
        with left:
            controls.number("feature_copies", 0, 64)
    if config is not None:
        st.caption(stages_text(config))
        for remark in remarks_on(config):
            st.caption(f":material/warning: {remark}")


def draw_optimizer(controls: Controls) -> None:
    """Draw how steps are made of gradients."""
    left, right = st.columns(2)
    with left:
        controls.select("optimizer", list(NAMES["optimizer"]))
        controls.select("schedule", ["cosine", "constant"])
        controls.number("accumulate", 1, 1024)
        controls.select("ema", AVERAGES, typed=True)
    with right:
        if session.get("optimizer") == "adamw":
            controls.select("weight_decay", DECAYS, typed=True)
        controls.number("warmup_epochs", 0.0, 1000.0, step=0.5)
        controls.number("clip_norm", 0.0, 1000.0, step=0.5)
    if (accumulate := session.get("accumulate")) > 1 and isinstance(session.get("batch_size"), int):
        st.caption(f"A step is made of {accumulate * session.get('batch_size')} slices.")
    controls.toggle("mixed_precision")


def draw_restraint(controls: Controls) -> None:
    """Draw what keeps a network from learning slices by heart."""
    controls.slider("dropout", 0.8, step=0.05)
    controls.slider("label_smoothing", 0.3, step=0.01)
    architecture = find_architecture(str(session.get("architecture")))
    keras = KERAS_DROP_PATH.get(architecture.family)
    if keras is None:
        st.caption(f"{architecture.name} has no drop path.")
    else:
        controls.number("drop_path", 0.0, 0.9, step=0.05, placeholder=f"as in Keras: {keras}")


def draw_run(dataset: str, controls: Controls) -> None:
    """Draw what concerns the run and not what it learns."""
    controls.text("name", placeholder="made from the choices")
    left, right = st.columns(2)
    split = session.get("split")
    folds = planning.split_folds(dataset, str(split)) if split is not None else 0
    with left:
        controls.number("seed", 0, 2**32 - 1)
    with right:
        controls.number("threads", 1, 1024, placeholder="as the library likes")
    if folds:
        names = {fold: f"fold {fold + 1} of {folds}" for fold in range(folds)}
        controls.select("fold", [None, *range(folds)], names=names)
    controls.toggle("deterministic")
    controls.toggle("tensorboard")


def stages_text(config: TrainConfig) -> str:
    """Say the stages of a training in one sentence.

    >>> stages_text(TrainConfig(dataset="a", epochs=10, head_epochs=2, sizes=(96,), unfreeze=2))
    'Epochs 1-2: the head alone, at 224 px, rate 0.001. Epochs 3-6: the head and the top 2 blocks, \
at 96 px, rate 0.0001. Epochs 7-10: the same, at 224 px.'
    """
    parts: list[str] = []
    before = ""
    for stage in stages_of(config):
        blocks = "all blocks" if config.unfreeze == "all" else f"the top {config.unfreeze} blocks"
        what = "the head alone" if stage.learns == "head" else f"the head and {blocks}"
        epochs = f"Epoch {stage.end}" if len(stage) == 1 else f"Epochs {stage.first + 1}-{stage.end}"
        rate = "" if what == before else f", rate {peak_rate(config, stage.learns):g}"
        parts.append(f"{epochs}: {'the same' if what == before else what}, at {stage.image_size} px{rate}.")
        before = what
    return " ".join(parts)


def _smaller_sizes() -> list[int]:
    size = session.get("image_size")
    return [each for each in SIZES if isinstance(size, int) and each < size]


def _bend_head() -> None:
    """Give the head a quarter of few epochs where its stage would take them all, as presets do."""
    epochs = session.get("epochs")
    if session.get("head_epochs") >= epochs:
        st.session_state[session.key("head_epochs")] = epochs // 4
