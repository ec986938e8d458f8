"""An answer made again: the same, within rounding or not at all, and why; what is missing is said."""

from __future__ import annotations

import json
import shutil
import zipfile
from dataclasses import replace
from typing import Any

import pytest
from typer.testing import CliRunner

from pipeline.__main__ import app
from pipeline.handing_on.bundle import Bundle, make_bundle, write_bundle
from pipeline.handing_on.bundle_reading import BundleError
from pipeline.handing_on.reproduce import ReproduceError, reproduce
from pipeline.inference.averaging import make_averaging
from pipeline.inference.engine import Engine, EngineDamagedError
from pipeline.inference.predict import predict_slice
from pipeline.runs import RunStore


@pytest.fixture
def bundle(run, grey, tmp_path):
    write_bundle(tmp_path / "bundle.zip", make_bundle(grey, run))
    return tmp_path / "bundle.zip"


def changed(bundle: Bundle, **parts: dict[str, Any]) -> Bundle:
    """Return a bundle whose record says something else: of its parts, or of its versions."""
    record = bundle.record
    updates = {
        name: changes if name == "versions" else getattr(record, name).model_copy(update=changes)
        for name, changes in parts.items()
    }
    return replace(bundle, record=record.model_copy(update=updates))


def test_from_the_data_set_the_answer_is_the_same_to_the_last_digit(home, bundle):
    found = reproduce(home, bundle)
    assert found.verdict == "identical" and found.slice_from == "the data set wards"
    assert found.probability_difference == found.logit_difference == found.map_difference == 0
    assert not found.reasons and "same answer to the last digit" in found.sentence


def test_from_the_given_file_and_from_its_own_pixels(home, run, ct, dicom_file, tmp_path):
    write_bundle(tmp_path / "ct.zip", make_bundle(ct, run, pixels=True))
    assert reproduce(home, tmp_path / "ct.zip").slice_from == "the bundle"
    found = reproduce(home, tmp_path / "ct.zip", input=dicom_file)
    assert found.verdict == "identical" and found.slice_from == "the given file"


def test_a_bundle_of_the_first_format_is_still_made_again(home, bundle, tmp_path):
    with zipfile.ZipFile(bundle) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    record = json.loads(members["answer.json"])
    del record["map"]
    members["answer.json"] = json.dumps(record | {"format": 1}).encode()
    with zipfile.ZipFile(tmp_path / "first.zip", "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    found = reproduce(home, tmp_path / "first.zip")
    assert found.verdict == "identical" and found.then.map is None


def test_an_averaged_answer_is_averaged_again(home, run, grey, tmp_path):
    engine, averaging = Engine.load(run), make_averaging(home, run, views=3)
    averaged = predict_slice(engine, grey.image, averaging=averaging)
    assert averaged.probabilities != grey.probabilities
    write_bundle(tmp_path / "a.zip", make_bundle(averaged, run))
    assert reproduce(home, tmp_path / "a.zip").verdict == "identical"


def test_another_slice_is_refused(home, run, bundle, dicom_file, ct, tmp_path):
    with pytest.raises(ReproduceError, match="not the one that was answered"):
        reproduce(home, bundle, input=dicom_file)
    unknown = changed(make_bundle(ct, run), slice={"content_hash": "0" * 32})
    write_bundle(tmp_path / "unknown.zip", unknown)
    with pytest.raises(ReproduceError, match="no data set here has its slice.*--input"):
        reproduce(home, tmp_path / "unknown.zip")


def test_a_run_that_is_not_here_is_found_by_its_weights_or_missed(home, run, grey, tmp_path):
    moved = changed(make_bundle(grey, run), model={"run": "f" * 32, "name": "elsewhere"})
    write_bundle(tmp_path / "moved.zip", moved)
    assert reproduce(home, tmp_path / "moved.zip").now.model.run == run.id
    gone = changed(moved, model={"sha256": {"model.bin": "0" * 64}})
    write_bundle(tmp_path / "gone.zip", gone)
    with pytest.raises(ReproduceError, match="elsewhere .* is not in this workspace.*--run"):
        reproduce(home, tmp_path / "gone.zip")


def test_a_model_file_replaced_on_disk_is_not_asked(home, run, bundle):
    weights = run.artifacts / "engine" / "model.bin"
    kept = weights.with_name("kept")
    shutil.copy2(weights, kept)
    facts = run.artifacts / "engine" / "engine.json"
    try:
        weights.write_bytes(kept.read_bytes()[:-4] + b"\0\1\2\3")
        facts.touch()
        with pytest.raises(EngineDamagedError, match="sha256 differs"):
            reproduce(home, bundle)
    finally:
        shutil.move(kept, weights)
        facts.touch()


def test_a_difference_is_told_with_its_size_and_its_reasons(home, run, grey, tmp_path):
    label = grey.label
    other = {name: value + (0.25 if name == label else 0.0) for name, value in grey.probabilities.items()}
    then = changed(
        make_bundle(grey, run),
        answer={"probabilities": other},
        model={"sha256": grey.engine.facts.sha256 | {"model.bin": "0" * 64}, "recipe_hash": "1" * 64},
        versions={"hilum": "0.0.1"},
    )
    write_bundle(tmp_path / "then.zip", then)
    found = reproduce(home, tmp_path / "then.zip")
    assert found.verdict == "different" and found.probability_difference == pytest.approx(0.25)
    assert "differs by up to 0.25" in found.sentence
    reasons = " ".join(found.reasons)
    assert "Another model" in reasons and "Another recipe" in reasons
    assert "hilum 0.0.1 then" in reasons and "numpy none then" in reasons
    told = found.to_json()
    assert not any(told[f"same_{name}"] for name in ("model", "recipe", "versions"))
    assert told["same_slice"] and told["same_calibration"]


def test_rounding_is_no_difference_and_a_moved_map_is(home, run, grey, tmp_path):
    bundle = make_bundle(grey, run)
    limit = grey.heat_limit()
    for by, verdict in ((1e-6, "same"), (1e-2, "different")):
        write_bundle(
            tmp_path / "a.zip",
            replace(bundle, heatmap=bundle.heatmap + bundle.heatmap.dtype.type(by * limit)),
        )
        found = reproduce(home, tmp_path / "a.zip")
        assert found.verdict == verdict and found.map_difference == pytest.approx(by * limit, rel=0.2)


def test_the_verb_prints_one_document_or_raises_its_sentence(home, run, bundle, tmp_path):
    words = ["--workspace", str(home.root), "reproduce", str(bundle)]
    plain = CliRunner().invoke(app, words, catch_exceptions=False)
    assert plain.exit_code == 0 and "Reproduced" in plain.stdout and "not for diagnosis" in plain.stdout
    told = json.loads(CliRunner().invoke(app, [*words, "--json"], catch_exceptions=False).stdout)
    assert told["verdict"] == "identical" and told["run_id"] == run.id
    with pytest.raises(BundleError, match="no ZIP archive"):
        (tmp_path / "none.zip").write_bytes(b"none")
        CliRunner().invoke(app, [*words[:-1], str(tmp_path / "none.zip")], catch_exceptions=False)


def test_runs_with_other_classes_are_not_compared(home, run, grey, tmp_path):
    classes = ["negative", "positive", "non-informative"]
    write_bundle(tmp_path / "a.zip", changed(make_bundle(grey, run), model={"classes": classes}))
    with pytest.raises(ReproduceError, match="same classes"):
        reproduce(home, tmp_path / "a.zip")
    assert len(RunStore(home).list()) == 1
