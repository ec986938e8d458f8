"""Waiting for Hilum: the demo made again, the dashboard answered and drawn, and its memory at rest."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from pipeline.launch import free_port

HOME = Path(__file__).resolve().parents[2]
LONGEST_START = 120
SETTLING = 5  # seconds after which a page that is drawn is at rest
DRAWN = (
    "document.querySelector('.h-header h1') && document.querySelector('.h-tile-value') && "
    "document.querySelector('.stApp').dataset.testScriptState === 'notRunning'"
)


def run() -> list[dict[str, Any]]:
    """Build the demo twice, then open the dashboard over it, in processes of their own as a user does."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder) / "workspace"
        first, second = (_seconds_of(["demo"], workspace) for _ in range(2))
        rows = [
            {"figure": "python -m pipeline demo, nothing to do", "value": second, "unit": "s"}
            | {"peer": f"the first time: {first:.0f} s", "ratio": second / first}
        ]
        with _browser() as browser:
            return rows + _dashboard_rows(workspace, browser)


def _seconds_of(verb: list[str], workspace: Path) -> float:
    began = time.perf_counter()
    ended = subprocess.run(
        _command(workspace, *verb), cwd=HOME, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    if ended.returncode:
        raise RuntimeError(f"{' '.join(verb)} ended with {ended.returncode}: {ended.stderr[-400:]}")
    return time.perf_counter() - began


def _command(workspace: Path, *verb: str) -> list[str]:
    return [sys.executable, "-m", "pipeline", "--workspace", str(workspace), *verb]


def _dashboard_rows(workspace: Path, browser: Any | None) -> list[dict[str, Any]]:
    port = free_port(8700)
    address = f"http://127.0.0.1:{port}"
    began = time.perf_counter()
    with _dashboard(workspace, port) as process:
        _wait_for_answer(address, process)
        answered = time.perf_counter() - began
        rows = [
            {"figure": "python -m pipeline dashboard to the first answer", "value": answered, "unit": "s"}
        ]
        if browser is None:
            return [*rows, *_memory_rows(process, "no page opened")]
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(address)
        page.wait_for_function(DRAWN, timeout=1000 * LONGEST_START)
        drawn = time.perf_counter() - began
        rows.append({"figure": "the same, to Explore drawn with the demo", "value": drawn, "unit": "s"})
        time.sleep(SETTLING)
        rows += _memory_rows(process, "Explore open")
        again = time.perf_counter()
        page.goto(f"{address}/predict")
        page.wait_for_function("document.querySelector('.p-answer') !== null", timeout=1000 * LONGEST_START)
        opened = time.perf_counter() - again
        rows.append(
            {"figure": "Predict opened for the first time, to its answer", "value": opened, "unit": "s"}
        )
        time.sleep(SETTLING)
        return [*rows, *_memory_rows(process, "Predict open")]


def _memory_rows(process: subprocess.Popen[bytes], when: str) -> list[dict[str, Any]]:
    """Return the resident memory of the dashboard's own process, and of all that it started."""
    launcher = psutil.Process(process.pid)
    (server,) = launcher.children()
    own = server.memory_info().rss / 2**20
    whole = sum(each.memory_info().rss for each in [launcher, *launcher.children(recursive=True)]) / 2**20
    peer = f"with launcher and workers: {whole:.0f} MiB"
    return [{"figure": f"dashboard's resident memory, {when}", "value": own, "unit": "MiB", "peer": peer}]


@contextlib.contextmanager
def _dashboard(workspace: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    command = _command(workspace, "dashboard", "--port", str(port), "--headless")
    process = subprocess.Popen(
        command, cwd=HOME, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)


def _wait_for_answer(address: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + LONGEST_START
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=2) as answer:
            if answer.status == 200:
                return
        time.sleep(0.05)
    raise RuntimeError(f"The dashboard did not answer within {LONGEST_START} s.")


@contextlib.contextmanager
def _browser() -> Iterator[Any | None]:
    """Start a headless Chromium, as the browser tests do; None where there is none."""
    try:
        from tests.browser.conftest import ARGUMENTS, find_chromium
    except pytest.skip.Exception:  # Playwright isn't installed
        yield None
        return
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = find_chromium(playwright.chromium.executable_path)
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS) if path else None
        yield browser
        if browser is not None:
            browser.close()
