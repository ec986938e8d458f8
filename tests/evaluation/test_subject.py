"""What a report says was tested."""

from pipeline.evaluation.evaluate import evaluate_run
from pipeline.evaluation.report import build_report
from pipeline.evaluation.subject import describe_model
from pipeline.runs import RunStore
from pipeline.workspace import atomic_write_json
from tests.evaluation.runs import make_run


def test_a_model_is_described_by_what_its_run_recorded(workspace):
    run = make_run(workspace)
    RunStore(workspace).log_params(
        run.id, {"parameters": 5928275, "image_size": 160, "learning_rate": 0.0013385298, "dropout": None}
    )
    atomic_write_json(run.artifacts / "environment.json", {"python": "3.11.7", "packages": {"keras": "3.15"}})
    found = describe_model(RunStore(workspace).find(run.id))
    assert found["Network"] == "EfficientNetV2B0, 5,928,275 parameters, slices at 160 px"
    assert "train 720 slices of 60 patients" in found["Data set and split"]
    assert found["Training"] == "learning rate 0.00134"
    assert found["Made with"] == "Python 3.11.7, keras 3.15"
    assert "Model file" not in found and "Recipe" not in found


def test_it_stands_in_the_report_and_in_the_json(workspace):
    make_run(workspace)
    found = evaluate_run(workspace, "first", part="val", n_resamples=20)
    report = build_report(found)
    assert "<h2>What was tested" in report and "EfficientNetV2B0" in report
    assert found.to_json()["model"]["Network"] == "EfficientNetV2B0"
