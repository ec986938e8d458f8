"""What the command line says to bad input: a sentence with the way out, the right status, no traceback.

Status 2 where the request itself is wrong, 0 where every input got its row. One small workspace serves all.
The verbs run in this process, but for those whose disk is full or forbidden.

Tested elsewhere: unknown verbs' names and broken files among good ones (test_command_line.py), hostile files
(data/test_hostile.py), folders and CSVs at the function's level (data/test_index.py, test_labels.py), a full
disk during training and in the cache (training/test_train.py, cache/test_cache.py), engines without files
(inference/test_engine.py), pages over a workspace that cannot be made (dashboard/test_shell.py).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from pipeline import launch
from pipeline.__main__ import run_command_line
from pipeline.launch import AddressUnknownError, NoFreePortError, free_port
from pipeline.runs import RunStore
from pipeline.storage import WorkspaceUnwritableError, explained
from pipeline.workspace import Workspace
from tests import families

ROOT = Path(__file__).resolve().parent.parent


class Answer(NamedTuple):
    """What a verb printed."""

    out: str
    err: str


class Place(NamedTuple):
    """The shared workspace, and a folder of bad input beside it."""

    workspace: Workspace
    bad: Path


def says(pattern: str, text: str) -> bool:
    """Whether `pattern` is in `text`, over the ends of lines."""
    return re.search(pattern, text, re.DOTALL) is not None


def chest(seed: int) -> np.ndarray:
    """Return a picture with a body and two lungs that no other seed gives."""
    rng = np.random.default_rng(seed)
    image = np.zeros((96, 96))
    cv2.ellipse(image, (48, 48), (42, int(rng.integers(26, 40))), 0, 0, 360, 170.0, -1)
    for column in rng.integers((22, 58), (38, 74)):
        cv2.ellipse(image, (int(column), 48), tuple(rng.integers(7, 18, 2).tolist()), 0, 0, 360, 40.0, -1)
    coarse = cv2.resize(rng.normal(0, 45, (12, 12)), (96, 96))
    return np.clip(image + coarse * (image > 0), 0, 255).astype(np.uint8)


def write_classes(folder: Path, counts: dict[str, int]) -> Path:
    """Write a folder of slices, one folder a class."""
    seed = 0
    for label, count in counts.items():
        (folder / label).mkdir(parents=True)
        for number in range(count):
            seed += 1
            cv2.imwrite(str(folder / label / f"{label}{number}.png"), chest(seed))
    return folder


def write_bad_files(folder: Path) -> None:
    """Write the four files that are no slices: cut off, tiny, without pixels, and a photograph."""
    folder.mkdir()
    (folder / "corrupt.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 20)
    cv2.imwrite(str(folder / "tiny.png"), np.full((1, 1), 7, np.uint8))
    photo = np.random.default_rng(0).integers(0, 255, (300, 400, 3), dtype=np.uint8)
    cv2.imwrite(str(folder / "photo.png"), photo)
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid()
    report = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    report.SOPClassUID, report.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    report.save_as(folder / "no-pixels.dcm", enforce_file_format=True)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A workspace with the data set `few` (one positive slice), its split, and a run that was stopped."""
    home = tmp_path_factory.mktemp("bad-input")
    workspace = Workspace.open(home / "workspace")
    write_classes(home / "few", {"pCT": 1, "nCT": 12})
    write_bad_files(home / "mixed")
    for name in ("empty", "texts"):
        (home / name).mkdir()
    (home / "texts" / "a.txt").write_text("some words")
    store = RunStore(workspace)
    stopped = store.create("stopped-early", {"dataset": "few"}, {})
    store.finish(stopped.id, "stopped")
    for _ in range(2):
        store.create("twin", {}, {})
    return Place(workspace, home)


@pytest.fixture
def shell(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Answer]:
    """Run a verb in this process on the shared workspace, and check its status."""

    def run(*words: object, status: int, workspace: Path | None = None) -> Answer:
        root = workspace or place.workspace.root
        monkeypatch.setattr(sys, "argv", ["pipeline", "--workspace", str(root), *map(str, words)])
        capsys.readouterr()
        try:
            ended = run_command_line()
        except SystemExit as left:
            ended = int(left.code or 0)
        said = Answer(*capsys.readouterr())
        assert ended == status, said
        assert "Traceback" not in said.err
        return said

    return run


@pytest.fixture
def few(place: Place, shell: Callable[..., Answer]) -> None:
    """The data set `few`, indexed and split by clusters."""
    if not (place.workspace.dataset_dir("few") / "dataset.json").exists():
        shell("index", place.bad / "few", "--name", "few", status=0)
        shell("split", "few", "--group-by", "cluster", "--as", "frozen", status=0)


# --- files and folders


