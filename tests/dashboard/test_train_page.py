"""The Train page: what a user chooses, launches, watches, stops, resumes and compares."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from streamlit.testing.v1 import AppTest

from pipeline.jobs import JobStore
from pipeline.runs import RunInfo, RunStore
from pipeline.training.config import TrainConfig
from pipeline.workspace import Workspace, atomic_write_json, read_json

APP = Path(__file__).resolve().parents[2] / "dashboard" / "app.py"
CONFIG = TrainConfig(dataset="small", epochs=5, image_size=96, learning_rate=3e-4, name="first")


def make_run(workspace: Workspace, name: str, *, epochs: int = 4, status: str = "finished") -> RunInfo:
    """Write what a training of some epochs would have written."""
    store = RunStore(workspace)
    config = CONFIG.model_copy(update={"name": name})
    params = config.model_dump(exclude={"augment"}) | {"steps_per_epoch": 3}
    run = store.create(name, params, {})
    atomic_write_json(run.artifacts / "config.json", config.model_dump(mode="json"))
    (run.artifacts / "log.txt").write_text("Epoch 1 of 5: loss 0.9\n")
    store.log_steps(run.id, [(step, {"batch.loss": 1 / step}) for step in range(1, 3 * epochs + 1)])
    for epoch in range(1, epochs + 1):
        values = {"loss": 1 / epoch, "val_loss": 1.1 / epoch, "val_auc": 0.6 + 0.05 * epoch, "epoch": epoch}
        store.log_metrics(run.id, values | {"best_epoch": epoch, "best_val_auc": 0.6 + 0.05 * epoch}, epoch)
    if status != "running":
        store.finish(run.id, status)
    return store.find(run.id)


def page() -> AppTest:
    app = AppTest.from_file(str(APP), default_timeout=60).run()
    app.switch_page("views/train.py").run()
    assert not app.exception
    return app


def html_of(app: AppTest) -> str:
    return "".join(str(part.proto.body) for part in app.get("html"))


def button(app: AppTest, key: str) -> Any:
    return next(each for each in app.button if each.key == key)


def test_before_the_first_training_the_page_says_how_to_begin(small):
    app = page()
    assert not app.error
    assert "No training yet" in html_of(app)
    assert any("parameters" in each.value and "GiB" in each.value for each in app.caption)


def test_train_queues_a_job_with_what_was_chosen(small):
    app = page()
    app.selectbox(key="train.image_size").set_value(96)
    app.number_input(key="train.epochs").set_value(7)
    app.slider(key="train.augment.rotation").set_value(20)
    app.run()
    button(app, "train-launch").click().run()
    assert not app.error
    (job,) = JobStore(small).list("train")
    config = TrainConfig.model_validate(read_json(Path(job.argv[2])))
    assert (config.dataset, config.split) == ("small", "by-patient")
    assert (config.image_size, config.epochs, config.augment.rotation) == (96, 7, 20)
    assert "0 running, 1 waiting" in html_of(app)
    button(app, f"cancel-{job.id}").click().run()
    assert JobStore(small).get(job.id).status == "stopped"


def test_a_finished_run_shows_its_curves_and_figures(small):
    make_run(small, "first")
    app = page()
    assert not app.error
    body = html_of(app)
    assert "4 of 5" in body
    assert "0.800" in body, "validation AUC at the best epoch"
    assert len(app.get("plotly_chart")) == 2
    assert any("Epoch 1 of 5" in each.value for each in app.code)
    table = app.dataframe[0].value
    assert table["name"].tolist() == ["first"]
    assert not [column for column in table if "test" in column.lower()]


def test_a_stopped_training_can_be_resumed(small):
    run = make_run(small, "first", status="stopped")
    app = page()
    button(app, "train-resume").click().run()
    assert not app.error
    (job,) = JobStore(small).list("train")
    assert (job.argv, job.run_id, job.status) == (["resume", run.id], run.id, "queued")


def test_a_failed_training_says_why(small):
    store = JobStore(small)
    job_id = store._insert("train", ["train"], "Train it", status="running")
    store.fail(job_id, "The class 'positive' has no slice in the part 'val'.")
    assert "has no slice in the part" in html_of(page())


def test_the_page_with_data_and_runs_loads_no_learning_library(small):
    """In a process of its own: this one has MLflow, to write the runs."""
    make_run(small, "first")
    script = f"""
import sys
from streamlit.testing.v1 import AppTest
app = AppTest.from_file({str(APP)!r}, default_timeout=60).run()
app.switch_page("views/train.py").run()
assert not app.exception and not app.error and len(app.get("plotly_chart")) == 2
print(sorted({{"tensorflow", "keras", "mlflow", "openvino"}} & set(sys.modules)))
"""
    environment = os.environ | {"PYTHONPATH": str(APP.parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stdout.split() == ["[]"]
