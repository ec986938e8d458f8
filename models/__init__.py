"""What a classifier is: architectures, backbones, head and weights.

`registry` and `errors` import no Keras; `create_model`, `load_weights` and `save_weights` import it when
first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from models.errors import ModelError
from models.registry import ARCHITECTURES, Architecture, find_architecture

if TYPE_CHECKING:
    from models.create import create_model
    from models.weights import load_weights, save_weights

__all__ = [
    "ARCHITECTURES",
    "Architecture",
    "ModelError",
    "create_model",
    "find_architecture",
    "load_weights",
    "save_weights",
]
_LAZY = {"create_model": "models.create", "load_weights": "models.weights", "save_weights": "models.weights"}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        import importlib

        from models.backend import start_backend

        start_backend()
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'models' has no attribute {name!r}")