def test_every_bad_file_has_its_row_and_the_rest_goes_on(place, shell):
    found = json.loads(shell("index", place.bad / "mixed", "--name", "mixed", "--json", status=0).out)
    assert found["slices"] == 4
    codes = {error["path"]: error["code"] for error in found["errors"]}
    assert codes == {"corrupt.png": "corrupt", "no-pixels.dcm": "no-pixels", "tiny.png": "too-small"}


def test_a_folder_of_texts_is_indexed_and_cannot_be_split(place, shell):
    shell("index", place.bad / "texts", "--name", "texts", status=0)
    for group_by in ("patient", "cluster"):
        said = shell("split", "texts", "--group-by", group_by, status=2)
        assert "could be read as a slice" in said.err


def test_preprocess_names_each_bad_file_and_writes_the_others(place, shell, tmp_path):
    files = sorted((place.bad / "mixed").iterdir())
    said = shell("preprocess", *files, place.bad / "nowhere.png", "--out", tmp_path, status=0)
    assert [Path(line).name for line in said.out.split()] == ["photo"]
    for name in ("corrupt.png", "no-pixels.dcm", "tiny.png", "nowhere.png"):
        assert f"{name}: " in said.err


@pytest.mark.slow
def test_predict_gives_every_bad_file_its_line(place, shell):
    store = RunStore(place.workspace)
    run = store.create("model", {"dataset": "few"}, {})
    shutil.copytree(families.engine_folder("ResNet50V2"), run.artifacts / "engine")
    store.finish(run.id)
    files = [*sorted((place.bad / "mixed").iterdir()), place.bad / "nowhere.png", place.bad / "empty"]
    said = shell("predict", "model", *files, "--json", status=0)
    lines = [json.loads(line) for line in said.out.splitlines()]
    assert [line["input"] for line in lines] == [str(path) for path in files]
    assert all(line["reason"] for line in lines)
    statuses = {Path(line["input"]).name: line["status"] for line in lines}
    assert statuses.pop("photo.png") == "rejected"
    assert set(statuses.values()) == {"error"}


@pytest.mark.usefixtures("few")
def test_a_place_that_is_taken_by_a_file_is_named(place, shell):
    taken = place.bad / "mixed" / "photo.png"
    said = shell("preprocess", taken, "--out", taken, status=2)
    assert "photo.png" in said.err and "in the way" in said.err


# --- labels


@pytest.mark.parametrize(
    ("content", "advice"),
    [
        (b"file,class\na,b\n", "it needs `path`"),
        (b"", "it needs `path`"),
        (b"path,label\nnCT/nCT0.png,nCT\nnCT/nCT0.png,pCT\n", "line 3.*label 'positive'.*'negative'"),
        (
            b"path,label,patient_id\nnCT/nCT0.png,nCT,A\nnCT/nCT0.png,nCT,B\n",
            "line 3.*patient_id 'B'.*before, 'A'.*Keep one",
        ),
        (b"path,label\n\0\0\0\n", "is no text.*CSV"),
        (b'path,label\n"' + b"x" * 200_000, "no CSV table"),
        (None, "labels.csv cannot be read.*Check the path"),
    ],
    ids=["columns", "empty", "two-labels", "two-patients", "binary", "endless-cell", "missing"],
)
def test_labels_that_cannot_be_used_say_why(place, shell, tmp_path, content, advice):
    path = tmp_path / "labels.csv"
    if content is not None:
        path.write_bytes(content)
    said = shell("index", place.bad / "few", "--name", "labelled", "--labels", path, status=2)
    assert says(advice, said.err), said.err
    assert not place.workspace.dataset_dir("labelled").joinpath("dataset.json").exists()


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "cp1252"])
def test_labels_in_any_usual_encoding_are_read_and_missing_files_named(place, shell, tmp_path, encoding):
    path = tmp_path / "labels.csv"
    path.write_bytes("path\tlabel\tward\nnCT/nCT0.png\tnCT\tSüd\nnCT/gone.png\tnCT\t\n".encode(encoding))
    name = f"encoded-{encoding}"
    said = shell("index", place.bad / "few", "--name", name, "--labels", path, "--json", status=0)
    found = json.loads(said.out)
    assert found["slices"] == 14
    (error,) = found["errors"]
    assert (error["path"], error["code"]) == ("nCT/gone.png", "missing-file")
    assert "relative" in error["reason"]


# --- splits and trainings


