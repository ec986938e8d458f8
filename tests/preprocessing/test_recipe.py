import hashlib
import json
import re

import pytest
from pydantic import ValidationError

from pipeline.preprocessing import recipe as recipe_module
from pipeline.preprocessing.recipe import (
    PRESETS,
    Recipe,
    RecipeError,
    StageVersionError,
    list_recipes,
    load_recipe,
    save_recipe,
)
from pipeline.workspace import InvalidNameError


def test_the_presets_are_named_after_their_sources():
    assert list(PRESETS) == ["hilum", "hust19", "luna", "notebook"]
    assert all(recipe.name == name for name, recipe in PRESETS.items())
    assert len({recipe.hash for recipe in PRESETS.values()}) == 4
    assert PRESETS["hilum"] == Recipe()


def test_presets_are_true_to_their_sources():
    hust19, luna, notebook = (PRESETS[name] for name in ("hust19", "luna", "notebook"))
    assert (hust19.threshold.method, hust19.threshold.block, hust19.threshold.offset) == (
        "local-mean",
        10999,
        -96,
    )
    assert (luna.threshold.method, luna.threshold.level_hu) == ("hu", -420)
    assert (luna.lungs.erosion_radius, luna.lungs.closing_radius, luna.edges.method) == (2, 10, "roberts")
    assert (notebook.size, notebook.fit, notebook.threshold.method[:5]) == (512, "stretch", "local")


def test_a_recipe_is_frozen():
    with pytest.raises(ValidationError, match="frozen"):
        PRESETS["hilum"].size = 256


@pytest.mark.parametrize(
    ("values", "advice"),
    [
        ({"sizes": 256}, "no parameter 'sizes'; there are name, size, fit"),
        ({"lungs": {"erode": 3}}, "no parameter 'lungs.erode'; there are method"),
        ({"threshold": {"block": 50}}, "threshold.block must be odd.*take 49 or 51"),
        ({"lungs": {"erosion_radius": 99}}, "lungs.erosion_radius = 99.*less than or equal to 20"),
        ({"lungs": {"closing_radius": -1}}, "lungs.closing_radius = -1.*greater than or equal to 0"),
        ({"window": {"width": 0}}, "window.width = 0"),
        ({"window": {"center": float("nan")}}, "window.center"),
        ({"edges": {"low": 200, "high": 100}}, "low .200. must not be above high .100."),
        ({"output": "rgb"}, "output = 'rgb'.*'grey', 'masked' or 'three-channel'"),
        ({"size": 32, "margin": 99}, "size = 32.*margin = 99"),
        ({"lungs": {"opening_radius": -1}}, "lungs.opening_radius = -1.*greater than or equal to 0"),
        ({"denoise": {"size": 4}}, "denoise.size must be odd.*take 3 or 5"),
        ({"crop": {"to": "heart"}}, "crop.to = 'heart'.*'none', 'body' or 'lungs'"),
        ({"crop": {"margin": 129}}, "crop.margin = 129.*less than or equal to 128"),
        ({"crop": "lungs"}, "crop = 'lungs': it holds parameters of its own"),
    ],
)
def test_what_cannot_be_is_said_in_words(values, advice):
    with pytest.raises(RecipeError, match=advice):
        Recipe(**values)


def test_the_hash_covers_parameters_and_stage_versions_but_not_the_name(monkeypatch):
    recipe = PRESETS["hilum"]
    assert recipe.hash == recipe.changed(name="mine").hash
    assert recipe.hash != recipe.changed(margin=7).hash
    before = recipe.hash
    monkeypatch.setitem(recipe_module.STAGE_VERSIONS, "lungs", 99)
    assert Recipe().hash != before


def test_parameters_that_came_later_leave_older_hashes_as_they_were():
    """A stored recipe lacks them; its caches and runs stay good, since its bytes are the same."""
    older = PRESETS["luna"].to_json()
    del older["crop"], older["lungs"]["opening_radius"], older["lungs"]["hull"]
    assert Recipe(**older).hash == PRESETS["luna"].hash
    text = json.dumps(
        {key: value for key, value in older.items() if key != "name"}, sort_keys=True, separators=(",", ":")
    )
    assert hashlib.sha256(text.encode()).hexdigest() == PRESETS["luna"].hash
    changes = ({"lungs__opening_radius": 1}, {"lungs__hull": True}, {"crop__to": "body"})
    assert len({PRESETS["luna"].changed(**values).hash for values in ({}, *changes)}) == 4
    cropped = PRESETS["luna"].changed(crop__to="body")
    assert cropped.hash != cropped.changed(crop__margin=30).hash


