"""The whole job on real slices, through the command line: from a folder to figures per source and heatmaps.

What is asserted are contracts and invariants, never how good the model is: it is trained for one epoch on few
slices. Skipped where HILUM_REAL_DATA names no folder.
"""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.__main__ import run_command_line
from pipeline.data.index import load_index
from pipeline.data.splits import PARTS, load_split
from pipeline.workspace import Workspace

pytestmark = pytest.mark.slow

EVERY = 8  # of the slices that no other test needs
TRAINING = "--architecture EfficientNetV2B0 --weights random --image-size 64 --batch-size 16 --epochs 1"
LINE_KEYS = {"input", "status", "reason", "label", "probabilities", "calibrated", "seen", "heatmap", "notice"}
Shell = Callable[..., str]
LABELS = ["positive", "negative", "non-informative"]


@pytest.fixture(scope="module")
def sample(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every eighth real slice of each class and source, its labels beside it; nothing is copied where links
    can be made.
    """
    folder = tmp_path_factory.mktemp("real") / "slices"
    with (real_data / "slices.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    strata: dict[tuple[str, str], int] = {}
    chosen = []
    for row in rows:
        stratum = (row["label"], row["source"])
        if strata.setdefault(stratum, 0) % EVERY == 0:
            chosen.append(row)
        strata[stratum] += 1
    for row in chosen:
        target = folder / row["path"]
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(real_data / "slices" / row["path"], target)
        except OSError:  # another disk
            target.write_bytes((real_data / "slices" / row["path"]).read_bytes())
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(chosen)
    return folder


def assert_estimate(estimate: dict) -> None:
    """Low <= value <= high, or nothing and a reason."""
    if estimate["value"] is None or estimate["low"] is None:
        assert estimate["reason"]
    else:
        assert 0 <= estimate["low"] <= estimate["value"] <= estimate["high"] <= 1


def assert_figures(figures: dict) -> None:
    for estimate in (figures["accuracy"], figures["macro_f1"], *figures["auc"].values()):
        assert_estimate(estimate)
    for row in figures["per_class"].values():
        for name in ("precision", "recall", "f1"):
            assert_estimate(row[name])


def test_from_a_folder_of_real_slices_to_figures_and_heatmaps(
    sample: Path,
    real_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One test, for each step needs the one before."""
    workspace = Workspace.open(tmp_path / "workspace")

    def shell(*words: object) -> str:
        monkeypatch.setattr(sys, "argv", ["pipeline", "--workspace", str(workspace.root), *map(str, words)])
        capsys.readouterr()
        try:
            status = run_command_line()
        except SystemExit as left:
            status = int(left.code or 0)
        said = capsys.readouterr()
        assert status == 0, said.err
        return said.out

    index_and_audit(shell, workspace, sample)
    split_by_patient_and_cluster(shell, workspace)
    preprocess_some(shell, sample, tmp_path / "stages")
    run = shell("train", "--dataset", "real", "--split", "by-patient", *TRAINING.split()).split()[-1]
    evaluate_by_source(shell, workspace, run)
    predict_slices(shell, workspace, sample, run, tmp_path / "maps")
    predict_what_is_no_chest_ct(shell, real_data, run)


def index_and_audit(shell: Shell, workspace: Workspace, sample: Path) -> None:
    """Every file is a row; ids come from the table, and screenshots have none."""
    files = [path for path in sample.glob("*/*") if path.is_file()]
    found = json.loads(shell("index", sample, "--name", "real", "--json"))
    assert (found["slices"], found["errors"]) == (len(files), [])
    assert list(found["by_label"]) == LABELS and sum(found["by_label"].values()) == len(files)
    index = load_index(workspace, "real")
    assert found["patients"] == index["patient_id"].nunique() > 0
    assert set(index["source"]) == {"mos", "ucsd", "sp", "md"}
    assert index.loc[index["source"] == "sp", "patient_id"].isna().all()
    assert json.loads(shell("audit", "real", "--json"))["findings"]


def split_by_patient_and_cluster(shell: Shell, workspace: Workspace) -> None:
    """No patient, no study and no near-copy in two parts, whichever way it is asked for."""
    for group_by in ("patient", "cluster"):
        name = f"by-{group_by}"
        made = json.loads(shell("split", "real", "--group-by", group_by, "--as", name, "--json"))
        assert made["group_by"] == group_by and set(PARTS) <= set(made)
        table = load_split(workspace, "real", name).table
        assert len(table) == sum(made[part]["slices"] for part in PARTS) == len(load_index(workspace, "real"))
        assert table.dropna(subset="patient_id").groupby("patient_id")["part"].nunique().max() == 1
        assert table.groupby("group")["part"].nunique().max() == 1
        assert sum(made[part]["groups"] for part in PARTS) == table["group"].nunique()


def preprocess_some(shell: Shell, sample: Path, out: Path) -> None:
    """One PNG a stage, and a mask of the slice's own size."""
    chosen = [next(iter(sorted((sample / label).iterdir()))) for label in ("pCT", "nCT", "NiCT")]
    folders = [Path(line) for line in shell("preprocess", *chosen, "--out", out).split("\n") if line]
    assert [folder.name for folder in folders] == [path.stem for path in chosen]
    for folder, path in zip(folders, chosen, strict=True):
        (mask_path,) = folder.glob("*-lung-mask.png")
        mask = cv2.imread(str(mask_path), cv2.IMREAD_UNCHANGED)
        assert mask.shape == cv2.imread(str(path), cv2.IMREAD_GRAYSCALE).shape
        assert set(np.unique(mask)) <= {0, 255}


def evaluate_by_source(shell: Shell, workspace: Workspace, run: str) -> None:
    """Counts add up over sources and over the matrix; each interval holds its estimate."""
    found = json.loads(shell("evaluate", run, "--json"))
    table = load_split(workspace, "real", "by-patient").table
    tested = table[table["part"] == "test"]
    assert (found["n"], found["groups"]) == (len(tested), tested["group"].nunique())
    assert found["patients"] == tested["patient_id"].nunique()
    assert found["confusion"]["labels"] == LABELS
    assert np.sum(found["confusion"]["matrix"]) == found["n"]
    assert sum(row["n"] for row in found["per_class"].values()) == found["n"]
    assert_figures(found)
    sources = load_index(workspace, "real").set_index("slice_id").loc[tested["slice_id"], "source"]
    counts = sources.value_counts().to_dict()
    assert {name: figures["n"] for name, figures in found["by_source"].items()} == counts
    for figures in found["by_source"].values():
        assert_figures(figures)
    assert found["patients_known"] == tested["patient_id"].notna().all()


def predict_slices(shell: Shell, workspace: Workspace, sample: Path, run: str, maps: Path) -> None:
    """Each slice of the training's data is recognised by its part; its map has its size."""
    index = load_index(workspace, "real").set_index("slice_id")
    table = load_split(workspace, "real", "by-patient").table.groupby("part").head(2)
    files = [sample / path for path in index.loc[table["slice_id"], "path"]]
    lines = [
        json.loads(line) for line in shell("predict", run, *files, "--json", "--heatmaps", maps).splitlines()
    ]
    assert [line["input"] for line in lines] == [str(path) for path in files]
    assert "ok" in {line["status"] for line in lines}
    for line, part, path in zip(lines, table["part"], files, strict=True):
        assert set(line) >= LINE_KEYS and line["seen"] == part
        assert list(line["probabilities"]) == LABELS
        assert sum(line["probabilities"].values()) == pytest.approx(1, abs=1e-4)
        assert line["status"] == "ok" or (line["heatmap"] is None and line["reason"])
        if line["status"] == "ok":
            shape = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE).shape
            assert np.load(line["heatmap"], allow_pickle=False).shape == shape


def predict_what_is_no_chest_ct(shell: Shell, real_data: Path, run: str) -> None:
    """Heads, brains and radiographs get a line each; those that are refused say why."""
    files = sorted((real_data / "not-chest-ct").glob("*/*"))[::3]
    lines = [json.loads(line) for line in shell("predict", run, *files, "--json").splitlines()]
    assert [line["input"] for line in lines] == [str(path) for path in files]
    assert all(set(line) >= LINE_KEYS for line in lines)
    refused = [line for line in lines if line["status"] == "rejected"]
    assert all(line["reason"] and line["heatmap"] is None for line in refused)
    assert all(line["seen"] == "no" for line in lines)
    assert len(refused) >= 0.9 * len(lines)
