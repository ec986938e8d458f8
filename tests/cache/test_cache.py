"""The cache: prepared once, the same bytes as prepared one by one, whatever interrupts it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.cache import build
from pipeline.cache.build import build_cache
from pipeline.cache.errors import CacheMissingError, CacheSpaceError, NothingToCacheError
from pipeline.cache.store import open_cache
from pipeline.data.index import build_index, load_index
from pipeline.data.reading import read_slice
from pipeline.jobs import JobStopped
from pipeline.preprocessing.apply import preprocess_output
from pipeline.preprocessing.recipe import PRESETS
from pipeline.workspace import Workspace

RECIPE = PRESETS["hilum"].changed(size=64)
COUNT = 12


@pytest.fixture
def slices(workspace: Workspace, tmp_path: Path) -> Path:
    """Twelve small slices in two classes, indexed as `small`."""
    rng = np.random.default_rng(0)
    for number in range(COUNT):
        path = tmp_path / "small" / ("pCT" if number % 2 else "nCT") / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), rng.integers(0, 255, (48, 48), dtype=np.uint8))
    build_index(workspace, tmp_path / "small", name="small")
    return tmp_path / "small"


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that the cache reads."""
    names: list[str] = []

    def counted(path: Path, **options: int):  # noqa: ANN202
        names.append(path.name)
        return read_slice(path, **options)

    monkeypatch.setattr(build, "read_slice", counted)
    return names


def test_rows_hold_what_preprocessing_gives(workspace, slices):
    cache = build_cache(workspace, "small", RECIPE)
    assert (cache.array.dtype, cache.array.shape, cache.channels) == (np.uint8, (COUNT, 64, 64), 1)
    index = load_index(workspace, "small").set_index("slice_id")
    for slice_id in cache.slice_ids:
        read = read_slice(slices / index.loc[slice_id, "path"])
        expected = preprocess_output(read.image, intensity=read.intensity, recipe=RECIPE)
        np.testing.assert_array_equal(cache.array[cache.rows([slice_id])[0]], expected)


def test_a_second_call_reads_nothing(workspace, slices, reads):
    build_cache(workspace, "small", RECIPE)
    assert len(reads) == COUNT
    build_cache(workspace, "small", RECIPE)
    assert len(reads) == COUNT
    assert len(open_cache(workspace, "small", RECIPE).slice_ids) == COUNT


def test_opening_what_was_not_built_says_so(workspace, slices):
    with pytest.raises(CacheMissingError, match="not prepared with the recipe 'hilum'"):
        open_cache(workspace, "small", RECIPE)


def test_a_stopped_build_goes_on_where_it_was(workspace, slices, reads):
    def stop_after_five(done: int, total: int, message: str = "") -> None:
        if done == 5:
            raise JobStopped

    with pytest.raises(JobStopped):
        build_cache(workspace, "small", RECIPE, stop_after_five)
    assert len(reads) == 5
    assert len(build_cache(workspace, "small", RECIPE).slice_ids) == COUNT
    assert len(reads) == COUNT


def test_a_killed_build_goes_on_where_it_was(workspace, slices, reads):
    code = f"""
import sys, time
from pipeline.cache import build
from pipeline.preprocessing.recipe import PRESETS
from pipeline.workspace import Workspace
read = build.read_slice
def slowly(path, **options):
    time.sleep(0.05)
    return read(path, **options)
build.read_slice = slowly
def told(done, total, message=""):
    print(done, flush=True)
build.build_cache(Workspace.open({str(workspace.root)!r}), "small", PRESETS["hilum"].changed(size=64), told)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    while process.stdout.readline().strip() != "4":
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert len(build_cache(workspace, "small", RECIPE).slice_ids) == COUNT
    assert 1 <= len(reads) <= COUNT - 4


def test_a_changed_file_alone_is_prepared_again(workspace, slices, reads):
    build_cache(workspace, "small", RECIPE)
    reads.clear()
    time.sleep(0.01)
    cv2.imwrite(str(slices / "pCT" / "3.png"), np.full((48, 48), 7, np.uint8))
    build_index(workspace, slices, name="small")
    cache = build_cache(workspace, "small", RECIPE)
    assert reads == ["3.png"]
    assert len(list((workspace.cache).glob("small-*/slices-*.npy"))) == 1, "the older cache is removed"
    assert len(cache.slice_ids) == COUNT


def test_another_recipe_is_another_cache(workspace, slices):
    build_cache(workspace, "small", RECIPE)
    build_cache(workspace, "small", RECIPE.changed(output="three-channel"))
    assert open_cache(workspace, "small", RECIPE).channels == 1
    assert open_cache(workspace, "small", RECIPE.changed(output="three-channel")).channels == 3


def test_a_slice_that_became_unreadable_is_left_out_and_counted(workspace, slices):
    (slices / "pCT" / "3.png").write_bytes(b"\x89PNG cut short")
    cache = build_cache(workspace, "small", RECIPE)
    assert len(cache.slice_ids) == COUNT - 1
    assert len(cache.unreadable) == 1
    assert cache.unreadable["error"].iloc[0]


def test_a_vanished_folder_is_one_sentence_and_not_remembered(workspace, slices):
    slices.rename(slices.with_name("elsewhere"))
    with pytest.raises(NothingToCacheError, match="12 of the 12 slices.*disk connected"):
        build_cache(workspace, "small", RECIPE)
    slices.with_name("elsewhere").rename(slices)
    assert len(build_cache(workspace, "small", RECIPE).slice_ids) == COUNT


def test_a_full_disk_is_one_sentence(workspace, slices, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(build.shutil, "disk_usage", lambda _: usage(10, 10, 0))
    with pytest.raises(CacheSpaceError, match="smaller size"):
        build_cache(workspace, "small", RECIPE)


def test_two_processes_give_the_same_bytes_as_one(workspace, slices, monkeypatch):
    alone = np.array(build_cache(workspace, "small", RECIPE).array)
    for path in workspace.cache.glob("small-*/*"):
        path.unlink()
    monkeypatch.setattr(build, "FEW", 1)
    monkeypatch.setattr(build, "CHUNK", 4)
    np.testing.assert_array_equal(build_cache(workspace, "small", RECIPE).array, alone)
