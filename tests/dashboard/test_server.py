"""The dashboard's process: what it loads beforehand, and how it ends."""

import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

HOME = Path(__file__).resolve().parents[2]


def test_warming_up_loads_what_explore_and_predict_need_and_no_learning_library():
    """In a process of its own, where nothing is loaded yet; a failure would be on stderr, and no visit's."""
    code = (
        "import logging, sys; from dashboard.server import LATER, MODULES, warm_up; logging.basicConfig(); "
        "warm_up(); print(*sys.modules); print(*MODULES, *LATER, 'openvino')"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=HOME)
    loaded, wanted = (set(line.split()) for line in ran.stdout.splitlines())
    assert "could not be loaded" not in ran.stderr
    assert wanted <= loaded
    assert not {"tensorflow", "keras", "scipy.stats"} & loaded


def test_who_ends_the_command_ends_the_server(tmp_path: Path) -> None:
    """A service manager sends SIGTERM to the process it started, not to that one's children."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "pipeline",
        "--workspace",
        str(tmp_path),
        "dashboard",
        "--port",
        str(port),
    ]
    with subprocess.Popen(command, cwd=HOME, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        assert _until(lambda: _listens(port)), "the dashboard was not up"
        process.terminate()
        process.wait(20)
        assert _until(lambda: not _listens(port)), "the server goes on without its command"


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _until(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 60
    while not (held := holds()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return held