@pytest.mark.usefixtures("few")
def test_a_class_with_one_slice_is_split_with_a_note_and_not_trained(shell):
    said = shell("split", "few", "--group-by", "cluster", "--seed", 2, status=0)
    assert "positive has only 1 group" in said.out
    said = shell("train", "--dataset", "few", "--architecture", "EfficientNetV2B0", status=2)
    assert "fewer than two classes" in said.err and "--group-by cluster --seed 1" in said.err


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize(
    ("words", "advice"),
    [
        ("split few", "--group-by cluster"),
        ("split few --group-by ward", "patient, cluster, none"),
        ("split few --group-by cluster --folds 99", "take 2 to"),
        ("split few --group-by cluster --as frozen --seed 7", "splits are frozen.*another name"),
        ("train --architecture ResNet50V2", "--dataset NAME.*few"),
        ("train --dataset fwe --architecture ResNet50V2", "there are: .*few"),
        ("train --dataset few --split other --architecture ResNet50V2", "there are: .*frozen"),
        ("train --dataset few --fold 3 --architecture ResNet50V2", "no folds.*--folds 5"),
        ("train --dataset few --architecture ResNet50", "Did you mean ResNet50V2"),
        ("train --dataset few --weights run:nobody", "No run answers to 'nobody'"),
        ("train --dataset few --epochs 0", "'epochs' cannot be 0"),
        ("show twin", "say which by its id"),
        ("show nobody", "stopped-early"),
        ("predict stopped-early slice.png", "no exported engine .stopped.*export"),
        ("evaluate stopped-early", "stopped-early"),
        ("evaluate stopped-early --part train --dataset few", "give one of them"),
        ("export stopped-early --out maps", "classes.json|config.json|recipe.json"),
        ("export stopped-early --format onnx --out maps", "openvino, saved_model, keras"),
        ("remove nothing --yes", "there are: .*few"),
        ("audit nothing", "there are: .*few"),
    ],
)
def test_a_request_that_cannot_be_met_names_the_way_out(shell, words, advice, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = shell(*words.split(), status=2)
    assert says(advice, said.err), said.err


@pytest.mark.parametrize(
    ("content", "advice"),
    [
        ('{"dataset": "few", "epoch": 3}', "no key 'epoch'. Did you mean 'epochs'"),
        ('{"dataset": "few", "epochs": "many"}', "'epochs' cannot be 'many'.*integer"),
        ('{"dataset": "few", "augment": 3}', "'augment' cannot be 3 .it holds keys of its own"),
        ('{"dataset": "few", "augment": {"rotate": 3}}', "no key 'augment.rotate'.*rotation"),
        ("[1]", "holds no keys"),
        ("{", "not valid JSON"),
        ("\0\udcff", "no UTF-8 text"),
        (None, "does not exist. Check the path"),
    ],
)
def test_a_configuration_that_means_nothing_is_refused(shell, tmp_path, content, advice):
    path = tmp_path / "config.json"
    if content is not None:
        path.write_bytes(content.encode("utf-8", "surrogateescape"))
    said = shell("train", "--config", path, status=2)
    assert says(advice, said.err), said.err
    assert "config.json" in said.err


@pytest.mark.parametrize(
    ("content", "advice"),
    [
        ('{"sise": 3}', "no parameter 'sise'; there are name, size"),
        ('{"size": "big"}', "size = 'big'.*integer"),
        ('{"lungs": 3}', "lungs = 3: it holds parameters of its own"),
        ('{"versions": {"lungs": 99}}', "stage 'lungs' version 99.*this Hilum has version"),
        ("[]", "expected a JSON object"),
        (None, "neither a preset .hilum, hust19, luna, notebook"),
    ],
)
def test_a_recipe_that_means_nothing_is_refused(place, shell, tmp_path, content, advice):
    path = tmp_path / "recipe.json"
    if content is not None:
        path.write_text(content)
    said = shell(
        "preprocess", place.bad / "mixed" / "photo.png", "--recipe", path, "--out", tmp_path / "out", status=2
    )
    assert says(advice, said.err), said.err
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("few")
def test_what_is_in_use_is_removed_only_after_saying_what_stays(place, shell):
    """A data set that runs were trained on: they keep their split and say by its name what is gone."""
    shell("index", place.bad / "few", "--name", "passing", status=0)
    said = shell("remove", "passing", status=2)
    assert "runs and readings" in said.out and "--yes" in said.err
    shell("remove", "passing", "--yes", status=0)
    assert (place.bad / "few" / "pCT" / "pCT0.png").is_file()
    assert "'passing'" in shell("audit", "passing", status=2).err


# --- the workspace


@pytest.mark.parametrize(
    ("content", "advice"),
    [('{"format": 99}', "format 99"), ("{", "is damaged.*backup"), ("[]", "is damaged.*--workspace")],
)
def test_a_workspace_of_another_time_or_damaged_is_refused(shell, tmp_path, content, advice):
    (tmp_path / "workspace.json").write_text(content)
    for verb in ("runs", "jobs", "dashboard"):
        assert says(advice, shell(verb, workspace=tmp_path, status=2).err)


def confined(
    *words: object, workspace: Path, most_kib: int | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a verb as one who may not write where permissions forbid it, no file growing past `most_kib`."""
    command = [sys.executable, "-m", "pipeline", "--workspace", str(workspace), *map(str, words)]
    if os.geteuid() == 0:
        command = ["setpriv", "--bounding-set=-dac_override", *command]

    def limit() -> None:
        import resource

        if most_kib is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most_kib * 1024, most_kib * 1024))

    return subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, preexec_fn=limit, check=False, timeout=300
    )


needs_limits = pytest.mark.skipif(
    sys.platform != "linux" or (os.geteuid() == 0 and shutil.which("setpriv") is None),
    reason="permissions bind no administrator here",
)


@needs_limits
def test_a_read_only_workspace_is_one_sentence(tmp_path):
    workspace = Workspace.open(tmp_path / "workspace")
    workspace.runs.chmod(0o555)
    try:
        done = confined("runs", workspace=workspace.root)
    finally:
        workspace.runs.chmod(0o755)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "read-only" in done.stderr and "--workspace" in done.stderr


@needs_limits
@pytest.mark.slow
def test_a_full_disk_loses_nothing_and_the_pass_goes_on_when_there_is_room(place, shell, tmp_path):
    """The limit on a file's size stands for the full disk: the index's journal meets it in the middle."""
    workspace = Workspace.open(tmp_path / "workspace")
    shell("jobs", workspace=workspace.root, status=0)
    done = confined("index", place.bad / "few", "--name", "few", workspace=workspace.root, most_kib=40)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "disk is full" in done.stderr and "Make room" in done.stderr
    said = shell("index", place.bad / "few", "--name", "few", "--json", workspace=workspace.root, status=0)
    assert json.loads(said.out)["slices"] == 13


@pytest.mark.parametrize(
    ("cause", "advice"),
    [
        (OSError(28, "No space left on device"), "disk is full.*Make room"),
        (PermissionError(13, "Permission denied", "/x/maps"), "/x/maps cannot be written.*permissions"),
        (RuntimeError("save failed: No space left on device"), "disk is full"),
    ],
)
def test_a_refusal_in_a_library_is_told_too(cause, advice):
    with pytest.raises(WorkspaceUnwritableError, match=advice), explained():
        raise RuntimeError("a library's own words") from cause
    with pytest.raises(ZeroDivisionError), explained():
        raise ZeroDivisionError


def test_a_database_that_refuses_is_told_with_the_way_out():
    for words, advice in [
        ("database or disk is full", "disk is full"),
        ("attempt to write a readonly database", "permissions"),
        ("file is not a database", "backup"),
        ("disk I/O error", "or it fails"),
    ]:
        with pytest.raises(WorkspaceUnwritableError, match=advice), explained():
            raise sqlite3.OperationalError(words)


def test_a_page_says_the_same_sentence() -> None:
    from streamlit.testing.v1 import AppTest

    def page() -> None:
        from dashboard.widgets import guarded

        with guarded():
            raise OSError(28, "No space left on device")

    (error,) = AppTest.from_function(page).run().error
    assert "The disk is full" in error.value and "reference" not in error.value


# --- the dashboard


def test_a_taken_port_gives_the_next_one() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        assert taken < free_port(taken) < taken + 20


def test_ports_that_are_all_taken_and_addresses_of_others_name_the_way_out(monkeypatch):
    monkeypatch.setattr(launch, "PORTS_TRIED", 1)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(NoFreePortError, match="--port"):
            free_port(other.getsockname()[1])
    with pytest.raises(AddressUnknownError, match="Leave out --address"):
        free_port(9000, "203.0.113.7")


def test_a_port_that_cannot_be_is_refused(shell):
    assert "65535" in shell("dashboard", "--port", 70000, status=2).err


# --- a kill


@needs_limits
@pytest.mark.slow
def test_a_killed_index_goes_on_where_it_was(shell, tmp_path):
    """The journal is what survives; the second pass reads only what the first had not."""
    source = write_classes(tmp_path / "many", {"pCT": 300, "nCT": 300})
    workspace = Workspace.open(tmp_path / "workspace")
    command = [sys.executable, "-m", "pipeline", "--workspace", str(workspace.root), "index", str(source)]
    journal = workspace.dataset_dir("many") / "index.journal"
    process = subprocess.Popen([*command, "--name", "many"], cwd=ROOT, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 120
    while not (journal.exists() and journal.stat().st_size) and process.poll() is None:
        assert time.monotonic() < end, "the index never began"
        time.sleep(0.002)
    process.kill()
    assert process.wait() == -9, "it was killed in the middle"
    assert "lost" in shell("jobs", workspace=workspace.root, status=0).out
    said = shell("index", source, "--name", "many", "--json", workspace=workspace.root, status=0)
    found = json.loads(said.out)
    assert (found["slices"], found["errors"]) == (600, [])
    assert 0 < found["read"] < 600
    assert not journal.exists()
