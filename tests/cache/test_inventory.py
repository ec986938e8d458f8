"""Which caches there are, and removing them beside those who use them."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.cache.build import build_cache
from pipeline.cache.errors import CacheBusyError, CacheNotFoundError
from pipeline.cache.inventory import evict, list_caches
from pipeline.console import caches_text
from pipeline.data.index import build_index, remove_dataset
from pipeline.jobs import JobStopped
from pipeline.preprocessing.recipe import PRESETS
from pipeline.runs import RunStore
from pipeline.workspace import Workspace

RECIPE = PRESETS["hilum"].changed(name="mine", size=64)
COUNT = 8


@pytest.fixture
def slices(workspace: Workspace, tmp_path: Path) -> Path:
    """Eight small slices, indexed as `small`."""
    rng = np.random.default_rng(0)
    for number in range(COUNT):
        path = tmp_path / "small" / "pCT" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), rng.integers(0, 255, (48, 48), dtype=np.uint8))
    build_index(workspace, tmp_path / "small", name="small")
    return tmp_path / "small"


def test_a_workspace_without_caches_lists_none(workspace):
    assert list_caches(workspace) == []


def test_a_cache_is_listed_with_what_it_is_of(workspace, slices):
    run = RunStore(workspace).create(
        "trained", {"dataset": "small", "recipe_hash": RECIPE.hash[:12]}, {"dataset": "small"}
    )
    RunStore(workspace).create("other", {"dataset": "small", "recipe_hash": "0" * 12}, {})
    build_cache(workspace, "small", RECIPE)
    gc.collect()
    (info,) = list_caches(workspace)
    assert (info.dataset, info.recipe, info.recipe_hash) == ("small", "mine", RECIPE.hash)
    assert (info.slices, info.prepared, info.state, info.in_use) == (COUNT, COUNT, "complete", False)
    assert info.runs == (run.name,)
    assert COUNT * 64 * 64 < info.bytes < COUNT * 64 * 64 + 100_000
    assert info.to_json()["last_used"].startswith(str(info.last_used.year))


def test_the_cache_used_last_comes_first(workspace, slices):
    for size in (64, 128):
        build_cache(workspace, "small", RECIPE.changed(size=size))
    bytes_first = [info.bytes for info in list_caches(workspace)]
    build_cache(workspace, "small", RECIPE)
    assert [info.bytes for info in list_caches(workspace)] == bytes_first[::-1]


def test_an_unfinished_build_and_an_outdated_cache_say_so(workspace, slices):
    def stop_after_three(done: int, total: int, message: str = "") -> None:
        if done == 3:
            raise JobStopped

    with pytest.raises(JobStopped):
        build_cache(workspace, "small", RECIPE, stop_after_three)
    (info,) = list_caches(workspace)
    assert (info.slices, info.prepared, info.state) == (COUNT, 3, "partial")
    build_cache(workspace, "small", RECIPE)
    cv2.imwrite(str(slices / "pCT" / "new.png"), np.full((48, 48), 9, np.uint8))
    build_index(workspace, slices, name="small")
    (info,) = list_caches(workspace)
    assert (info.slices, info.state) == (COUNT, "outdated")
    build_cache(workspace, "small", RECIPE)
    assert list_caches(workspace)[0].state == "complete"
    remove_dataset(workspace, "small")
    assert list_caches(workspace) == []


def test_a_complete_cache_says_how_many_slices_it_lacks(workspace, slices):
    added = slices / "pCT"
    for number in range(COUNT, 2 * COUNT):
        cv2.imwrite(str(added / f"{number}.png"), np.full((48, 48), number, np.uint8))
    build_index(workspace, slices, name="small")
    (added / "3.png").unlink()
    cache = build_cache(workspace, "small", RECIPE)
    (info,) = list_caches(workspace)
    assert (info.state, info.words) == ("complete", "complete, 1 left out, in use")
    assert "complete, 1 left out" in caches_text([info.to_json()])
    del cache
    gc.collect()
    assert list_caches(workspace)[0].words == "complete, 1 left out"


def test_a_removed_cache_gives_its_bytes_back_and_is_made_again(workspace, slices):
    build_cache(workspace, "small", RECIPE)
    gc.collect()
    (info,) = list_caches(workspace)
    assert evict(workspace, info.folder) == info.bytes
    assert list_caches(workspace) == []
    assert len(build_cache(workspace, "small", RECIPE).slice_ids) == COUNT
    assert list_caches(workspace)[0].folder == info.folder


def test_a_cache_that_is_read_here_is_not_removed(workspace, slices):
    cache = build_cache(workspace, "small", RECIPE)
    (info,) = list_caches(workspace)
    assert info.in_use
    with pytest.raises(CacheBusyError, match="in use by a training or an evaluation"):
        evict(workspace, info.folder)
    assert cache.damaged() == []
    del cache
    gc.collect()
    assert evict(workspace, info.folder) > 0


def test_a_cache_that_another_process_reads_stays_until_that_ends(workspace, slices):
    code = f"""
import sys
from pipeline.cache.build import build_cache
from pipeline.preprocessing.recipe import PRESETS
from pipeline.workspace import Workspace
recipe = PRESETS["hilum"].changed(name="mine", size=64)
cache = build_cache(Workspace.open({str(workspace.root)!r}), "small", recipe)
print("reading", flush=True)
sys.stdin.readline()
"""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", code], **pipes) as reader:
        assert reader.stdout is not None and reader.stdout.readline().strip() == "reading"
        (info,) = list_caches(workspace)
        with pytest.raises(CacheBusyError):
            evict(workspace, info.folder)
        reader.kill()
        reader.wait()
    assert evict(workspace, info.folder) > 0


def test_a_cache_that_is_being_built_is_not_removed(workspace, slices):
    refused = []

    def remove_meanwhile(done: int, total: int, message: str = "") -> None:
        if done == 3 and not refused:
            (info,) = list_caches(workspace)
            assert info.in_use and info.state == "partial"
            with pytest.raises(CacheBusyError, match="being prepared") as caught:
                evict(workspace, info.folder)
            refused.append(caught.value)

    assert len(build_cache(workspace, "small", RECIPE, remove_meanwhile).slice_ids) == COUNT
    assert refused


@pytest.mark.parametrize("name", ["nothing", "../datasets/small", ""])
def test_what_is_no_cache_is_not_removed(workspace, slices, name):
    build_cache(workspace, "small", RECIPE)
    with pytest.raises(CacheNotFoundError, match="There are: small-"):
        evict(workspace, name)
