"""The right side of the Train page: the queue, a run as it learns, the table of runs, comparison, sweeps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from dashboard.training.watched import countdown
from pipeline.jobs import JobStore
from pipeline.run_info import ARCHIVED_TAG, NOTE_TAG, PAUSED_TAG, STAR_TAG, SWEEP_TAG
from pipeline.runs import JOB_TAG, RunInfo, RunStore
from pipeline.training.config import TrainConfig
from pipeline.training.sweeps import TRIAL_TAG, save_sweep
from pipeline.workspace import Workspace, atomic_write_json, atomic_write_parquet
from tests.dashboard.test_train_page import CONFIG, button, html_of, make_run, page


def make_running(workspace: Workspace, name: str = "first", *, epochs: int = 4) -> tuple[RunInfo, str]:
    """A run that goes on in its fifth epoch, and its job."""
    run = make_run(workspace, name, epochs=epochs, status="running")
    store = JobStore(workspace)
    job_id = store._insert("train", ["train"], "Train it", status="running", run_id=run.id)
    store._report(job_id, 13, 15, "Epoch 5 of 5, batch 1 of 3, loss 0.5")
    RunStore(workspace).set_tag(run.id, JOB_TAG, job_id)
    return RunStore(workspace).find(run.id), job_id


def queue_up(workspace: Workspace, *names: str) -> list[str]:
    """Trainings that wait, as the form queues them."""
    store, ids = JobStore(workspace), []
    for name in names:
        path = workspace.root / "jobs" / "configs" / f"{name}.json"
        atomic_write_json(path, CONFIG.model_copy(update={"name": name}).model_dump(mode="json"))
        ids.append(store.submit("train", ["train", "--config", str(path)], "Train it").id)
    return ids


def waiting(workspace: Workspace) -> list[str]:
    return [job.id for job in JobStore(workspace).queue()]


def table_of(app: AppTest) -> pd.DataFrame:
    return next(each.value for each in app.dataframe if "val AUC" in each.value and "★" in each.value)


def chosen(app: AppTest, *runs: RunInfo) -> AppTest:
    """Choose runs, as a sweep does: AppTest cannot click into a table."""
    app.session_state["train.chosen"] = [run.id for run in runs]
    app.session_state["train.choice"] = 1
    return app.run()


def test_the_queue_shows_the_order_and_what_each_waits_for(small):
    make_running(small)
    queue_up(small, "second", "third")
    body = html_of(page())
    assert "1 running, 2 waiting" in body
    assert "1. second" in body and "waits for first" in body
    assert "2. third" in body and "waits for second" in body


def test_waiting_trainings_change_places(small):
    first, second, third = queue_up(small, "first", "second", "third")
    app = page()
    assert button(app, f"up-{first}").disabled and button(app, f"down-{third}").disabled
    button(app, f"down-{first}").click().run()
    assert waiting(small) == [second, first, third]
    button(app, f"first-{third}").click().run()
    assert waiting(small) == [third, second, first]
    button(app, f"cancel-{second}").click().run()
    assert waiting(small) == [third, first]
    assert not app.error


def test_moving_what_has_begun_meanwhile_is_said_in_passing(small):
    first, second = queue_up(small, "first", "second")
    app = page()
    JobStore(small).stop(second)
    button(app, f"up-{second}").click().run()
    assert not app.exception and not app.error
    assert any("does not wait" in toast.value for toast in app.toast)


def test_how_many_run_at_once_is_set_on_the_page(small):
    queue_up(small, "first")
    app = page()
    app.selectbox(key="train.at_once").set_value(2).run()
    assert JobStore(small).at_once == 2
    JobStore(small).set_at_once(3)
    assert app.run().selectbox(key="train.at_once").value == 3, "a shell's change is shown"


def test_a_running_training_is_told_with_its_memory_and_its_countdown(small):
    make_running(small)
    app = page()
    assert any("Epoch 5 of 5" in each.proto.text for each in app.get("progress"))
    body = html_of(app)
    assert "4 of 5" in body and "GiB" in body


def test_a_running_training_stops_after_its_epoch_and_then_at_once(small):
    _, job_id = make_running(small)
    app = page()
    button(app, "later-watched").click().run()
    job = JobStore(small).get(job_id)
    assert job.stop_after_epoch and not job.stop_asked
    assert "stops after this epoch" in html_of(app)
    assert button(app, "later-watched").disabled
    button(app, "stop-watched").click().run()
    assert JobStore(small).get(job_id).stop_asked
    assert button(app, "stop-watched").disabled


def test_the_countdown_follows_the_stages_of_the_training(small):
    run, _ = make_running(small)

    def said(epochs: int, best: int, **changes: Any) -> str:
        config = CONFIG.model_copy(update={"epochs": 20, "patience": 3} | changes)
        atomic_write_json(run.artifacts / "config.json", config.model_dump(mode="json"))
        return countdown(run, epochs, best)

    assert said(4, 3) == "early stop in 2 if none is better"
    assert said(4, 3, head_epochs=6) == "early stop counts after epoch 6"
    assert said(7, 3, head_epochs=6) == "early stop in 2 if none is better"
    assert said(19, 18) == "no early stop before the last"
    assert said(4, 3, patience=0) == "no early stop"


def test_a_paused_training_says_why_and_can_be_resumed(small):
    store = RunStore(small)
    run = make_run(small, "first", status="running")
    store.finish(run.id, "paused", reason="The disk is full. Make room.")
    assert PAUSED_TAG in store.find(run.id).tags
    app = page()
    assert "The disk is full. Make room." in html_of(app)
    button(app, "train-resume").click().run()
    assert [job.argv for job in JobStore(small).list("train")] == [["resume", run.id]]


def test_a_finished_run_is_trained_longer(small):
    run = make_run(small, "first", epochs=5)
    (run.artifacts / "resume").mkdir()
    (run.artifacts / "resume" / "state.npz").write_bytes(b"")
    app = page()
    app.number_input(key="train.more").set_value(20).run()
    button(app, "train-extend").click().run()
    assert not app.error
    found = RunStore(small).find(run.id)
    assert (found.params["epochs"], found.status) == ("25", "queued")
    assert found.load_config()["extensions"] == [[5, 25]]
    assert [job.argv for job in JobStore(small).list("train")] == [["resume", run.id]]


def test_a_run_without_a_checkpoint_cannot_be_trained_longer(small):
    make_run(small, "first")
    assert not [each for each in page().button if each.key == "train-extend"]


def test_runs_are_named_noted_starred_and_put_away(small):
    run, other = make_run(small, "first"), make_run(small, "second")
    app = chosen(page(), run)
    button(app, "train-star").click().run()
    assert table_of(app).set_index("name")["★"].to_dict() == {"first": "★", "second": ""}
    name, note = app.text_input, app.text_area
    next(each for each in name if each.label == "Name").set_value("renamed")
    next(each for each in note if each.label == "Note").set_value("better than it looks")
    next(each for each in app.button if each.label == "Keep").click().run()
    found = RunStore(small).find(run.id)
    assert (found.name, found.note, found.starred) == ("renamed", "better than it looks", True)
    button(app, "train-archive").click().run()
    assert table_of(app)["name"].tolist() == ["second"]
    app.checkbox(key="train.filter.archived").set_value(True).run()
    assert sorted(table_of(app)["name"]) == ["renamed", "second"]
    button(app, "train-archive").click().run()
    assert not RunStore(small).find(run.id).archived
    assert RunStore(small).find(other.id).tags.get(STAR_TAG) is None


def test_a_name_that_another_run_has_is_refused_in_a_sentence(small):
    make_run(small, "first")
    run = make_run(small, "second")
    app = chosen(page(), run)
    next(each for each in app.text_input if each.label == "Name").set_value("first")
    next(each for each in app.button if each.label == "Keep").click().run()
    assert not app.exception
    assert any("called 'first' already" in toast.value for toast in app.toast)
    assert RunStore(small).find(run.id).name == "second"


def test_the_table_is_filtered_and_sorted_by_validation_only(small):
    runs = [make_run(small, name, epochs=epochs) for name, epochs in (("a", 2), ("b", 4), ("c", 3))]
    store = RunStore(small)
    store.label(runs[0].id, NOTE_TAG, "with more rotation")
    store.finish(runs[2].id, "stopped")
    app = page()
    assert table_of(app)["name"].tolist() == ["c", "b", "a"], "newest first"
    app.selectbox(key="train.sort").set_value("best_val_auc").run()
    assert table_of(app)["name"].tolist() == ["b", "c", "a"]
    assert not any("test" in option.lower() for option in app.selectbox(key="train.sort").options)
    app.selectbox(key="train.filter.status").set_value("stopped").run()
    assert table_of(app)["name"].tolist() == ["c"]
    app.selectbox(key="train.filter.status").set_value("all").run()
    app.text_input(key="train.filter.text").set_value("ROTATION more").run()
    assert table_of(app)["name"].tolist() == ["a"]
    app.text_input(key="train.filter.text").set_value("nothing has this").run()
    assert any("No run fits" in each.value for each in app.caption)


def test_only_what_differs_is_shown_on_request(small):
    runs = [make_run(small, name) for name in ("a", "b")]
    RunStore(small).log_params(runs[0].id, {"extra": "x"})
    app = page()
    assert "architecture" in table_of(app)
    app.checkbox(key="train.differs").set_value(True).run()
    table = table_of(app)
    assert "architecture" not in table
    assert table.set_index("name")["extra"].fillna("-").to_dict() == {"b": "-", "a": "x"}
    assert not [column for column in table if "test" in column]


def predicted(workspace: Workspace, run: RunInfo, *, seed: int) -> None:
    """Give a run predictions of validation: the same forty slices of ten patients for every run."""
    rng = np.random.default_rng(seed)
    truth = np.arange(40) % 2
    score = 1 / (1 + np.exp(-(2.0 * truth - 1 + rng.normal(0, 1, 40))))
    rows = {
        "slice_id": [f"s{number}" for number in range(40)],
        "patient_id": [f"p{number // 4}" for number in range(40)],
        "group": [f"p{number // 4}" for number in range(40)],
        "part": "val",
        "y_true": np.where(truth, "positive", "negative"),
        "y_pred": np.where(score > 0.5, "positive", "negative"),
        "logit_positive": np.log(score),
        "logit_negative": np.log(1 - score),
        "probability_positive": score,
        "probability_negative": 1 - score,
    }
    atomic_write_parquet(run.artifacts / "predictions" / "val.parquet", pd.DataFrame(rows))


def test_chosen_runs_are_compared_on_validation_with_intervals_and_n(small):
    runs = [make_run(small, name) for name in ("a", "b", "c")]
    for seed, run in enumerate(runs[:2]):
        predicted(small, run, seed=seed)
        RunStore(small).log_params(run.id, {"extra": str(seed)})
    app = chosen(page(), *runs)
    assert not app.error
    body = html_of(app)
    assert "3 runs" in body and "Compared on validation" in body
    assert "40 of 10 patients, 10 groups" in body
    assert "mean AUC minus a" in body
    assert "Not measured yet" in body and "c: figures are made" in body
    differing = next(each.value for each in app.dataframe if "setting" in each.value)
    assert differing.set_index("setting").loc["extra"].fillna("-").to_dict() == {"a": "0", "b": "1", "c": "-"}
    assert any("partly the luckiest" in each.value for each in app.caption)


def test_a_sweep_is_a_table_of_its_trials_with_the_best_and_the_pruned(small):
    sweep = save_sweep(small, "search", CONFIG, name="wide", options={"trials": 4})
    store = RunStore(small)
    for number, (epochs, status) in enumerate([(2, "finished"), (4, "finished"), (3, "stopped")]):
        run = make_run(small, f"wide-{number + 1}", epochs=epochs, status=status)
        store.set_tag(run.id, SWEEP_TAG, sweep.id)
        store.set_tag(run.id, TRIAL_TAG, str(number))
        store.set_tag(run.id, "ending", "pruned" if status == "stopped" else "complete")
        store.log_metrics(run.id, {"best_val_accuracy": 0.5, "best_val_loss": 1.0}, epochs)
        tried = {"augment.rotation": 17.975547017460073 + number, "augment.zoom": 0.0812345 * (number + 1)}
        store.log_params(run.id, tried)
    app = page()
    assert not app.error
    trials = next(each.value for each in app.dataframe if "trial" in each.value).set_index("trial")
    assert list(trials)[:4] == ["", "val AUC", "val accuracy", "val loss"], "figures before settings"
    assert trials["Rotation"].tolist() == ["17.98", "18.98", "19.98"]
    assert trials["Zoom"].tolist() == ["8.12 %", "16.2 %", "24.4 %"]
    assert trials["status"].tolist() == ["finished", "finished", "pruned (fell behind)"]
    assert trials[""].tolist() == ["", "best", ""]
    assert "2 finished · 1 pruned · 1 planned" in html_of(app)
    button(app, "train-sweep-show").click().run()
    assert "3 runs" in html_of(app)


def test_a_sweep_is_stopped_and_resumed_on_the_page(small):
    sweep = save_sweep(small, "architectures", CONFIG, name="many", trials=[CONFIG])
    run, job_id = make_running(small, "many-1")
    RunStore(small).set_tag(run.id, SWEEP_TAG, sweep.id)
    RunStore(small).set_tag(run.id, TRIAL_TAG, "0")
    app = page()
    button(app, "train-sweep-stop").click().run()
    assert JobStore(small).get(job_id).stop_asked
    JobStore(small)._end(job_id, "stopped", "Stopped.")
    app.run()
    button(app, "train-sweep-resume").click().run()
    assert JobStore(small).get(job_id).status == "queued"


def test_an_archived_run_that_a_link_names_is_shown(small):
    run = make_run(small, "first")
    make_run(small, "second")
    RunStore(small).label(run.id, ARCHIVED_TAG, "true")
    app = AppTest.from_file(
        str(Path(__file__).resolve().parents[2] / "dashboard" / "app.py"), default_timeout=60
    )
    app.query_params["run"] = run.id
    app.run().switch_page("views/train.py").run()
    assert not app.error
    assert "first" in html_of(app)


def test_long_curves_are_drawn_reduced_and_say_so(small):
    run = make_run(small, "first")
    rows = [(step, {"batch.loss": 1 / step}) for step in range(100, 3000)]
    RunStore(small).log_steps(run.id, rows)
    app = page()
    assert any("logged points of training drawn as" in each.value for each in app.caption)


@pytest.mark.parametrize("changes", [{}, {"head_epochs": 2}])
def test_settings_of_an_earlier_version_leave_out_what_cannot_be_known(small, changes):
    """A configuration with a key that is gone: no stages and no countdown, but the curves."""
    run, _ = make_running(small)
    values = TrainConfig.model_validate(CONFIG.model_dump() | changes).model_dump(mode="json")
    atomic_write_json(run.artifacts / "config.json", values | {"a_key_that_is_gone": 1})
    app = page()
    assert not app.error
    assert "no early stop" in html_of(app)
