"""A model that learnt from phantoms refuses what was not drawn; a model of real slices is not asked."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from pipeline.data.phantom import generate_patient
from pipeline.data.reading import read_slice
from pipeline.data.slice_image import SliceImage
from pipeline.inference.answer import decide
from pipeline.inference.batch import predict_batch
from pipeline.inference.drawn import LOOK, describe_look, unlike_drawn
from pipeline.inference.engine import Engine
from pipeline.inference.predict import predict_slice
from pipeline.inference.reference import Reference
from pipeline.workspace import Workspace
from tests.inference.conftest import as_grey, write_png

SAID = "does not look like the synthetic slices"


@pytest.fixture(scope="module")
def drawn() -> list[SliceImage]:
    """Grey slices of patients that the limit was not set on."""
    found = [each for seed in range(1000, 1012) for each in generate_patient(seed, slices=4)]
    return [as_grey(each) for each in found if each.label != "non-informative"]


def lifted(image: SliceImage) -> SliceImage:
    """Return a slice in another window: its air is black, its tissue white."""
    values = np.clip((image.image.astype(float) - 60) * 1.6, 0, 255).astype(np.uint8)
    return replace(image, image=values)


def test_phantoms_look_drawn_in_grey_and_in_hu(drawn):
    assert np.mean([bool(unlike_drawn(each)) for each in drawn]) < 0.05
    hu = [each.slice_hu for seed in (1003, 1004) for each in generate_patient(seed, slices=6)[1:4]]
    assert not any(unlike_drawn(SliceImage(each, "hu", "dicom", 16)) for each in hu)


def test_another_window_does_not(drawn):
    assert all(SAID in unlike_drawn(lifted(each)) for each in drawn)


def test_the_description_is_of_grey_values_and_texture_whatever_the_size(drawn):
    small = replace(drawn[0], image=cv2.resize(drawn[0].image, None, fx=0.6, fy=0.6))
    found, halved = describe_look(drawn[0]), describe_look(small)
    assert found.shape == (36,) and np.square(found[:32]).sum() == pytest.approx(1, abs=1e-5)
    assert np.abs(found[:32] - halved[:32]).max() < 0.05
    flat = describe_look(replace(drawn[0], image=np.full((40, 60), 7, np.uint8)))
    assert np.isfinite(flat).all() and flat[0] == 1 and not flat[32:].any()


def test_what_it_measures_with_ships():
    look = Reference.load(LOOK)
    assert look is not None and look.quantile == 0.99 and look.basis.groups > 50
    assert LOOK.stat().st_size < 2**18


def test_only_a_model_of_phantoms_is_asked(run, drawn):
    foreign = lifted(drawn[0])
    assert SAID not in predict_slice(Engine.load(run), foreign).reason
    prediction = predict_slice(Engine.load(replace(run, tags={"synthetic": "true"})), foreign)
    assert prediction.status == "rejected" and SAID in prediction.reason
    assert prediction.gate.passed and prediction.probabilities, "kept, and shown to whoever asks"


def test_a_batch_says_the_same(run, drawn, tmp_path):
    workspace = Workspace.open(tmp_path / "workspace")
    write_png(tmp_path / "in" / "drawn.png", drawn[0].image)
    write_png(tmp_path / "in" / "other.png", lifted(drawn[0]).image)
    synthetic = replace(run, tags={"synthetic": "true"})
    predict_batch(workspace, synthetic, [tmp_path / "in"], tmp_path / "out.parquet")
    table = pd.read_parquet(tmp_path / "out.parquet").set_index("path")
    told = {Path(path).stem: (bool(row["unlike"]), row["reason"]) for path, row in table.iterrows()}
    assert told["other"][0] and SAID in told["other"][1]
    assert not told["drawn"][0] and SAID not in told["drawn"][1]


def test_little_lung_is_not_refused_for_its_look(run):
    engine = Engine.load(run)
    scores = dict.fromkeys(engine.classes, 1 / 3)
    facts = {"refusals": (), "lungs_believed": True, "probabilities": scores, "distance": None}
    assert decide(engine, lung_fraction=0.01, unlike_drawn="It is not.", **facts).status == "ok"
    assert decide(engine, lung_fraction=0.3, unlike_drawn="It is not.", **facts).reason == "It is not."


def test_real_slices_do_not_look_drawn(real_data):
    rows = pd.read_csv(real_data / "slices.csv").query("label != 'NiCT'").iloc[::10]
    images = [read_slice(real_data / "slices" / path) for path in rows["path"]]
    images += [read_slice(path) for path in sorted((real_data / "series").glob("*.dcm"))]
    assert np.mean([bool(unlike_drawn(each)) for each in images]) > 0.98
