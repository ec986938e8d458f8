"""The GPU that trainings run on, found without loading a learning library."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import time
from functools import lru_cache

_SECONDS = 10  # that an answer of the driver counts for: a page asks at every change
_QUERY = ("nvidia-smi", "--query-gpu=memory.free", "--format=csv,noheader,nounits")


def gpu_memory() -> int | None:
    """Return the free bytes of the first GPU; None where trainings run on the processor.

    They do where there is no NVIDIA driver, where TensorFlow came without its CUDA libraries
    (requirements-cuda.txt), and where CUDA_VISIBLE_DEVICES hides all GPUs.
    """
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1")
    if hidden or shutil.which(_QUERY[0]) is None or not _has_cuda():
        return None
    return _asked(int(time.monotonic() / _SECONDS))


def _has_cuda() -> bool:
    """Return whether TensorFlow's CUDA libraries are installed."""
    return importlib.util.find_spec("nvidia") is not None


@lru_cache(maxsize=1)
def _asked(moment: int) -> int | None:
    """Ask the driver; `moment` is another number when the answer has aged."""
    try:
        answer = subprocess.run(_QUERY, capture_output=True, text=True, timeout=5, check=True).stdout
        return int(answer.split()[0]) * 2**20
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None  # a driver that does not answer: the processor's memory is what is known
