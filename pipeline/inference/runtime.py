"""OpenVINO, loaded when first needed and kept from phoning home."""

from __future__ import annotations

import sys
import threading
from functools import cache
from types import ModuleType

_LOADING = threading.Lock()


def load_openvino() -> ModuleType:
    """Import OpenVINO without its telemetry; any number of threads may.

    Its converter reports usage unless a file in the user's home says otherwise. Where the telemetry package
    cannot be imported it uses a stub: so it cannot be.

    The first array that its bindings (2026.4) come upon initialises a static of C++. Where two threads do so
    at one instant, one holds that static's guard and waits for Python's lock, the other the reverse, and the
    process stands still for ever. So the first array is handed over here, by one thread.
    """
    with _LOADING:
        return _loaded()


@cache
def _loaded() -> ModuleType:
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import numpy as np
    import openvino

    openvino.Tensor(np.zeros(1, np.float32)).data.copy()
    return openvino
