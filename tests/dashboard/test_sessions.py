"""Ten sessions of one server ask at one instant: each gets the answer for its own slice."""

from __future__ import annotations

import html
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np

from pipeline.data.datasets import load_index
from pipeline.data.reading import load_slice
from pipeline.inference.engine import Engine
from pipeline.inference.predict import predict_slice
from pipeline.inference.prediction import score_text
from pipeline.inference.wording import answer_words, shown_labels
from pipeline.preprocessing.recipe import PRESETS
from pipeline.runs import RunInfo, RunStore
from pipeline.workspace import Workspace
from tests import families
from tests.dashboard.visiting import Visitor
from tests.inference.conftest import make_series_home
from tests.serving import APP, serving

SESSIONS = 10


def give_answers(run: RunInfo) -> None:
    """Export a model whose answers tell slices apart: the phantoms' backbone with a steep random head."""
    from models import create_model
    from pipeline.inference.export import export_engine

    model = create_model("EfficientNetV2B0", num_classes=3, image_size=64, weights="phantom")
    head = model.get_layer("logits")
    head.set_weights([np.random.default_rng(0).normal(size=head.kernel.shape), np.zeros(3)])
    recipe = PRESETS["hilum"].changed(size=128)
    export_engine(model, run.artifacts / "engine", class_names=families.CLASSES, recipe=recipe)


def expected_words(workspace: Workspace) -> dict[str, list[str]]:
    """Return what each slice's page must say: its file's name, the answer, and each score that is shown."""
    engine, words = Engine.load(RunStore(workspace).find("small")), {}
    for _, row in load_index(workspace, "wards").iterrows():
        answer = predict_slice(engine, load_slice(workspace, "wards", row))
        said = [score_text(answer.probabilities[label]) for label in shown_labels(answer)]
        said.append(f"</i>{html.escape(answer_words(answer))}<")
        if answer.status != "ok":
            said = ["Unlike what" if answer.gate.passed else "Not taken for"]
        words[str(row["slice_id"])] = [str(row["path"]).rsplit("/", 1)[-1], *said]
    return words


def test_ten_sessions_at_one_instant_get_their_own_answers(tmp_path: Path) -> None:
    workspace = make_series_home(tmp_path)
    give_answers(RunStore(workspace).find("small"))
    expected = expected_words(workspace)
    assert len({tuple(words[1:]) for words in expected.values()}) > 2, "answers that can be told apart"
    asked = [list(expected)[place % len(expected)] for place in range(SESSIONS)]
    instant = threading.Barrier(SESSIONS)
    with serving(APP, workspace.root) as address:

        def ask(slice_id: str) -> str:
            with closing(Visitor(address)) as visitor:
                instant.wait()
                return visitor.open("predict", run="small", dataset="wards", slice=slice_id)

        with ThreadPoolExecutor(SESSIONS) as threads:
            pages = list(threads.map(ask, asked))
    for slice_id, page in zip(asked, pages, strict=True):
        missing = [words for words in expected[slice_id] if words not in page]
        assert not missing, page
