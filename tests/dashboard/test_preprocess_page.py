"""The Preprocess page: what a user picks, tunes, compares and keeps."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from dashboard.charts.preprocess import histogram_figure, sweep_figure
from dashboard.loaders.preprocess import sample_slice
from dashboard.preprocess.stages import grey_title, verdict_words
from pipeline.data.datasets import load_index
from pipeline.data.index import build_index
from pipeline.data.phantom.writing import write_phantoms
from pipeline.data.pins import pinned_slices
from pipeline.data.reading import read_slice_bytes
from pipeline.inference.sensitivity import SweepPoint
from pipeline.preprocessing.apply import preprocess_slice
from pipeline.preprocessing.default_recipe import default_recipe
from pipeline.preprocessing.recipe import PRESETS, list_recipes, load_recipe, save_recipe
from pipeline.preprocessing.windowing import to_grey8
from pipeline.runs import RunStore
from pipeline.workspace import Workspace
from tests.preprocessing.conftest import draw_chest

APP = Path(__file__).resolve().parents[2] / "dashboard" / "app.py"


@pytest.fixture
def chests(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A data set of eight drawn chests, two of them without lungs."""
    slice_hu, lungs = draw_chest(256)
    for number in range(8):
        shown = np.roll(slice_hu, 3 * number, axis=1)
        if number >= 6:
            shown = np.where(np.roll(lungs, 3 * number, axis=1), 40.0, shown)
        folder = tmp_path / "chests" / ("pCT", "nCT", "pCT", "nCT", "pCT", "nCT", "NiCT", "NiCT")[number]
        folder.mkdir(parents=True, exist_ok=True)
        grey = to_grey8(shown, intensity="hu", center=-600, width=1500)
        cv2.imwrite(str(folder / f"{folder.name}{number}.png"), grey)
    build_index(workspace, tmp_path / "chests", name="chests")
    monkeypatch.setenv("HILUM_WORKSPACE", str(workspace.root))
    return workspace


@pytest.fixture
def page(chests: Workspace) -> AppTest:
    """The page, opened on the first data set."""
    app = AppTest.from_file(str(APP), default_timeout=60).run()
    app = app.switch_page("views/preprocess.py").run()
    assert not app.exception and not app.error
    return app


def words(app: AppTest) -> str:
    """Return what the page's HTML parts and captions say."""
    html = "".join(str(part.proto.body) for part in app.get("html"))
    return html + "".join(caption.value for caption in app.caption)


def widget(app: AppTest, kind: str, label: str) -> Any:
    """Return the widget of this label."""
    return next(item for item in getattr(app, kind) if item.label == label)


def in_hand(app: AppTest) -> dict[str, Any]:
    """Return the recipe as the session keeps it."""
    return app.session_state["prep.recipe"]


def show(app: AppTest, view: str) -> AppTest:
    """Change to one of the page's views."""
    app.session_state["prep.show"] = view
    return app.run()


def test_the_page_opens_with_a_verdict_in_words(page: AppTest) -> None:
    said = words(page)
    assert "Mask believed." in said
    assert "Lungs fill" in said and "ms in all" in said
    assert "hilum, unchanged" in said


def test_a_moved_slider_changes_the_recipe_and_can_be_taken_back(page: AppTest) -> None:
    widget(page, "slider", "Erosion (radius, pixels)").set_value(5).run()
    assert in_hand(page)["lungs"]["erosion_radius"] == 5
    assert "1 change from hilum" in words(page)
    widget(page, "slider", "Closing (radius, pixels)").set_value(20).run()
    assert "2 changes from hilum" in words(page)
    page.button(key="prep-undo").click().run()
    assert in_hand(page)["lungs"]["closing_radius"] == PRESETS["hilum"].lungs.closing_radius
    page.button(key="prep-reset").click().run()
    assert in_hand(page) == PRESETS["hilum"].to_json()
    assert not page.error and not page.exception


@pytest.mark.parametrize("preset", list(PRESETS))
def test_every_preset_can_be_begun_with(page: AppTest, preset: str) -> None:
    widget(page, "selectbox", "Begin with").select(preset).run()
    assert not page.exception and not page.error
    assert in_hand(page) == PRESETS[preset].to_json()
    assert f"{preset}, unchanged" in words(page)


def test_only_what_matters_is_offered(page: AppTest) -> None:
    labels = {item.label for item in [*page.slider, *page.select_slider, *page.toggle]}
    assert "Pleura repair (depth of a dent)" in labels and "Block (pixels)" not in labels
    assert "Centre (HU)" not in labels, "a grey slice has no window"
    widget(page, "selectbox", "Begin with").select("notebook").run()
    labels = {item.label for item in [*page.slider, *page.select_slider, *page.toggle]}
    assert "Block (pixels)" in labels and "Pleura repair (depth of a dent)" not in labels


def test_what_cannot_be_is_a_sentence_and_the_recipe_stays(page: AppTest) -> None:
    widget(page, "selectbox", "Begin with").select("notebook").run()
    widget(page, "slider", "Weak gradient").set_value(500.0).run()
    assert "must not be above high" in words(page)
    assert in_hand(page)["edges"]["low"] == 60
    assert not page.exception


def test_doubted_masks_say_why_and_that_the_whole_slice_is_used(page: AppTest) -> None:
    widget(page, "selectbox", "Class").select("non-informative").run()
    said = words(page)
    assert "Mask not believed." in said and "whole slice goes to the network" in said


WHOLE, UNCROPPED = "The whole slice goes to the network.", "The whole slice goes to the network, not cropped."
TO_BODY = "The slice goes to the network unmasked, cropped to the body."


@pytest.mark.parametrize(
    ("output", "crop", "said"),
    [
        ("masked", "none", WHOLE),
        ("masked", "body", TO_BODY),
        ("three-channel", "lungs", UNCROPPED),
        ("grey", "lungs", UNCROPPED),
        ("grey", "body", ""),
        ("grey", "none", ""),
    ],
)
def test_a_doubted_mask_says_what_the_network_gets(output: str, crop: str, said: str) -> None:
    """What is said is what was done: a crop to the body needs no mask, one to the lungs falls away."""
    slice_hu, lungs = draw_chest(256)
    wide = np.pad(np.where(lungs, np.float32(40), slice_hu), 60, constant_values=-1000)
    recipe = PRESETS["hilum"].changed(size=256, output=output, crop__to=crop)
    done = preprocess_slice(wide, intensity="hu", recipe=recipe)
    assert not done.verdict.plausible
    tone, title, text = verdict_words(done, recipe)
    assert (tone, title) == ("warn", "Mask not believed.")
    assert text == " ".join([*done.verdict.reasons, said]).strip()
    asked_for_none = recipe.changed(lungs__method="none")
    done = preprocess_slice(wide, intensity="hu", recipe=asked_for_none)
    whole = TO_BODY if crop == "body" else WHOLE if crop == "none" else UNCROPPED
    assert verdict_words(done, asked_for_none) == ("neutral", "No mask asked for.", whole)


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


def test_two_recipes_stand_side_by_side(page: AppTest) -> None:
    show(page, "Side by side")
    assert not page.exception and not page.error
    assert "hilum (in hand)" in words(page) and "both agree on" in words(page)
    assert "threshold.method" in page.dataframe[0].value["parameter"].tolist()


def test_a_recipe_is_saved_by_name_and_begun_with_again(page: AppTest, chests: Workspace) -> None:
    widget(page, "slider", "Margin around the lungs (pixels)").set_value(12).run()
    show(page, "Recipe")
    assert '"margin": 12' in page.code[0].value
    assert "margin" in page.dataframe[0].value["parameter"].tolist()
    widget(page, "text_input", "Name").input("wide-margin")
    page.button(key="prep-save").click().run()
    assert not page.exception
    assert list_recipes(chests.recipes) == ["wide-margin"]
    assert load_recipe("wide-margin", chests.recipes).margin == 12
    assert "wide-margin, unchanged" in words(page) and "Saved as wide-margin" in words(page)
    widget(page, "selectbox", "Begin with").select("luna").run()
    widget(page, "selectbox", "Begin with").select("wide-margin").run()
    assert in_hand(page)["margin"] == 12


def test_saving_does_not_replace_another_recipe(page: AppTest, chests: Workspace) -> None:
    save_recipe(PRESETS["luna"].changed(name="my-hilum"), chests.recipes)
    show(page, "Recipe")
    assert widget(page, "text_input", "Name").value == "my-hilum-2"
    widget(page, "text_input", "Name").input("my-hilum")
    page.button(key="prep-save").click().run()
    assert "Not saved" in words(page) and "There is another recipe" in words(page)
    assert load_recipe("my-hilum", chests.recipes).hash == PRESETS["luna"].hash
    widget(page, "selectbox", "Begin with").select("my-hilum").run()
    widget(page, "slider", "Erosion (radius, pixels)").set_value(7).run()
    page.button(key="prep-save").click().run()
    assert not page.exception and load_recipe("my-hilum", chests.recipes).lungs.erosion_radius == 7


@pytest.mark.parametrize("name", ["hilum", "../up", ""])
def test_a_name_that_cannot_be_is_said(page: AppTest, chests: Workspace, name: str) -> None:
    show(page, "Recipe")
    widget(page, "text_input", "Name").input(name)
    page.button(key="prep-save").click().run()
    assert not page.exception
    assert "Not saved" in words(page)
    assert list_recipes(chests.recipes) == []


def test_slices_are_stepped_through_and_kept_in_the_address(page: AppTest) -> None:
    first = page.session_state["choice.slice"]
    page.button(key="prep-next").click().run()
    second = page.session_state["choice.slice"]
    assert second != first
    page.button(key="prep-previous").click().run()
    assert page.session_state["choice.slice"] == first
    page.button(key="prep-shuffle").click().run()
    assert not page.exception


def test_the_recipe_survives_going_to_another_page(page: AppTest) -> None:
    widget(page, "slider", "Erosion (radius, pixels)").set_value(7).run()
    page.switch_page("views/train.py").run()
    page.switch_page("views/preprocess.py").run()
    assert widget(page, "slider", "Erosion (radius, pixels)").value == 7


@pytest.mark.parametrize(
    ("color", "title"), [((90, 90, 90), "Grey"), ((0, 0, 255), "Grey, colour marks filled")]
)
def test_a_slice_says_whether_marks_in_colour_were_filled(color: tuple[int, int, int], title: str) -> None:
    picture = np.full((128, 128, 3), 60, np.uint8)
    cv2.line(picture, (20, 30), (50, 40), color, 2)
    read = read_slice_bytes(cv2.imencode(".png", picture)[1].tobytes())
    assert grey_title(read.notes) == title


def test_the_histogram_shows_level_and_window() -> None:
    counts, edges = np.arange(10.0), np.arange(11.0)
    figure = histogram_figure(counts, edges, unit="HU", level=4.0, window=(2.0, 8.0))
    kinds = [shape.type for shape in figure.layout.shapes]
    assert sorted(kinds) == ["line", "rect"]
    assert figure.data[0].customdata.tolist() == counts.tolist()
    assert not histogram_figure(counts, edges, unit="grey", level=None, window=None).layout.shapes


@pytest.fixture
def phantoms(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """The page over phantoms, whose lungs and lesions are known, with the `luna` preset."""
    write_phantoms(tmp_path / "phantoms", seeds=[3, 22], slices=6)
    build_index(workspace, tmp_path / "phantoms", name="phantoms")
    monkeypatch.setenv("HILUM_WORKSPACE", str(workspace.root))
    app = AppTest.from_file(str(APP), default_timeout=60).run()
    app = app.switch_page("views/preprocess.py").run()
    return widget(app, "selectbox", "Begin with").select("luna").run()


def test_what_was_taken_back_can_be_made_again(page: AppTest) -> None:
    widget(page, "slider", "Erosion (radius, pixels)").set_value(5).run()
    assert page.button(key="prep-redo").disabled
    page.button(key="prep-undo").click().run()
    assert in_hand(page) == PRESETS["hilum"].to_json()
    page.button(key="prep-redo").click().run()
    assert in_hand(page)["lungs"]["erosion_radius"] == 5
    page.button(key="prep-undo").click().run()
    widget(page, "slider", "Closing (radius, pixels)").set_value(20).run()
    assert page.button(key="prep-redo").disabled, "a new change ends the way forward"


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


def test_a_recipe_becomes_the_default_is_renamed_and_deleted(page: AppTest, chests: Workspace) -> None:
    save_recipe(PRESETS["hilum"].changed(name="mine", margin=9), chests.recipes)
    show(page, "Recipe")
    widget(page, "selectbox", "Recipe").select("mine").run()
    page.button(key="prep-default").click().run()
    assert "mine is the default now." in words(page)
    page.switch_page("views/train.py").run()
    assert widget(page, "selectbox", "Recipe").value == "mine"
    page.switch_page("views/preprocess.py").run()
    show(page, "Recipe")
    widget(page, "text_input", "New name").input("ours")
    page.button(key="prep-rename").click().run()
    assert list_recipes(chests.recipes) == ["ours"] and default_recipe(chests.recipes) == "ours"
    run = RunStore(chests).create("first", {"recipe": "ours"}, {})
    RunStore(chests).finish(run.id)
    page.button(key="prep-delete").click().run()
    assert "the run first (finished) uses it" in words(page)
    assert list_recipes(chests.recipes) == ["ours"] and not page.exception


def test_a_deleted_recipe_in_hand_is_said_and_can_be_left(page: AppTest, chests: Workspace) -> None:
    save_recipe(PRESETS["hilum"].changed(name="mine", margin=9), chests.recipes)
    page.run()
    widget(page, "selectbox", "Begin with").select("mine").run()
    show(page, "Recipe")
    page.button(key="prep-delete").click().run()
    picker = widget(page, "selectbox", "Begin with")
    assert picker.value == "mine" and picker.options[-1] == "mine (no longer saved)"
    assert in_hand(page)["margin"] == 9
    picker.select("hilum").run()
    assert in_hand(page) == PRESETS["hilum"].to_json()
    assert "mine (no longer saved)" not in widget(page, "selectbox", "Begin with").options
    assert not page.exception


def test_delete_asks_once_more(page: AppTest, chests: Workspace) -> None:
    save_recipe(PRESETS["hilum"].changed(name="mine"), chests.recipes)
    show(page, "Recipe")
    widget(page, "selectbox", "Recipe").select("mine").run()
    assert "Delete" not in [button.label for button in page.button], "it opens, and deletes nothing"
    assert "mine will be gone for good." in words(page)
    assert page.button(key="prep-delete").label == "Delete it"


def test_a_renamed_recipe_keeps_its_new_name_through_undo(page: AppTest, chests: Workspace) -> None:
    save_recipe(PRESETS["hilum"].changed(name="mine", margin=9), chests.recipes)
    page.run()
    widget(page, "selectbox", "Begin with").select("mine").run()
    widget(page, "slider", "Erosion (radius, pixels)").set_value(7).run()
    widget(page, "slider", "Closing (radius, pixels)").set_value(20).run()
    page.button(key="prep-undo").click().run()
    show(page, "Recipe")
    widget(page, "text_input", "New name").input("ours")
    page.button(key="prep-rename").click().run()
    for step, changes in (("prep-undo", 0), ("prep-redo", 1), ("prep-redo", 2)):
        page.button(key=step).click().run()
        assert in_hand(page)["name"] == widget(page, "selectbox", "Begin with").value == "ours"
        assert (f"{changes} change" if changes else "ours, unchanged") in words(page)


def test_conflicts_in_a_recipe_are_said_where_they_are_made(page: AppTest) -> None:
    widget(page, "slider", "Closing (radius, pixels)").set_value(1).run()
    assert "smaller than the erosion" in words(page) and "1 conflict in the recipe" in words(page)


def test_a_crop_and_colour_input_are_shown(page: AppTest) -> None:
    widget(page, "selectbox", "The network gets").select("three-channel").run()
    page.session_state["prep.recipe"] = page.session_state["prep.recipe"] | {"crop": {"to": "lungs"}}
    page.run()
    assert not page.exception and not page.error
    assert widget(page, "slider", "Margin of the crop (pixels)").value == 12


def test_a_slice_that_is_gone_is_a_sentence(page: AppTest, tmp_path: Path) -> None:
    for path in (tmp_path / "chests").rglob("*.png"):
        path.unlink()
    page.button(key="prep-next").click().run()
    assert not page.exception
    assert "Choose another slice." in words(page) and not page.error
    page.button(key="prep-next").click().run()
    assert widget(page, "selectbox", "Begin with").value == "hilum"


def test_a_slice_that_was_replaced_is_prepared_anew(page: AppTest, chests: Workspace, tmp_path: Path) -> None:
    """What was kept of a file before it changed is not shown for it after it was indexed again."""
    assert "Mask believed." in words(page)
    for path in (tmp_path / "chests").rglob("*.png"):
        cv2.imwrite(str(path), np.full((256, 256), 90, np.uint8))
    build_index(chests, tmp_path / "chests", name="chests")
    page.run()
    assert "Mask not believed." in words(page) and not page.exception


def test_workspaces_do_not_share_what_was_prepared(
    page: AppTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A data set of the same name, with the same slices changed at the same time, is another one's."""
    assert "Mask believed." in words(page)
    for path in (tmp_path / "chests").rglob("*.png"):
        other = tmp_path / "other" / path.relative_to(tmp_path / "chests")
        other.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(other), np.full((256, 256), 90, np.uint8))
        os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    build_index(Workspace.open(tmp_path / "second"), tmp_path / "other", name="chests")
    monkeypatch.setenv("HILUM_WORKSPACE", str(tmp_path / "second"))
    page.run()
    assert "Mask not believed." in words(page) and not page.exception


def test_the_sweep_is_drawn_with_the_recipes_own_value() -> None:
    points = [SweepPoint(value, 10, 0.2, value, 0.9, flips=value) for value in range(4)]
    figure = sweep_figure(points, parameter="Closing", own=2, unit="pixels")
    assert len(figure.data) == 4 and list(figure.data[1].y) == [0, 10, 20, 30]
    assert all(shape.x0 == 2 for shape in figure.layout.shapes) and len(figure.layout.shapes) == 4
    plain = [SweepPoint(value, 10, 0.2, 0) for value in range(4)]
    assert len(sweep_figure(plain, parameter="Closing", own=2).data) == 2
