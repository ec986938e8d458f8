"""The Preprocess page on many slices: doubts, known masks, pins and sweeps."""

from __future__ import annotations

import time
from pathlib import Path

import cv2
import numpy as np
from streamlit.testing.v1 import AppTest

from dashboard.charts.preprocess import sweep_figure
from dashboard.loaders.preprocess import sample_slice
from pipeline.data.datasets import load_index
from pipeline.data.index import build_index
from pipeline.data.pins import pinned_slices
from pipeline.inference.sensitivity import SweepPoint
from pipeline.preprocessing.recipe import PRESETS
from pipeline.workspace import Workspace
from tests.dashboard import preprocessing
from tests.dashboard.preprocessing import APP, show, widget, words
from tests.preprocessing.conftest import draw_chest

chests, page, phantoms = preprocessing.chests, preprocessing.page, preprocessing.phantoms


def test_many_slices_come_with_the_doubted_counted(page: AppTest) -> None:
    show(page, "Many slices")
    assert not page.exception and not page.error
    assert "Masks not believed" in words(page) and "2 of 8" in words(page)


def test_slices_sorted_otherwise_are_not_said_to_be_by_doubt(page: AppTest) -> None:
    show(page, "Many slices")
    assert "they come first, sorted by doubt" in words(page)
    widget(page, "selectbox", "Sort by").select("Dice").run()
    assert "2 of 8" in words(page) and "sorted by doubt" not in words(page)


def test_where_no_mask_is_asked_for_none_is_doubted(phantoms: AppTest) -> None:
    widget(phantoms, "selectbox", "Isolation").select("none").run()
    assert "No mask asked for." in words(phantoms) and "Lesion recall" not in words(phantoms)
    show(phantoms, "Many slices")
    said = words(phantoms)
    assert "no mask asked for" in said and phantoms.button(key="prep-pin-doubted").disabled
    for wrong in ("Masks not believed", "Mean Dice", "Lesions lost", "Something left out?"):
        assert wrong not in said
    assert not phantoms.exception


