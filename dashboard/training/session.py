"""The settings that the user has in hand: one key of the session a setting, kept over reruns and pages.

Settings are flat: `augment.rotation` is one, and `weights` is a kind with the settings `from_run` and `file`
beside it. What sets many at once (a preset, an offer, a clone) can be undone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard.loaders import planning
from dashboard.loaders import train as load
from pipeline.training.config import Augmentation, TrainConfig, make_config
from pipeline.training.presets import PRESETS

NO_PRESET = "none"  # the plain defaults of a configuration
_STEPS_BACK = 20
_ADDRESS = (
    "settings"  # of the address: what differs from the preset outlives a reload, and a link hands it on
)
_NOT_SET_HERE = {"dataset", "weights_sha256", "planned_epochs", "extensions"}
_NOT_OF_PRESETS = (
    "split", "fold", "classes", "seed", "threads", "deterministic", "tensorboard", "name",
)  # fmt: skip


def key(field: str) -> str:
    """Return the session's key of a setting."""
    return f"train.{field}"


def get(field: str) -> Any:
    """Return what a setting is now."""
    return st.session_state.get(key(field))


def begin() -> None:
    """Give every setting that has no value yet its first one: those of the preset for this machine."""
    if "train.base" not in st.session_state:
        st.session_state["train.base"] = planning.first_preset()
        _take_from_address()
    for field, value in flat(preset_config(st.session_state["train.base"])).items():
        st.session_state.setdefault(key(field), value)


def keep_in_address(dataset: str) -> None:
    """Write the preset and what differs from it into the address, where a first visit would get others."""
    base = st.session_state["train.base"]
    newest = next(iter(load.split_names(dataset)), None)
    began = flat(preset_config(base)) | {"from_run": None, "file": None, "split": newest}
    told = {field: get(field) for field, value in began.items() if field != "preset" and get(field) != value}
    if not told and base == planning.first_preset():
        st.query_params.pop(_ADDRESS, None)
        return
    st.query_params[_ADDRESS] = json.dumps({"preset": base} | told, separators=(",", ":"))


def _take_from_address() -> None:
    """Set what the address carries; of one that is damaged or made up nothing is taken."""
    if _ADDRESS not in st.query_params:
        return
    try:
        told = json.loads(st.query_params[_ADDRESS])
        base = told.pop("preset")
        began = flat(preset_config(base)) | {"from_run": "", "file": ""}
    except (ValueError, KeyError, TypeError, AttributeError):
        return
    if all(field in began and _is_alike(value, began[field]) for field, value in told.items()):
        _put(told | {"preset": base})


def _is_alike(value: Any, other: Any) -> bool:
    """Return whether a value is of another one's kind, as far as a widget minds."""
    if isinstance(value, bool) or isinstance(other, bool):
        return isinstance(value, bool) and isinstance(other, bool)
    if isinstance(other, int | float):
        return isinstance(value, int | float)
    return other is None or isinstance(value, type(other))


def preset_config(name: str) -> TrainConfig:
    """Return the configuration that a preset is alone, on the default recipe where it names none."""
    if name == NO_PRESET:
        return make_config({"dataset": "any", "recipe": load.default_recipe()})
    recipe = {} if "recipe" in PRESETS[name].values else {"recipe": load.default_recipe()}
    return make_config({"dataset": "any", "preset": name, **recipe})


def flat(config: TrainConfig) -> dict[str, Any]:
    """Return a configuration as the form's settings."""
    values = config.model_dump(exclude=_NOT_SET_HERE)
    augment = values.pop("augment")
    kind, _, rest = config.weights.partition(":")
    values |= {"weights": kind, "sizes": list(config.sizes), "classes": list(config.classes or [])}
    values |= {"name": config.name or "", "preset": config.preset or NO_PRESET}
    if kind in ("run", "file"):
        values["from_run" if kind == "run" else "file"] = rest
    return values | {f"augment.{name}": value for name, value in augment.items()}


def values(dataset: str) -> dict[str, Any]:
    """Return the settings as a configuration's values, not validated."""
    fields = [field for field in TrainConfig.model_fields if field not in {*_NOT_SET_HERE, "augment"}]
    found = {field: get(field) for field in fields} | {"dataset": dataset}
    base = st.session_state["train.base"]
    found["preset"] = None if base == NO_PRESET else base
    found["weights"] = _weights()
    found["classes"] = get("classes") or None
    found["sizes"] = sorted(get("sizes"))
    if found["head_only"]:
        found["head_epochs"] = 0  # its control is not shown then, and what it holds is kept for later
    found["name"] = (get("name") or "").strip() or None
    found["augment"] = {name: get(f"augment.{name}") for name in Augmentation.model_fields}
    return found


def _weights() -> str:
    kind = get("weights")
    if kind == "run":
        return f"run:{get('from_run') or ''}"
    return f"file:{os.path.expanduser((get('file') or '').strip())}" if kind == "file" else str(kind)


def take(settings: Mapping[str, Any], *, reason: str) -> None:
    """Set settings, and remember what they were; call it in a callback, or before the form is drawn.

    Args:
        settings: by name; those that are not named stay.
        reason: what is done, said beside the way back.
    """
    now = {field: get(field) for field in settings} | {"preset": st.session_state["train.base"]}
    changed = {field: value for field, value in settings.items() if now[field] != value}
    steps = st.session_state.setdefault("train.steps", [])
    steps.append((reason, {field: now[field] for field in {*changed, "preset"}}))
    del steps[:-_STEPS_BACK]
    _put(changed)


def take_preset(name: str) -> None:
    """Set everything that a preset speaks of; data, seed and name stay."""
    chosen = flat(preset_config(name))
    settings = {field: value for field, value in chosen.items() if field not in _NOT_OF_PRESETS}
    take(settings, reason="no preset" if name == NO_PRESET else f"preset {name}")


def undo() -> None:
    """Take the last step of `take` back; what was typed into other settings since stays."""
    if steps := st.session_state.get("train.steps"):
        _put(steps.pop()[1])


def last_step() -> str | None:
    """Return what `undo` would take back, None where there is nothing."""
    steps = st.session_state.get("train.steps")
    return str(steps[-1][0]) if steps else None


def changes() -> dict[str, tuple[Any, Any]]:
    """Return the settings that differ from the preset they began as: what it says, what they are."""
    began = flat(preset_config(st.session_state["train.base"]))
    kept = {"preset", "from_run", "file", *_NOT_OF_PRESETS}
    return {
        field: (value, get(field))
        for field, value in began.items()
        if field not in kept and get(field) != value
    }


def _put(settings: Mapping[str, Any]) -> None:
    for field, value in settings.items():
        st.session_state[key(field)] = value
    st.session_state["train.base"] = settings.get("preset", st.session_state["train.base"])
    st.session_state[key("preset")] = st.session_state["train.base"]


def put_number(field: str, unit: str = "") -> None:
    """Make a number of what was typed into a choice; what is none stays, and is said to be wrong."""
    st.session_state[key(field)] = typed_number(st.session_state[key(field)], field, unit=unit)


def typed_number(typed: Any, field: str, *, unit: str = "") -> Any:
    """Return the number that was typed for a setting, or what was typed where it is none.

    >>> typed_number("112 px", "image_size", unit=" px"), typed_number("3e-4", "learning_rate")
    (112, 0.0003)
    """
    if not isinstance(typed, str):
        return typed
    try:
        number = float(typed.removesuffix(unit).replace(",", "."))
    except ValueError:
        return typed
    is_whole = number.is_integer() and isinstance(TrainConfig.model_fields[field].default, int)
    return int(number) if is_whole else number
