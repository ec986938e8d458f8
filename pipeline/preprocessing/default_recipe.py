"""Which recipe is taken where none is named: `hilum`, unless the user set another one as the default."""

from __future__ import annotations

from pathlib import Path

from pipeline.preprocessing.recipe import PRESETS, RecipeError, list_recipes, load_recipe
from pipeline.workspace import atomic_write_text

USUAL = "hilum"
_FILE = "default.txt"  # beside the recipes; holds the name


def default_recipe(folder: Path) -> str:
    """Return the default's name: the one set in `folder` (a workspace's recipes), else `hilum`.

    A default that is gone since is no default.
    """
    try:
        name = (folder / _FILE).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return USUAL
    return name if name in PRESETS or name in list_recipes(folder) else USUAL


def set_default_recipe(folder: Path, name: str) -> None:
    """Make a preset or a recipe saved in `folder` the default of training, command line and page.

    Raises:
        RecipeError: there is no such recipe.
    """
    if name not in PRESETS and name not in list_recipes(folder):
        load_recipe(name, folder)  # says which there are
        raise RecipeError(f"{name} is a file: save it as a recipe of this workspace first.")
    atomic_write_text(folder / _FILE, name + "\n")
