"""The Preprocess page on one slice: its verdict, its stages, and what cannot be."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from dashboard.charts.preprocess import histogram_figure
from dashboard.preprocess.stages import grey_title, verdict_words
from pipeline.data.index import build_index
from pipeline.data.reading import read_slice_bytes
from pipeline.preprocessing.apply import preprocess_slice
from pipeline.preprocessing.recipe import PRESETS
from pipeline.workspace import Workspace
from tests.dashboard import preprocessing
from tests.dashboard.preprocessing import in_hand, widget, words
from tests.preprocessing.conftest import draw_chest

chests, page = preprocessing.chests, preprocessing.page


def test_the_page_opens_with_a_verdict_in_words(page: AppTest) -> None:
    said = words(page)
    assert "Mask believed." in said
    assert "Lungs fill" in said and "ms in all" in said
    assert "hilum, unchanged" in said


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


def test_slices_are_stepped_through_and_kept_in_the_address(page: AppTest) -> None:
    first = page.session_state["choice.slice"]
    page.button(key="prep-next").click().run()
    second = page.session_state["choice.slice"]
    assert second != first
    page.button(key="prep-previous").click().run()
    assert page.session_state["choice.slice"] == first
    page.button(key="prep-shuffle").click().run()
    assert not page.exception


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
