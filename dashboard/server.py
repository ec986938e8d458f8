"""The dashboard's process: Streamlit over `app.py`, and what pages are made of loaded before anyone asks.

    python -m dashboard.server [options of `streamlit run`]

Libraries and the first figure of a process cost seconds. They are paid while the server starts and a browser
opens, in a thread beside it, and not by the first visit.
"""

from __future__ import annotations

import importlib
import logging
import sys
import threading
from pathlib import Path

APP = Path(__file__).with_name("app.py")
# What Explore, the first page, needs; in the order in which a visit comes upon it.
MODULES = (
    "pandas",
    "pyarrow.dataset",
    "plotly.graph_objects",
    "dashboard.widgets",
    "dashboard.exploring.bringing",
    "dashboard.exploring.head",
    "dashboard.exploring.overview",
    "dashboard.exploring.slices",
    "dashboard.exploring.splitting",
    "dashboard.loaders.overview",
    "streamlit.elements.plotly_chart",
    "pipeline.data.clusters",
    "pipeline.data.overview",
    "pipeline.data.splits",
    "pipeline.data.audit",
    "pipeline.data.thumbnails",
)
# What the first prediction needs, once Explore can be drawn.
LATER = ("pipeline.inference.predict", "dashboard.prediction.maps", "dashboard.prediction.opinion")
_LOG = logging.getLogger("hilum.dashboard")


def warm_up() -> None:
    """Import what Explore needs and draw its figures once, of two made-up slices; then what Predict needs."""
    try:
        for module in MODULES:
            importlib.import_module(module)
        _draw_once()
        for module in LATER:
            importlib.import_module(module)
        importlib.import_module("pipeline.inference.runtime").load_openvino()
    except Exception:  # a visit will say what is wrong, in its place
        _LOG.exception("The pages could not be loaded beforehand")


def _draw_once() -> None:
    import numpy as np
    import pandas as pd

    from dashboard.charts import explore as charts
    from dashboard.charts import style_figure
    from pipeline.data.overview import Bands, LungProfile

    labels = ["positive", "negative"]
    counts = pd.DataFrame({"slices": [1, 1], "patients": [1, 1]}, index=labels)
    kinds = pd.DataFrame([[1, 1]], index=["one"], columns=labels)
    bands = {label: Bands(np.ones((3, 4), np.float32), 1) for label in labels}
    for figure in (
        charts.balance_figure(counts),
        charts.intensity_figure(bands, labels),
        charts.lungs_figure(LungProfile(np.linspace(0, 1, 4), bands), labels),
        charts.patients_figure(kinds, labels),
        charts.kinds_figure(kinds, labels),
    ):
        style_figure(figure).to_json()


def main() -> None:
    """Serve until the process is ended; arguments are those of `streamlit run`."""
    from streamlit.web.cli import main as streamlit

    threading.Thread(target=warm_up, name="warm-up", daemon=True).start()
    streamlit(["run", str(APP), *sys.argv[1:]], prog_name="streamlit")


if __name__ == "__main__":
    main()
