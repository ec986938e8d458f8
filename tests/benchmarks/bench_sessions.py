"""Ten people at one dashboard: each asks for a slice every ten seconds, all at one instant, for a thousand.

Each is a session of the server's own, over its websocket: the whole script of the Predict page runs and sends
all that it draws, and its background check of the map begins as in a browser. What a browser takes to draw it
is not in these figures.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from pipeline.data.datasets import load_index
from pipeline.demo import build_demo
from pipeline.workspace import Workspace
from tests.dashboard.visiting import Visitor
from tests.serving import APP, serving

SESSIONS, EVERY = 10, 10.0  # seconds from one prediction of a session to its next
ALONE, EACH = 8, 3  # predictions of the lone session, and of each of the ten
MANY, SETTLED = 1000, 200  # predictions in all, and after how many memory is first read
Ask = Callable[[Visitor], float]


def run() -> list[dict[str, Any]]:
    """Build the demo, start a server over it and visit it."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace.open(Path(folder) / "workspace")
        build_demo(workspace)
        index = load_index(workspace, "demo")
        chosen = index.loc[index["status"] == "ok"].sample(frac=1, random_state=0)
        ask = _asking(list(zip(chosen["slice_id"], chosen["path"], strict=True)))
        with serving(APP, workspace.root) as address:
            (server,) = [each for each in psutil.Process().children() if "dashboard.server" in each.cmdline()]
            visitors = [Visitor(address)]
            rows = [
                {"figure": "Predict's first answer of a server that answers its first request",
                 "value": ask(visitors[0]), "unit": "s", "peer": "asked: at most 2 s"}
            ]  # fmt: skip
            visitors += [Visitor(address) for _ in range(SESSIONS - 1)]
            return rows + _together_rows(visitors, ask) + _memory_rows(visitors[0], ask, server)


def _asking(slices: Sequence[tuple[str, str]]) -> Ask:
    """Return what opens Predict with the next slice, checks that the page is that slice's, and times it."""
    following, lock = cycle(slices), threading.Lock()

    def ask(visitor: Visitor) -> float:
        with lock:
            slice_id, path = next(following)
        began = time.perf_counter()
        page = visitor.open("predict", run="demo", dataset="demo", slice=slice_id)
        took = time.perf_counter() - began
        if path.rsplit("/", 1)[-1] not in page or "p-gate" not in page and "Unlike" not in page:
            raise RuntimeError(f"The page of {path} is not its own, or has no answer.")
        return took

    return ask


def _together_rows(visitors: list[Visitor], ask: Ask) -> list[dict[str, Any]]:
    lone = float(np.median(_spread(visitors[:1], ask, ALONE, every=EVERY / 3)))
    ten = np.array(_spread(visitors, ask, EACH, every=EVERY))
    instant = threading.Barrier(SESSIONS)

    def at_once(visitor: Visitor) -> float:
        instant.wait()
        return ask(visitor)

    with ThreadPoolExecutor(SESSIONS) as threads:
        together = list(threads.map(at_once, visitors))
    median, worst = float(np.median(ten)), float(ten.max())
    return [
        {"figure": f"a prediction in each of {SESSIONS} sessions every {EVERY:.0f} s, median of {len(ten)}",
         "value": median, "unit": "s", "peer": f"alone: {lone:.2f} s; slowest of the ten: {worst:.1f} s",
         "ratio": median / lone},
        {"figure": f"{SESSIONS} sessions at one instant, the last one's answer", "value": max(together),
         "unit": "s", "peer": f"median {np.median(together):.1f} s; none failed or was mixed up"},
    ]  # fmt: skip


def _spread(visitors: list[Visitor], ask: Ask, times: int, *, every: float) -> list[float]:
    """Return the seconds of `times` predictions of each session, whose turns are spread over `every`."""

    def sit(place: int) -> list[float]:
        begin = time.monotonic() + every * place / len(visitors)
        took = []
        for turn in range(times):
            time.sleep(max(0.0, begin + turn * every - time.monotonic()))
            took.append(ask(visitors[place]))
        return took

    with ThreadPoolExecutor(len(visitors)) as threads:
        return [each for took in threads.map(sit, range(len(visitors))) for each in took]


def _memory_rows(visitor: Visitor, ask: Ask, server: psutil.Process) -> list[dict[str, Any]]:
    for _ in range(SETTLED):
        ask(visitor)
    before = server.memory_info().rss / 2**20
    took = [ask(visitor) for _ in range(MANY - SETTLED)]
    after = server.memory_info().rss / 2**20
    return [
        {"figure": f"the server's memory after {MANY} predictions", "value": after, "unit": "MiB",
         "peer": f"after {SETTLED}: {before:.0f} MiB; median {np.median(took):.2f} s",
         "ratio": after / before}
    ]  # fmt: skip
