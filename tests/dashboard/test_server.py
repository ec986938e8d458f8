"""The dashboard's process: what it loads beforehand is there, and holds no learning library."""

import subprocess
import sys
from pathlib import Path

HOME = Path(__file__).resolve().parents[2]


def test_warming_up_loads_what_explore_needs_and_no_learning_library():
    """In a process of its own, where nothing is loaded yet; a failure would be on stderr, and no visit's."""
    code = (
        "import logging, sys; from dashboard.server import MODULES, warm_up; logging.basicConfig(); "
        "warm_up(); print(*sys.modules); print(*MODULES)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=HOME)
    loaded, wanted = (set(line.split()) for line in ran.stdout.splitlines())
    assert "could not be loaded" not in ran.stderr
    assert wanted <= loaded
    assert not {"tensorflow", "keras", "scipy.stats"} & loaded
