"""Single values of a configuration as words of a command line."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from pipeline.training.errors import ConfigError


def parse_settings(settings: Iterable[str]) -> dict[str, Any]:
    """Turn `key=value` words into a configuration's values; `augment.rotation=3` reaches inside.

    Raises:
        ConfigError: a word without `=`, or two that contradict each other.

    >>> parse_settings(["ema=0.99", "sizes=[96, 128]", "unfreeze=all", "augment.zoom=0"])
    {'ema': 0.99, 'sizes': [96, 128], 'unfreeze': 'all', 'augment': {'zoom': 0}}
    """
    values: dict[str, Any] = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals or not key:
            raise ConfigError(f"--set takes KEY=VALUE, for example head_epochs=3; {setting!r} came.")
        *parents, last = key.split(".")
        inside: Any = values
        for parent in parents:
            inside = inside.setdefault(parent, {})
            if not isinstance(inside, dict):
                raise ConfigError(f"--set gives {parent!r} a value, and {setting!r} a value inside it.")
        inside[last] = _value(text)
    return values


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