@pytest.mark.parametrize("preset", list(PRESETS))
def test_presets_have_no_conflicts(preset):
    assert PRESETS[preset].warnings() == []


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"lungs__erosion_radius": 10}, "closing .radius 9. is smaller than the erosion .radius 10.*of 10"),
        ({"lungs__erosion_radius": 0}, "erosion is off .radius 0."),
        ({"lungs__closing_radius": 0}, "closing is off .radius 0."),
        ({"lungs__opening_radius": 9}, "opening .radius 9. takes everything narrower than 19"),
        ({"lungs__repair": 0}, "repair is off"),
        ({"lungs__fill_holes": False}, "Holes aren't filled, so dents at the pleura aren't either"),
        ({"lungs__fill_holes": False, "lungs__repair": 0}, "Holes aren't filled"),
        ({"lungs__method": "classic", "lungs__clear_border": False}, "border is not cleared"),
        ({"lungs__method": "none"}, "No lungs are looked for.*the whole slice"),
        ({"lungs__method": "none", "crop__to": "body"}, "the slice unmasked, cropped to the body"),
        ({"lungs__method": "none", "output": "grey", "crop__to": "lungs"}, "No lungs are looked for"),
        ({"threshold__method": "local-mean", "threshold__block": 11}, "block .11 pixels.*Take 51 or more"),
        ({"threshold__method": "hu"}, "denoising doesn't reach it. Only slices without HU"),
        ({"crop__to": "lungs", "crop__margin": 2}, "crop's margin .2. is smaller than the mask's .6."),
    ],
)
def test_a_conflict_is_allowed_and_said(values, sentence):
    (warning,) = PRESETS["hilum"].changed(**values).warnings()
    assert re.search(sentence, warning)


@pytest.mark.parametrize("values", [{"lungs__method": "classic"}, {"lungs__hull": True}])
def test_unfilled_holes_are_no_conflict_where_dents_are_not_filled_or_all_are(values):
    assert PRESETS["hilum"].changed(lungs__fill_holes=False, **values).warnings() == []


def test_a_recipe_of_another_stage_version_is_refused_by_name():
    values = PRESETS["hilum"].changed(name="old").to_json()
    values["versions"]["lungs"] = 1
    with pytest.raises(StageVersionError, match="'old'.*'lungs' version 1.*this Hilum has version 2.*again"):
        Recipe(**values)
    del values["versions"]["lungs"]
    with pytest.raises(StageVersionError, match="which version of lungs"):
        Recipe(**values)


def test_the_difference_names_what_differs():
    changed = PRESETS["hilum"].changed(name="mine", size=256, lungs__erosion_radius=5)
    assert PRESETS["hilum"].difference(changed) == {"size": (512, 256), "lungs.erosion_radius": (2, 5)}


def test_a_saved_recipe_comes_back(tmp_path):
    mine = PRESETS["luna"].changed(name="mine", threshold__level_hu=-350.0)
    path = save_recipe(mine, tmp_path)
    assert list_recipes(tmp_path) == ["mine"]
    assert load_recipe("mine", tmp_path) == mine
    assert load_recipe(str(path)) == mine
    assert load_recipe("hilum", tmp_path) == PRESETS["hilum"]


def test_a_file_may_leave_out_what_it_does_not_change(tmp_path):
    path = tmp_path / "small.json"
    path.write_text(json.dumps({"size": 256}))
    assert load_recipe(str(path)) == Recipe(name="small", size=256)


def test_presets_and_bad_names_are_not_written(tmp_path):
    with pytest.raises(RecipeError, match="'hilum' is a preset.*another name"):
        save_recipe(PRESETS["hilum"], tmp_path)
    with pytest.raises(InvalidNameError, match="letters"):
        save_recipe(PRESETS["hilum"].changed(name="../up"), tmp_path)


@pytest.mark.parametrize("content", ["{", "[1]", '{"sizes": 1}'])
def test_a_file_that_is_no_recipe_is_named(tmp_path, content):
    path = tmp_path / "broken.json"
    path.write_text(content)
    with pytest.raises(RecipeError, match="broken"):
        load_recipe(str(path))


def test_an_unknown_recipe_lists_the_known(tmp_path):
    save_recipe(PRESETS["hilum"].changed(name="mine"), tmp_path)
    with pytest.raises(RecipeError, match=r"'hillum'.*hilum, hust19, luna, notebook.*saved here \(mine\)"):
        load_recipe("hillum", tmp_path)
