"""The recipes of a workspace as things with users: saving, new names, and deleting what nothing needs.

The recipes themselves, and how they are read and written, are preprocessing's. Here is what runs and jobs
have to be asked for.
"""

from __future__ import annotations

from itertools import count
from pathlib import Path

from pipeline.jobs import Job, JobStore
from pipeline.preprocessing.default_recipe import USUAL, default_recipe, set_default_recipe
from pipeline.preprocessing.recipe import PRESETS, Recipe, RecipeError, list_recipes, load_recipe, save_recipe
from pipeline.runs import RunStore
from pipeline.workspace import Workspace, checked_name, read_json


class RecipeInUseError(RecipeError):
    """A recipe that runs or waiting jobs name."""


def users_of_recipe(workspace: Workspace, name: str) -> list[str]:
    """Return who names a recipe, in words: runs, ended ones too, and jobs that wait or run."""
    runs = [run for run in RunStore(workspace).list() if run.params.get("recipe") == name]
    shown = {run.id for run in runs}
    jobs = [job for job in JobStore(workspace).list() if job.active and job.run_id not in shown]
    return [f"the run {run.name} ({run.status})" for run in runs] + [
        f"the {job.status} job {job.title or job.id}" for job in jobs if _names(job, name)
    ]


def keep_recipe(workspace: Workspace, recipe: Recipe, *, over: Recipe | None = None) -> Path:
    """Save a recipe by its name; one of that name is replaced only where it is `over` and nothing uses it.

    Returns:
        Its file.

    Raises:
        RecipeError: the name is a preset's, or another recipe has it.
        RecipeInUseError: runs or jobs know another recipe by this name.
        InvalidNameError: the name cannot be a file's.
    """
    name = recipe.name
    if name in list_recipes(workspace.recipes) and not _is_saved(workspace, recipe):
        way_out = f"Save yours under another name; {_free_name(workspace, name)!r} is free."
        _refuse_in_use(workspace, name, "replaced", way_out)
        if over is None or over.name != name or not _is_saved(workspace, over):
            raise RecipeError(f"There is another recipe {name!r}, with other values. {way_out}")
    return save_recipe(recipe, workspace.recipes)


def suggest_name(workspace: Workspace, base: Recipe) -> str:
    """Return a name for a changed `base`: its own where that may be replaced, else one that is free."""
    name = base.name
    if name in PRESETS:
        return _free_name(workspace, f"my-{name}")
    if name not in list_recipes(workspace.recipes):
        return name
    may_replace = _is_saved(workspace, base) and not users_of_recipe(workspace, name)
    return name if may_replace else _free_name(workspace, name)


def rename_recipe(workspace: Workspace, name: str, new: str) -> None:
    """Give a saved recipe another name; where it is the default, it stays so.

    Raises:
        RecipeError: it is a preset, or not there; the new name is taken.
        RecipeInUseError: runs or jobs know it by its old name.
        InvalidNameError: the new name cannot be a file's.
    """
    recipe = _saved(workspace, name)
    checked_name(new)
    if new in PRESETS or new in list_recipes(workspace.recipes):
        raise RecipeError(f"There is a recipe {new!r} already; take another name, or delete that one first.")
    _refuse_in_use(workspace, name, "renamed", "Save it under the new name as well.")
    was_default = default_recipe(workspace.recipes) == name
    save_recipe(recipe.changed(name=new), workspace.recipes)
    _file(workspace, name).unlink(missing_ok=True)
    if was_default:
        set_default_recipe(workspace.recipes, new)


def delete_recipe(workspace: Workspace, name: str) -> None:
    """Delete a saved recipe; where it was the default, `hilum` is again.

    Raises:
        RecipeError: it is a preset, or not there.
        RecipeInUseError: runs or jobs use it.
    """
    _saved(workspace, name)
    _refuse_in_use(workspace, name, "deleted", "It stays, so that it can be told what they were made with.")
    was_default = default_recipe(workspace.recipes) == name
    _file(workspace, name).unlink(missing_ok=True)
    if was_default:
        set_default_recipe(workspace.recipes, USUAL)


def _is_saved(workspace: Workspace, recipe: Recipe) -> bool:
    """Return whether the recipe saved under this name has the same values."""
    try:
        return load_recipe(recipe.name, workspace.recipes).hash == recipe.hash
    except RecipeError:
        return False


def _free_name(workspace: Workspace, name: str) -> str:
    """Return `name`, with a number where it is taken."""
    taken = {*PRESETS, *list_recipes(workspace.recipes)}
    if name not in taken:
        return name
    return next(free for number in count(2) if (free := f"{name[:60]}-{number}") not in taken)


def _names(job: Job, name: str) -> bool:
    """Return whether a job's arguments, or the configuration they point to, name the recipe."""
    if name in job.argv:
        return True
    for path in (Path(each) for each in job.argv if each.endswith(".json")):
        try:
            config = read_json(path)
        except (OSError, ValueError):
            continue  # its job will say what is wrong with it
        if isinstance(config, dict) and config.get("recipe") == name:
            return True
    return False


def _saved(workspace: Workspace, name: str) -> Recipe:
    if name in PRESETS:
        raise RecipeError(f"{name!r} is a preset and stays as it is.")
    if name not in list_recipes(workspace.recipes):
        raise RecipeError(f"There is no saved recipe {name!r}.")
    return load_recipe(name, workspace.recipes)


def _refuse_in_use(workspace: Workspace, name: str, what: str, way_out: str) -> None:
    if users := users_of_recipe(workspace, name):
        more = f" and {len(users) - 3} more" if len(users) > 3 else ""
        verb = "uses" if len(users) == 1 else "use"
        raise RecipeInUseError(
            f"The recipe {name!r} can't be {what}: {', '.join(users[:3])}{more} {verb} it. {way_out}"
        )


def _file(workspace: Workspace, name: str) -> Path:
    return workspace.recipes / f"{checked_name(name)}.json"
