"""A real dashboard: Streamlit's server in a process of its own, over a workspace."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

HOME = Path(__file__).resolve().parents[1]
APP = HOME / "dashboard" / "app.py"
START_SECONDS = 60


@contextlib.contextmanager
def serving(script: Path, workspace: Path) -> Iterator[str]:
    """Run a Streamlit script over a workspace and give its address; ends it with all it started."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    run = ["dashboard.server"] if script == APP else ["streamlit", "run", str(script)]
    command = [sys.executable, "-m", *run, "--server.port", str(port)]
    environment = os.environ | {"HILUM_WORKSPACE": str(workspace), "PYTHONPATH": str(HOME)}
    log = workspace.parent / f"{script.stem}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=HOME, env=environment, stdout=output, stderr=output, start_new_session=True
        )
    try:
        _wait_until_up(f"http://127.0.0.1:{port}", process, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait_until_up(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        if process.poll() is not None:
            pytest.fail(f"the dashboard ended at once:\n{log.read_text()}")
        with contextlib.suppress(OSError):
            with urllib.request.urlopen(f"{address}/_stcore/health", timeout=2) as answer:
                if answer.status == 200:
                    return
        time.sleep(0.2)
    pytest.fail(f"the dashboard was not up after {START_SECONDS} s:\n{log.read_text()}")
