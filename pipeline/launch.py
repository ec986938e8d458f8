"""Starting the dashboard: a free port, the workspace handed over, nothing sent anywhere."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from pipeline.errors import HilumError
from pipeline.workspace import Workspace

PORTS_TRIED = 20


class NoFreePortError(HilumError):
    """All ports in reach are taken."""


class AddressUnknownError(HilumError):
    """The address to listen on is none of this machine's."""


def launch_dashboard(workspace: Workspace, *, port: int, address: str, headless: bool) -> int:
    """Run the dashboard until it is closed; return its exit status.

    Takes the next free port where `port` is taken, and says so on stderr: several dashboards may share a
    workspace.

    Raises:
        NoFreePortError: twenty ports from `port` on are taken.
    """
    chosen = free_port(port, address)
    if chosen != port:
        sys.stderr.write(f"Port {port} is taken (by another Hilum, perhaps): this one takes {chosen}.\n")
    sys.stderr.write(f"Hilum: http://localhost:{chosen} on workspace {workspace.root} (Ctrl-C ends it)\n")
    home = Path(__file__).resolve().parent.parent
    command = [sys.executable, "-m", "dashboard.server"]
    command += ["--server.port", str(chosen), "--server.address", address]
    command += ["--server.headless", str(headless or not _has_screen()).lower()]
    process = subprocess.Popen(command, cwd=home, env=os.environ | {"HILUM_WORKSPACE": str(workspace.root)})
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())  # whoever ends this ends the server with it
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.terminate()
        return process.wait()


def free_port(port: int, address: str = "127.0.0.1") -> int:
    """Return `port` if nothing listens there, else the next free one.

    Raises:
        NoFreePortError: twenty ports from `port` on are taken.
        AddressUnknownError: this machine has no such address.
    """
    for candidate in range(port, min(port + PORTS_TRIED, 65536)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, candidate))
                return candidate
            except OSError as error:
                if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
                    raise AddressUnknownError(
                        f"{address!r} is no address of this machine. Leave out --address, or take 0.0.0.0 to "
                        "let the network in."
                    ) from error
    raise NoFreePortError(
        f"The ports {port} to {port + PORTS_TRIED - 1} are all taken on {address}. "
        "Close another dashboard, or name a port: `python -m pipeline dashboard --port 9000`."
    )


def _has_screen() -> bool:
    return sys.platform in ("darwin", "win32") or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )
