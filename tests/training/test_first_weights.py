"""Where a training's weights come from: another data set's run, a file that is written down, phantoms."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models import save_weights
from models.errors import WeightsError, WeightsHashError
from models.hashing import sha256_of
from models.weights import open_arrays, phantom_weights
from pipeline.data.index import build_index
from pipeline.data.splits import make_split
from pipeline.jobs import JobStopped
from pipeline.runs import RunInfo, RunStore
from pipeline.training import fit, plan
from pipeline.training.config import TrainConfig, make_config
from pipeline.training.plan import BEST, make_plan
from pipeline.training.train import begin_run, resume, train
from pipeline.workspace import Workspace
from tests.training.small import write_discs

pytestmark = pytest.mark.usefixtures("tiny", "unexported")


@pytest.fixture
def unexported(monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.training import outcome

    monkeypatch.setattr(outcome, "write_outcome", lambda *_: None)


def config(**options: object) -> TrainConfig:
    return make_config({"dataset": "discs", "image_size": 32, "batch_size": 8, "epochs": 1, **options})


def weights_of(run: RunInfo) -> dict[str, list[np.ndarray]]:
    with open_arrays(run.artifacts / BEST) as arrays:
        return {name: [array[()] for array in stored] for name, stored in arrays.items()}


@pytest.fixture(scope="module")
def source(prepared: Workspace, create_tiny: Callable[..., Any]) -> RunInfo:
    """A run on three classes."""
    from pipeline.training import outcome

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit, "create_model", create_tiny)
        patch.setattr(outcome, "write_outcome", lambda *_: None)
        train(prepared, config(name="source", epochs=2))
    return RunStore(prepared).find("source")


def test_a_backbone_passes_to_another_data_set_with_other_classes(source, prepared, tmp_path):
    write_discs(tmp_path / "other", seed=5)
    for old, new in (("pCT", "oedema"), ("nCT", "clear")):
        (tmp_path / "other" / old).rename(tmp_path / "other" / new)
    shutil.rmtree(tmp_path / "other" / "NiCT")
    (tmp_path / "other" / "labels.csv").unlink()
    build_index(prepared, tmp_path / "other", name="other")
    make_split(prepared, "other", group_by="none")
    still = {"learning_rate": 1e-9, "weight_decay": 0.0}
    train(prepared, config(name="transferred", dataset="other", weights="run:source", **still))
    run = RunStore(prepared).find("transferred")
    assert run.class_names == ["clear", "oedema"]
    ours, theirs = weights_of(run), weights_of(source)
    for name in ("first", "second"):
        np.testing.assert_allclose(ours[name][0], theirs[name][0], atol=1e-6)
    assert ours["logits"][0].shape == (12, 2) and theirs["logits"][0].shape == (12, 3)
    assert run.load_config()["weights_sha256"] == sha256_of(source.artifacts / BEST)


@pytest.fixture
def file(source: RunInfo, tmp_path: Path) -> Path:
    return Path(shutil.copy(source.artifacts / BEST, tmp_path / "mine.weights.h5"))


def test_the_sha256_of_a_file_is_written_down_and_a_changed_file_refused(file, prepared):
    store = RunStore(prepared)
    made = make_plan(prepared, config(weights=f"file:{file}", name="queued"))
    run = begin_run(store, made, queued=True)
    assert run.params["weights_sha256"] == made.config.weights_sha256 == sha256_of(file)
    file.write_bytes(file.read_bytes() + b"more")
    with pytest.raises(WeightsHashError, match="have changed since this run was made"):
        resume(prepared, run.id)
    assert make_plan(prepared, made.config).config.weights_sha256 == sha256_of(file), "a new run: a new sum"


def test_a_run_goes_on_without_the_file_that_it_began_with(file, prepared):
    class StopAt:
        def __call__(self, done: int, total: int, message: str = "") -> None:
            if "Epoch 2 of 2" in message:
                raise JobStopped

    with pytest.raises(JobStopped):
        train(prepared, config(weights=f"file:{file}", name="orphan", epochs=2), progress=StopAt())
    file.unlink()
    resume(prepared, RunStore(prepared).find("orphan").id)
    assert RunStore(prepared).find("orphan").status == "finished"


def test_phantom_weights_are_written_down_too_and_random_ones_have_no_sum(prepared):
    shipped = make_plan(prepared, config(weights="phantom")).config.weights_sha256
    assert shipped == sha256_of(phantom_weights(plan.find_architecture("EfficientNetV2B0")))
    assert (
        make_plan(prepared, config(weights="random", weights_sha256="0" * 64)).config.weights_sha256 is None
    )


def test_a_file_of_another_architecture_is_a_sentence(prepared, monkeypatch, tmp_path):
    """With the real architectures: the file is of a ResNet50V2's stand-in, the training an EfficientNetV2."""
    from models import create_model

    small = create_model("ResNet50V2", num_classes=2, image_size=32)
    save_weights(small, tmp_path / "resnet.weights.h5")
    monkeypatch.setattr(fit, "create_model", create_model)
    with pytest.raises(WeightsError, match="another model than EfficientNetV2B0. Choose the architecture"):
        train(prepared, config(weights=f"file:{tmp_path / 'resnet.weights.h5'}", name="mistaken"))
    run = RunStore(prepared).find("mistaken")
    assert run.status == "failed"
    assert "Choose the architecture" in (run.artifacts / "log.txt").read_text()


def test_a_pickle_is_never_opened(prepared, tmp_path):
    (tmp_path / "mine.pkl").write_bytes(b"\x80\x04.")
    with pytest.raises(WeightsError, match="not a weights file.*can run code"):
        train(prepared, config(weights=f"file:{tmp_path / 'mine.pkl'}"))


@pytest.mark.parametrize(
    ("options", "remark"),
    [
        ({"head_epochs": 1, "epochs": 2}, "features that mean nothing"),
        ({"freeze_norm": True}, "features that mean nothing"),
        ({"architecture": "ResNet50V2", "drop_path": 0.2}, "ResNet50V2 has no drop path"),
        ({"weights": "imagenet", "preset": "standard"}, None),
        ({}, None),
    ],
)
def test_what_does_nothing_together_is_said(prepared, options, remark):
    note = make_plan(prepared, config(**options)).note
    assert remark in note if remark else not note


def test_what_computes_in_halves_is_exported_in_whole_numbers(prepared, create_tiny, monkeypatch):
    half, whole = (make_plan(prepared, config(mixed_precision=mixed)) for mixed in (True, False))
    model = create_tiny("a", num_classes=3, image_size=32, channels=1, dropout=0.0, seed=0)
    assert fit.exportable(model, whole, channels=1) is model
    asked: dict[str, Any] = {}
    monkeypatch.setattr(fit, "create_model", lambda *_, **options: asked.update(options) or "another")
    assert fit.exportable(model, half, channels=1) == "another"
    assert not asked.get("mixed_precision") and asked["num_classes"] == 3
