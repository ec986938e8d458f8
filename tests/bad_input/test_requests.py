"""Splits, trainings, runs, configurations and recipes that cannot be."""

from __future__ import annotations

import pytest

from tests.bad_input.making import says


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
        ('{"dataset": "few", "epochs": "many"}', "'epochs' cannot be 'many': it takes a whole number"),
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
