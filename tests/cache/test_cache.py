"""The cache: prepared once, the same bytes as prepared one by one, whatever interrupts it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.cache import build, store
from pipeline.cache.build import build_cache
from pipeline.cache.errors import CacheMissingError, CacheSpaceError, NothingToCacheError
from pipeline.cache.inventory import damaged_slices, list_caches
from pipeline.cache.store import open_cache
from pipeline.data.index import build_index, load_index
from pipeline.data.phantom import generate_patient
from pipeline.data.reading import read_slice, read_slice_bytes
from pipeline.data.statistics import display_grey
from pipeline.jobs import JobStopped
from pipeline.preprocessing import recipe as recipe_module
from pipeline.preprocessing.apply import preprocess_output, preprocess_slice
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
from pipeline.cache import build, store
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


def test_slices_that_were_away_for_a_moment_join_a_finished_cache(workspace, slices, reads):
    """Only what is missing is read again; who has the cache open meanwhile sees no change."""
    path, away = slices / "pCT" / "3.png", slices / "away.png"
    path.rename(away)
    before = build_cache(workspace, "small", RECIPE)
    known, bytes_before = before.slice_ids, np.array(before.array)[before.rows(before.slice_ids)]
    reads.clear()
    assert len(build_cache(workspace, "small", RECIPE).unreadable) == 1, "it is away still"
    assert reads == ["3.png"]
    away.rename(path)
    cache = build_cache(workspace, "small", RECIPE)
    assert reads == ["3.png"] * 2 and len(cache.slice_ids) == COUNT and cache.damaged() == []
    index = load_index(workspace, "small").set_index("path")
    expected = preprocess_output(read_slice(path).image, intensity="grey", recipe=RECIPE)
    row = cache.rows([index.loc["pCT/3.png", "slice_id"]])[0]
    np.testing.assert_array_equal(cache.array[row], expected)
    assert cache.index["error"].tolist() == [""] * COUNT
    np.testing.assert_array_equal(cache.array[cache.rows(known)], bytes_before)
    assert before.slice_ids == known
    build_cache(workspace, "small", RECIPE)
    assert reads == ["3.png"] * 2, "all are there: nothing is read"


def test_a_stopped_second_try_leaves_the_cache_as_it_was(workspace, slices):
    path, away = slices / "pCT" / "3.png", slices / "away.png"
    path.rename(away)
    build_cache(workspace, "small", RECIPE)
    away.rename(path)

    def stop(done: int, total: int, message: str = "") -> None:
        raise JobStopped

    with pytest.raises(JobStopped):
        build_cache(workspace, "small", RECIPE, stop)
    assert open_cache(workspace, "small", RECIPE).damaged() == []
    assert len(open_cache(workspace, "small", RECIPE).unreadable) == 1
    assert len(build_cache(workspace, "small", RECIPE).slice_ids) == COUNT


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


@pytest.mark.parametrize("preset", list(PRESETS))
@pytest.mark.parametrize("crop", ["none", "lungs"])
def test_cache_page_and_prediction_give_the_same_bytes(workspace, tmp_path, preset, crop):
    """What a network is trained on, what the page shows as its input and what it predicts from are one."""
    recipe = PRESETS[preset].changed(size=128, crop__to=crop)
    for number, drawn in enumerate(generate_patient(5, slices=4)):
        path = tmp_path / "phantoms" / drawn.label / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        colour = cv2.merge([display_grey(drawn.slice_hu, intensity="hu")] * 3)
        if number % 2:
            cv2.arrowedLine(colour, (150, 350), (200, 290), (0, 255, 255), 3, cv2.LINE_AA, tipLength=0.3)
        cv2.imwrite(str(path), colour)
    build_index(workspace, tmp_path / "phantoms", name="phantoms")
    cache = build_cache(workspace, "phantoms", recipe)
    assert load_index(workspace, "phantoms")["note"].notna().sum() == 2  # the arrows, filled
    index = load_index(workspace, "phantoms").set_index("slice_id")
    for slice_id in cache.slice_ids:
        path = tmp_path / "phantoms" / index.loc[slice_id, "path"]
        for read in (read_slice(path), read_slice_bytes(path.read_bytes())):
            done = preprocess_slice(read.image, intensity=read.intensity, recipe=recipe, pixel_spacing=0.7)
            cached = cache.array[cache.rows([slice_id])[0]]
            np.testing.assert_array_equal(cached, done.output)
            np.testing.assert_array_equal(cached, done.stages["network-input"])
            np.testing.assert_array_equal(
                cached, preprocess_output(read.image, intensity=read.intensity, recipe=recipe)
            )


def test_a_touched_file_a_renamed_recipe_and_another_label_change_nothing(workspace, slices, reads):
    build_cache(workspace, "small", RECIPE)
    reads.clear()
    os.utime(slices / "pCT" / "3.png")
    (slices / "labels.csv").write_text("path,label\npCT/3.png,negative\n")
    build_index(workspace, slices, name="small", labels_csv=slices / "labels.csv")
    build_cache(workspace, "small", RECIPE.changed(name="mine"))
    assert reads == []
    assert len(list_caches(workspace)) == 1


def test_a_slice_in_colour_is_never_taken_from_before_its_marks_were_filled(
    workspace, slices, reads, monkeypatch
):
    colour = cv2.merge([np.full((48, 48), 90, np.uint8)] * 3)
    cv2.line(colour, (10, 10), (20, 12), (0, 0, 255), 1)
    cv2.imwrite(str(slices / "pCT" / "marked.png"), colour)
    build_index(workspace, slices, name="small")
    with monkeypatch.context() as before:
        before.setattr(store, "_COLOR_VERSION", 1)
        build_cache(workspace, "small", RECIPE)
    reads.clear()
    assert len(build_cache(workspace, "small", RECIPE).slice_ids) == COUNT + 1
    assert reads == ["marked.png"]


def test_a_file_that_was_only_touched_is_prepared_all_the_same(workspace, slices):
    os.utime(slices / "pCT" / "3.png")
    assert len(build_cache(workspace, "small", RECIPE).slice_ids) == COUNT


def test_a_file_changed_behind_the_indexs_back_is_left_out_until_it_is_indexed(workspace, slices):
    """Else its row would say one content and hold another, for good."""
    before = (slices / "pCT" / "3.png").read_bytes()
    cv2.imwrite(str(slices / "pCT" / "3.png"), np.full((48, 48), 7, np.uint8))
    cache = build_cache(workspace, "small", RECIPE)
    assert "changed after it was indexed" in cache.unreadable["error"].iloc[0]
    build_index(workspace, slices, name="small")
    assert len(build_cache(workspace, "small", RECIPE).slice_ids) == COUNT
    (slices / "pCT" / "3.png").write_bytes(before)
    build_index(workspace, slices, name="small")
    cache = build_cache(workspace, "small", RECIPE)
    read = read_slice(slices / "pCT" / "3.png")
    index = load_index(workspace, "small")
    row = cache.rows(index.loc[index["path"] == "pCT/3.png", "slice_id"].tolist())[0]
    np.testing.assert_array_equal(
        cache.array[row], preprocess_output(read.image, intensity="grey", recipe=RECIPE)
    )


@pytest.mark.parametrize("stage", list(recipe_module.STAGE_VERSIONS))
def test_another_version_of_a_stage_is_another_cache(workspace, slices, reads, monkeypatch, stage):
    build_cache(workspace, "small", RECIPE)
    reads.clear()
    monkeypatch.setitem(recipe_module.STAGE_VERSIONS, stage, 99)
    build_cache(workspace, "small", PRESETS["hilum"].changed(size=64, versions=recipe_module.STAGE_VERSIONS))
    assert len(reads) == COUNT


def test_rows_that_a_power_cut_kept_from_the_disk_are_prepared_again(workspace, slices, reads):
    def stop_after_five(done: int, total: int, message: str = "") -> None:
        if done == 5:
            raise JobStopped

    with pytest.raises(JobStopped):
        build_cache(workspace, "small", RECIPE, stop_after_five)
    (partial,) = workspace.cache.glob("small-*/partial-*.npy")
    np.load(partial, mmap_mode="r+")[2] = 0
    cache = build_cache(workspace, "small", RECIPE)
    assert len(reads) == COUNT + 1
    assert cache.damaged() == []


@pytest.mark.parametrize("harm", ["cut", "longer", "another", "index"])
def test_files_that_are_no_cache_any_more_are_made_again(workspace, slices, reads, harm):
    build_cache(workspace, "small", RECIPE)
    reads.clear()
    (array,) = workspace.cache.glob("small-*/slices-*.npy")
    (index,) = workspace.cache.glob("small-*/index-*.parquet")
    whole = array.read_bytes()
    if harm == "cut":
        array.write_bytes(whole[:-100])
    elif harm == "longer":
        array.write_bytes(whole + b"x")
    elif harm == "another":
        np.save(array, np.zeros((COUNT, 64, 64), np.float32))
    else:
        index.write_bytes(b"no parquet")
    with pytest.raises(CacheMissingError):
        open_cache(workspace, "small", RECIPE)
    assert len(build_cache(workspace, "small", RECIPE).slice_ids) == COUNT
    assert len(reads) == COUNT


def test_a_damaged_slice_shows_in_its_checksum(workspace, slices):
    cache = build_cache(workspace, "small", RECIPE)
    (info,) = list_caches(workspace)
    assert damaged_slices(workspace, info.folder) == []
    (array,) = workspace.cache.glob("small-*/slices-*.npy")
    np.load(array, mmap_mode="r+")[4, 10, 10] ^= 1
    assert damaged_slices(workspace, info.folder) == [cache.index["slice_id"].iloc[4]]
