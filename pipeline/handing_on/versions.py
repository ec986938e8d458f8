"""Which Hilum and which libraries gave an answer."""

from __future__ import annotations

import platform
import tomllib
from functools import cache
from importlib.metadata import version
from pathlib import Path

_PACKAGES = ("numpy", "opencv-python-headless", "openvino", "pydicom")  # those between a file and its answer
_PROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"


@cache
def hilum_version() -> str:
    """Return this Hilum's version."""
    project = tomllib.loads(_PROJECT.read_text(encoding="utf-8"))["project"]
    return str(project["version"])


def versions() -> dict[str, str]:
    """Return the versions of Hilum, Python and the libraries between a file and its answer, by name."""
    found = {"hilum": hilum_version(), "python": platform.python_version()}
    return found | {name: version(name) for name in _PACKAGES}
