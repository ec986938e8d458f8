"""A batch whose process is killed: what `--resume` makes of it is the file of one that never was."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.jobs import JobStore
from pipeline.runs import RunStore
from pipeline.workspace import Workspace
from tests import families
from tests.inference.conftest import as_grey, patient, write_png

pytestmark = pytest.mark.skipif(os.name != "posix", reason="kills processes")
ROOT = Path(__file__).resolve().parents[2]
SLICES, PART, KILLS = 64, 4, 2
# The verb with parts so small that a kill finds some of them written.
VERB = (
    f"from pipeline.inference import batch, batch_here; batch.PART = {PART}; batch_here.CHUNK = 2; "
    "from pipeline.__main__ import app; app()"
)


@pytest.fixture
def home(tmp_path: Path) -> Workspace:
    """A workspace with the run `small`; beside it SLICES slices, each with pixels of its own."""
    workspace = Workspace.open(tmp_path / "workspace")
    store = RunStore(workspace)
    made = store.create("small", {}, {})
    shutil.copytree(families.engine_folder("ResNet50V2"), made.artifacts / "engine")
    store.finish(made.id)
    greys = [as_grey(phantom).image for phantom in patient()]
    for place in range(SLICES):
        image = greys[place % len(greys)].copy()
        image[0, 0] = place
        write_png(tmp_path / "slices" / f"s{place:02d}.png", image)
    return workspace


def started(home: Workspace, target: Path, *options: str) -> subprocess.Popen[bytes]:
    words = ["--workspace", str(home.root), "predict", "small", str(home.root.parent / "slices")]
    command = [sys.executable, "-c", VERB, *words, "--out", str(target), *options]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def parts_of(target: Path) -> list[Path]:
    return list(target.with_name(f"{target.name}.parts").glob("[0-9]*.parquet"))


def wait_for_parts(target: Path, count: int, process: subprocess.Popen[bytes]) -> None:
    while len(parts_of(target)) < count and process.poll() is None:
        time.sleep(0.01)


def test_a_batch_killed_at_random_moments_ends_in_the_same_file(home, tmp_path):
    """Each kill comes a random time within a part, one to three parts on: early, however fast the machine."""
    whole, target = tmp_path / "whole.parquet", tmp_path / "killed.parquet"
    process = started(home, whole)
    wait_for_parts(whole, 1, process)
    working = -time.monotonic()
    assert process.wait() == 0
    working += time.monotonic()
    found = []
    for _ in range(KILLS):
        process, before = started(home, target, "--resume"), len(parts_of(target))
        wait_for_parts(target, before + random.randint(1, 3), process)
        time.sleep(random.uniform(0, working * PART / SLICES))
        process.send_signal(signal.SIGKILL)
        process.wait()
        found.append(len(parts_of(target)))
    assert not target.exists() and 0 < found[0] < found[-1] < SLICES // PART, "killed in its midst"
    process = started(home, target, "--resume")
    assert process.wait() == 0
    assert target.read_bytes() == whole.read_bytes() and not parts_of(target)
    statuses = sorted(job.status for job in JobStore(home).list())
    assert statuses == ["finished", "finished", "lost", "lost"]
