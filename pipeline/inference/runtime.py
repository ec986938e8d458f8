"""OpenVINO, loaded when first needed and kept from phoning home."""

from __future__ import annotations

import sys
from types import ModuleType


def load_openvino() -> ModuleType:
    """Import OpenVINO without its telemetry.

    Its converter reports usage unless a file in the user's home says otherwise. Where the telemetry package
    cannot be imported it uses a stub: so it cannot be.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino
