"""The command line's contract: verbs, JSON documents, exit statuses. One small workspace serves all tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.data.phantom import write_phantoms
from pipeline.preprocessing.recipe import PRESETS

ROOT = Path(__file__).resolve().parent.parent
VERBS = "demo index audit split preprocess train runs show compare stop resume jobs remove evaluate".split()
VERBS += ["predict", "export", "dashboard", "extend", "clone", "rename", "note", "star", "archive"]
VERBS += ["queue", "sweep", "caches", "hand-on", "reproduce"]
PARTS = ("train", "val", "calibration", "test")
PART_KEYS = {"slices", "patients", "groups", "by_label"}
ESTIMATE_KEYS = {"value", "low", "high"}


class Shell:
    """Runs verbs on one workspace."""

    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace

    def __call__(self, *words: object, status: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "pipeline", "--workspace", str(self.workspace), *map(str, words)],
            capture_output=True,
            text=True,
            cwd=ROOT,
            env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
            check=False,
        )
        assert done.returncode == status, f"{words}: status {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def json(self, *words: object) -> dict:
        return json.loads(self(*words, "--json").stdout)


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory) -> Path:
    """A folder of phantoms of twelve synthetic patients, and a few files that are no slices."""
    folder = tmp_path_factory.mktemp("command-line") / "phantoms"
    write_phantoms(folder, seeds=range(3000, 3012), slices=6)
    bad = folder / "pCT" / "broken.png"
    bad.write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 20)
    with (folder / "labels.csv").open("a") as labels:
        columns = (folder / "labels.csv").read_text().splitlines()[0].count(",")
        labels.write("pCT/broken.png,positive" + "," * (columns - 1) + "\n")
        labels.write("pCT/nowhere.png,positive" + "," * (columns - 1) + "\n")
    return folder


@pytest.fixture(scope="module")
def shell(tmp_path_factory, phantoms) -> Shell:
    """A workspace with one indexed, split data set named `small`."""
    shell = Shell(tmp_path_factory.mktemp("command-line") / "workspace")
    shell("index", phantoms, "--name", "small")
    shell("split", "small", "--as", "first")
    return shell


@pytest.fixture(scope="module")
def run(shell) -> str:
    """A very small training run on `small`."""
    done = shell(
        *"train --dataset small --architecture EfficientNetV2B0 --weights random --image-size 64".split(),
        *"--epochs 1 --batch-size 16 --name tiny --seed 1".split(),
    )
    return done.stdout.split()[-1]


def test_help_names_every_verb():
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", "--help"], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert all(f" {verb} " in done.stdout for verb in VERBS)
    assert "not for diagnosis" in done.stdout


def test_index_prints_its_contract(shell, phantoms):
    found = shell.json("index", phantoms, "--name", "small")
    assert {"name", "slices", "patients", "by_label", "errors", "seconds"} <= set(found)
    assert found["patients"] == 12
    assert {"positive", "negative", "non-informative"} >= set(found["by_label"])
    paths = {error["path"] for error in found["errors"]}
    assert {"pCT/broken.png", "pCT/nowhere.png"} <= paths
    assert all(error["code"] and error["reason"] for error in found["errors"])


def test_split_prints_its_contract(shell):
    found = shell.json("split", "small", "--as", "second", "--seed", 3)
    assert {"name", "group_by", "hash", *PARTS} <= set(found)
    assert all(set(found[part]) >= PART_KEYS for part in PARTS)
    assert sum(found[part]["patients"] for part in PARTS) == 12
    assert found["hash"] == shell.json("split", "small", "--as", "again", "--seed", 3)["hash"]


def test_audit_prints_one_document(shell):
    assert shell.json("audit", "small")


def test_preprocess_writes_one_png_a_stage(shell, phantoms, tmp_path):
    slices = sorted((phantoms / "pCT").glob("*.png"))
    chosen = [path for path in slices if path.name != "broken.png"][0]
    done = shell("preprocess", chosen, phantoms / "pCT" / "broken.png", chosen, "--out", tmp_path)
    assert "broken.png" in done.stderr
    stages = sorted(path.name for path in (tmp_path / chosen.stem).iterdir())
    assert [name[:3] for name in stages] == [f"{number:02d}-" for number in range(1, len(stages) + 1)]
    assert (tmp_path / f"{chosen.stem}-2").is_dir()
    (mask_path,) = (tmp_path / chosen.stem).glob("*-lung-mask.png")
    mask = cv2.imread(str(mask_path), cv2.IMREAD_UNCHANGED)
    assert mask.shape == cv2.imread(str(chosen), cv2.IMREAD_GRAYSCALE).shape
    assert set(np.unique(mask)) <= {0, 255}
    folders = [str(tmp_path / chosen.stem), str(tmp_path / f"{chosen.stem}-2")]
    assert done.stdout.splitlines() == folders


def test_preprocess_says_a_recipes_conflicts_once(shell, phantoms, tmp_path):
    slices = [path for path in sorted((phantoms / "pCT").glob("*.png")) if path.name != "broken.png"][:2]
    recipe = tmp_path / "doubtful.json"
    recipe.write_text(json.dumps(PRESETS["hilum"].changed(lungs__repair=0).to_json()))
    done = shell("preprocess", *slices, "--recipe", recipe, "--out", tmp_path / "out")
    assert done.stderr.count("repair is off") == 1 and len(done.stdout.splitlines()) == 2


def test_train_show_and_runs_agree(shell, run):
    assert shell.json("show", run)["id"] == run
    assert shell.json("show", "tiny")["id"] == run
    assert run in [row["id"] for row in shell.json("runs")]
    assert "tiny" in shell("stop", run).stdout


def test_caches_lists_them_checks_them_and_gives_their_room_back(shell, run, phantoms):
    (found,) = shell.json("caches")
    assert (found["dataset"], found["recipe"], found["state"]) == ("small", "hilum", "complete")
    assert found["runs"] == ["tiny"] and found["bytes"] > found["slices"] * 512 * 512
    assert "MB" in shell("caches").stdout
    assert json.loads(shell("caches", "--verify", "--json").stdout)[0]["damaged"] == []
    assert "given back" in shell("caches", "--remove", found["folder"]).stderr
    assert shell.json("caches") == []


def test_evaluate_prints_its_contract(shell, run, tmp_path):
    report = tmp_path / "report.html"
    found = json.loads(shell("evaluate", run, "--json", "--report", report).stdout)
    keys = {"run", "data", "n", "patients", "groups", "rejected", "accuracy", "macro_f1", "auc", "per_class"}
    assert keys | {"by_source", "confusion"} <= set(found)
    assert set(found["accuracy"]) >= ESTIMATE_KEYS
    assert all(set(value) >= ESTIMATE_KEYS for value in found["auc"].values())
    assert all(set(value) >= {"precision", "recall", "f1", "n"} for value in found["per_class"].values())
    labels, matrix = found["confusion"]["labels"], found["confusion"]["matrix"]
    assert len(matrix) == len(labels) and sum(map(sum, matrix)) == found["n"]
    text = report.read_text(encoding="utf-8")
    assert "not for diagnosis" in text and "http://" not in text.split("</head>")[0]


def test_evaluate_on_another_data_set(shell, run):
    assert shell.json("evaluate", run, "--dataset", "small")["data"] == "data set small"


def test_predict_prints_a_line_an_input(shell, run, phantoms, tmp_path):
    good = next(path for path in sorted((phantoms / "nCT").glob("*.png")))
    bad, missing = phantoms / "pCT" / "broken.png", tmp_path / "nothing.png"
    done = shell("predict", run, good, bad, missing, "--json", "--heatmaps", tmp_path / "maps")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["input"] for line in lines] == [str(good), str(bad), str(missing)]
    keys = {"input", "status", "reason", "label", "probabilities", "calibrated", "seen", "heatmap", "notice"}
    assert all(keys <= set(line) for line in lines)
    assert [line["status"] for line in lines][1:] == ["error", "error"]
    assert "not for diagnosis" in lines[0]["notice"]
    assert lines[0]["seen"] in {*PARTS, "near-duplicate", "same-patient"}
    if lines[0]["status"] == "ok":
        assert sum(lines[0]["probabilities"].values()) == pytest.approx(1, abs=1e-4)
        assert Path(lines[0]["heatmap"]).is_file()


def test_export_writes_an_openvino_model(shell, run, tmp_path):
    shell("export", run, "--format", "openvino", "--out", tmp_path / "out")
    assert list((tmp_path / "out").rglob("*.xml"))


def test_jobs_lists_what_ran(shell, run):
    assert {"index", "train"} <= {row["kind"] for row in shell.json("jobs")}


def test_remove_says_what_and_removes(shell, phantoms):
    shell("index", phantoms, "--name", "passing")
    assert "--yes" in shell("remove", "passing", status=2).stderr
    assert "passing" in shell("remove", "passing", "--yes").stdout
    assert "passing" in shell("split", "passing", status=2).stderr


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        (("index", "no-such-folder", "--name", "x"), "no-such-folder"),
        (("index", ".", "--name", "a/b"), "letters, digits"),
        (("index", ".", "--name", "x", "--labels", "no.csv"), "no.csv"),
        (("split", "no-such-set"), "no-such-set"),
        (("train", "--dataset", "no-such-set", "--architecture", "EfficientNetV2B0"), "no-such-set"),
        (("train", "--dataset", "small", "--architecture", "ResNet99"), "ResNet50V2"),
        (("train", "--dataset", "small", "--architecture", "ResNet50V2", "--weights", "bogus"), "random"),
        (("show", "no-such-run"), "no-such-run"),
        (("evaluate", "no-such-run"), "no-such-run"),
        (("predict", "no-such-run", "x.png"), "no-such-run"),
        (("predict", "demo", "x.png", "--series", "--out", "y.csv"), "stand alone"),
        (("preprocess", "x.png", "--recipe", "no-such-recipe", "--out", "y"), "hilum"),
        (("compare", "one"), "two runs"),
        (("caches", "--remove", "no-such-cache"), "There are: "),
    ],
    ids=lambda value: "-".join(map(str, value))[:40] if isinstance(value, tuple) else "",
)
def test_a_wrong_request_ends_with_a_sentence_and_status_2(shell, words, advice):
    done = shell(*words, status=2)
    assert advice in done.stderr
    assert "Traceback" not in done.stderr


def test_a_configuration_with_a_wrong_key_names_the_right_ones(shell, tmp_path):
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"dataset": "small", "architecture": "ResNet50V2", "epoch": 3}))
    stderr = shell("train", "--config", config, status=2).stderr
    assert "epoch" in stderr and "epochs" in stderr and "Traceback" not in stderr
