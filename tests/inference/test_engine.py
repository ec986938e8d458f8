"""The exported engine answers as Keras does, and only if its files are those that were exported."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from pipeline.inference.engine import (
    Engine,
    EngineDamagedError,
    EngineMissingError,
    RecipeGoneError,
)
from tests import families


@pytest.mark.parametrize("name", families.FAMILIES)
def test_equals_keras(name):
    batch = families.slices(2)
    expected = families.outputs(name, batch)
    for count in (1, 2):  # compiled apart
        found = families.engine(name).run(batch[:count])
        for mine, theirs in zip(found, expected, strict=True):
            np.testing.assert_allclose(mine, theirs[:count], atol=1e-4)
        np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, atol=1e-6)


def test_says_what_it_is():
    facts = families.engine("ConvNeXtTiny").facts
    assert facts.architecture == "ConvNeXtTiny" and facts.classes == families.CLASSES
    assert (facts.image_size, facts.channels) == (families.SIZE, 1)
    assert set(facts.versions) >= {"keras", "openvino", "tensorflow"}
    assert facts.recipe_hash == families.engine("ConvNeXtTiny").recipe.hash


def test_weights_stay_in_full_precision():
    from pipeline.inference.runtime import load_openvino

    network = load_openvino().Core().read_model(families.engine_folder("ResNet50V2") / "model.xml")
    kinds = {port.get_element_type().get_type_name() for node in network.get_ops() for port in node.outputs()}
    assert "f16" not in kinds and "f32" in kinds


def test_is_read_once(run):
    assert Engine.load(run) is Engine.load(run)


def test_many_threads_get_the_answers_of_one(run):
    engine = Engine.load(run)
    batch = families.slices(4)
    alone = [engine.run(batch[place : place + 1]).logits[0] for place in range(4)]
    with ThreadPoolExecutor(4) as threads:
        together = list(
            threads.map(lambda place: engine.run(batch[place : place + 1]).logits[0], [0, 1, 2, 3] * 4)
        )
    for place, logits in enumerate(together):
        np.testing.assert_array_equal(logits, alone[place % 4])


def test_outputs_are_the_callers_own(run):
    engine = Engine.load(run)
    first = engine.run(families.slices(1))
    kept = first.features.copy()
    engine.run(255 - families.slices(1))
    np.testing.assert_array_equal(first.features, kept)


def test_a_wrong_input_says_what_was_expected(run):
    with pytest.raises(ValueError, match=r"float32.*64, 64, 1.*received float64"):
        Engine.load(run).run(np.zeros((1, 64, 64, 1)))


def test_a_run_without_an_engine_says_how_to_make_one(run, tmp_path):
    with pytest.raises(EngineMissingError, match="python -m pipeline export 01234567"):
        Engine.load(replace(run, artifacts=tmp_path / "empty"))


@pytest.mark.parametrize("name", ["model.bin", "model.xml", "cam.npz"])
@pytest.mark.parametrize("loaded", [False, True])
def test_a_replaced_file_is_not_loaded_nor_is_what_was_loaded_before(run, name, loaded):
    if loaded:
        Engine.load(run)
    path = run.artifacts / "engine" / name
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(EngineDamagedError, match=f"{name}.*not what was exported"):
        Engine.load(run)


def test_a_half_written_description_is_not_believed(run):
    (run.artifacts / "engine" / "engine.json").write_text('{"format": 1')
    with pytest.raises(EngineDamagedError, match="cannot be read"):
        Engine.load(run)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"margin": 60}, "changed after its training"),
        ({"versions": {"fit": 999}}, "version 999"),
        ({"unheard_of": 1}, "unheard_of"),
    ],
)
def test_a_recipe_that_this_hilum_lacks_is_refused_by_name(run, change, message):
    path = run.artifacts / "engine" / "engine.json"
    facts = json.loads(path.read_text())
    facts["recipe"] |= change
    path.write_text(json.dumps(facts))
    with pytest.raises(RecipeGoneError, match=message):
        Engine.load(run)


def test_an_export_replaces_the_old_one_whole(tmp_path):
    from pipeline.inference.export import export_engine

    folder = tmp_path / "engine"
    folder.mkdir()
    (folder / "left-over.txt").write_text("old")
    engine = families.engine("ResNet50V2")
    export_engine(families.model("ResNet50V2"), folder, class_names=families.CLASSES, recipe=engine.recipe)
    assert sorted(file.name for file in folder.iterdir()) == [
        "cam.npz",
        "engine.json",
        "model.bin",
        "model.xml",
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["engine"]


def test_nothing_phones_home():
    import sys

    families.engine_folder("ResNet50V2")
    assert sys.modules["openvino_telemetry"] is None
