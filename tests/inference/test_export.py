"""A run written for other software, and its engine made again where it is gone."""

import numpy as np
import pytest

from models import save_weights
from pipeline.inference.engine import Engine
from pipeline.inference.export import ExportError, export_run
from pipeline.runs import RunStore
from pipeline.workspace import Workspace, atomic_write_json
from tests import families

NAME = "ResNet50V2"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A workspace with a run whose engine is gone."""
    workspace = Workspace.open(tmp_path_factory.mktemp("export"))
    store = RunStore(workspace)
    run = store.create("whole", {}, {})
    config = {"architecture": NAME, "image_size": families.SIZE, "dropout": 0.3}
    atomic_write_json(run.artifacts / "config.json", config)
    atomic_write_json(run.artifacts / "classes.json", list(families.CLASSES))
    atomic_write_json(run.artifacts / "recipe.json", families.engine(NAME).recipe.to_json())
    save_weights(families.model(NAME), run.artifacts / "weights.weights.h5")
    store.finish(run.id)
    return workspace, store.find("whole")


def test_openvino_makes_a_missing_engine_again(finished, tmp_path):
    workspace, run = finished
    written = export_run(workspace, "whole", format="openvino", out=tmp_path / "out")
    assert {"model.xml", "model.bin", "engine.json", "cam.npz"} <= {file.name for file in written.iterdir()}
    batch = families.slices(1)
    for engine in (Engine.load(run), Engine.open(written)):
        np.testing.assert_allclose(engine.run(batch).logits, families.outputs(NAME, batch)[0], atol=1e-4)


def test_keras_format_can_be_read_by_keras(finished, tmp_path):
    import keras

    workspace, _ = finished
    path = export_run(workspace, "whole", format="keras", out=tmp_path)
    assert path.suffix == ".keras" and list(tmp_path.iterdir()) == [path]
    batch = families.slices(1)
    np.testing.assert_allclose(
        np.asarray(keras.saving.load_model(path)(batch)), families.outputs(NAME, batch)[1], atol=1e-6
    )


def test_an_unknown_format_lists_the_known_ones(finished, tmp_path):
    with pytest.raises(ExportError, match="openvino, saved_model, keras"):
        export_run(finished[0], "whole", format="onnx", out=tmp_path)