def test_a_slice_that_needs_no_mask_is_neither_outlined_nor_doubted(chests: Workspace) -> None:
    recipe = PRESETS["hilum"].changed(lungs__method="none")
    for slice_id in load_index(chests, "chests")["slice_id"]:
        found = sample_slice("chests", slice_id, recipe)
        assert found is not None and not found.is_doubted and not found.lost and not found.is_suspicious
        assert found.reason == "no mask asked for"
        picture = cv2.imdecode(np.frombuffer(found.picture, np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None
        assert np.ptp(picture.astype(int), axis=2).max() < 12, "an outline is in colour"


def test_known_masks_give_dice_and_lesion_recall(phantoms: AppTest) -> None:
    show(phantoms, "Many slices")
    assert not phantoms.exception and not phantoms.error
    said = words(phantoms)
    assert "Mean Dice" in said and "Mean lesion recall" in said and "Lesions lost" in said
    assert "n = 12 slices" in said
    show(phantoms, "Stages")
    assert "Dice with the known lungs" in words(phantoms)


def test_a_known_mask_that_was_corrected_counts_at_once(phantoms: AppTest, tmp_path: Path) -> None:
    """Masks lie in folders below the one that was named, whose own time of change stays."""
    assert "Dice with the known lungs 0.9" in words(phantoms)
    for path in (tmp_path / "phantoms" / "masks" / "lungs").rglob("*.*"):
        mask = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        assert mask is not None
        cv2.imwrite(str(path), np.zeros_like(mask))
    phantoms.run()
    assert "Dice with the known lungs 0.000" in words(phantoms)
    show(phantoms, "Many slices")
    assert "Mean Dice" in words(phantoms) and not phantoms.exception


def test_without_known_masks_what_was_left_out_is_a_suspicion(page: AppTest) -> None:
    assert "Nothing beside the mask looks like lesion left out." in words(page)
    show(page, "Many slices")
    said = words(page)
    assert "Something left out?" in said and "a suspicion" in said and "Mean Dice" not in said


def test_pinned_slices_stay_through_a_reshuffle_and_in_a_new_session(
    page: AppTest, chests: Workspace
) -> None:
    slice_id = page.session_state["choice.slice"]
    page.button(key="prep-pin").click().run()
    assert pinned_slices(chests, "chests") == [slice_id]
    show(page, "Many slices")
    page.button(key="prep-reshuffle").click().run()
    assert not page.exception and page.button(key="prep-unpin").label == "Unpin 1"
    page.button(key="prep-pin-doubted").click().run()
    assert len(pinned_slices(chests, "chests")) == 3
    again = AppTest.from_file(str(APP), default_timeout=60).run()
    again = again.switch_page("views/preprocess.py").run()
    show(again, "Many slices")
    assert again.button(key="prep-unpin").label == "Unpin 3"
    again.button(key="prep-unpin").click().run()
    assert pinned_slices(chests, "chests") == []


def test_a_folder_of_masks_is_named_on_the_page(page: AppTest, tmp_path: Path) -> None:
    show(page, "Many slices")
    widget(page, "text_input", "Folder of lung masks").input(str(tmp_path / "nowhere"))
    page.button(key="prep-use-masks").click().run()
    assert "There is no folder" in words(page)
    _, lungs = draw_chest(256)
    (tmp_path / "masks").mkdir()
    cv2.imwrite(str(tmp_path / "masks" / "pCT0.png"), lungs.astype(np.uint8) * 255)
    widget(page, "text_input", "Folder of lung masks").input(str(tmp_path / "masks"))
    page.button(key="prep-use-masks").click().run()
    assert not page.exception
    assert "Mean Dice" in words(page) and "n = 1 slices" in words(page)


def test_a_sweep_runs_beside_the_page_and_is_drawn(page: AppTest, chests: Workspace, tmp_path: Path) -> None:
    show(page, "Sensitivity")
    assert "Does the result hang on this value?" in words(page)
    page.button(key="prep-run-sweep").click().run()
    until = time.monotonic() + 60
    while not page.get("plotly_chart") or "8 slices; the dotted line" not in words(page):
        assert not page.exception and not page.error and time.monotonic() < until
        time.sleep(0.2)
        page.run()
    assert page.button(key="prep-run-sweep").disabled
    for path in (tmp_path / "chests").rglob("*.png"):
        cv2.imwrite(str(path), np.full((256, 256), 90, np.uint8))
    build_index(chests, tmp_path / "chests", name="chests")
    page.run()
    assert not page.button(key="prep-run-sweep").disabled, "of these slices, not of those that were there"


def test_a_sweep_offers_what_acts_on_these_slices(page: AppTest) -> None:
    widget(page, "selectbox", "Begin with").select("luna").run()
    show(page, "Sensitivity")
    parameter = widget(page, "selectbox", "Parameter")
    assert parameter.value == "lungs__closing_radius"
    assert "Offset of the threshold" in parameter.options, "these slices have no HU"
    assert not any(name.startswith(("Level", "Margin")) for name in parameter.options)
    parameter.select("threshold__offset").run()
    assert widget(page, "selectbox", "Parameter").value == "threshold__offset"
    widget(page, "selectbox", "Isolation").select("none").run()
    assert "nothing to sweep" in words(page) and not page.exception


def test_the_sweep_is_drawn_with_the_recipes_own_value() -> None:
    points = [SweepPoint(value, 10, 0.2, value, 0.9, flips=value) for value in range(4)]
    figure = sweep_figure(points, parameter="Closing", own=2, unit="pixels")
    assert len(figure.data) == 4 and list(figure.data[1].y) == [0, 10, 20, 30]
    assert all(shape.x0 == 2 for shape in figure.layout.shapes) and len(figure.layout.shapes) == 4
    plain = [SweepPoint(value, 10, 0.2, 0) for value in range(4)]
    assert len(sweep_figure(plain, parameter="Closing", own=2).data) == 2
