"""What a training learns from, settled before it begins: slices, parts, classes, recipe."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from models.errors import WeightsHashError
from models.hashing import sha256_of
from models.registry import find_architecture
from models.weights import resolve_weights
from pipeline.cache.store import SliceCache
from pipeline.data.decisions import load_decisions
from pipeline.data.index import load_index
from pipeline.data.labels import order_labels
from pipeline.data.splits import PARTS, load_split
from pipeline.data.table import COLUMNS
from pipeline.preprocessing.recipe import Recipe, load_recipe
from pipeline.runs import RunStore
from pipeline.training.config import TrainConfig
from pipeline.training.errors import ConfigError, NothingToResumeError, TooFewSlicesError
from pipeline.workspace import Workspace

BEST = "weights.weights.h5"  # a run's best weights, among its files
_KEPT = ("slice_id", "content_hash", "perceptual_hash", "patient_id", "source", "label")


@dataclass(frozen=True)
class Plan:
    """All that a training is a function of.

    Attributes:
        split: name, hash, dataset, group_by and seed of the split; how many of its slices were excluded.
        classes: in the order of the model's outputs.
        table: one row a slice in a part: `slice_id`, `label`, `part`, `group`, `content_hash`,
            `perceptual_hash`, `patient_id`, `source`, and further columns of the data set's labels file.
    """

    config: TrainConfig
    recipe: Recipe
    split: dict[str, Any]
    classes: tuple[str, ...]
    table: pd.DataFrame

    def readable(self, cache: SliceCache) -> Plan:
        """Return the plan without the slices that could not be prepared.

        Raises:
            TooFewSlicesError: too few are left, see `make_plan`.
        """
        kept = self.table[self.table["slice_id"].isin(cache.slice_ids)].reset_index(drop=True)
        _check_classes(kept, self.classes, self.split)
        return Plan(self.config, self.recipe, self.split, self.classes, kept)

    @property
    def note(self) -> str:
        """What whoever reads the run's figures must know, empty where there is nothing."""
        seen = set(self.part("val")["label"])
        absent = [label for label in self.classes if label not in seen]
        sentences = []
        if absent:
            sentences.append(
                f"No slice of {' or '.join(absent)} is in the validation part: the best epoch is chosen "
                "without, and the validation figures say nothing of it."
            )
        if excluded := self.split.get("excluded"):
            sentences.append(
                f"Left out, because they were excluded since the split {self.split['name']} was made: "
                f"{excluded:,} slices."
            )
        sentences += remarks_on(self.config)
        return " ".join(sentences)

    def part(self, name: str) -> pd.DataFrame:
        """Return the rows of one part."""
        return self.table[self.table["part"] == name]

    def labels(self, rows: pd.DataFrame) -> np.ndarray:
        """Return the classes of these rows as int64 positions in `classes`."""
        return np.array([self.classes.index(label) for label in rows["label"]], dtype=np.int64)


def make_plan(workspace: Workspace, config: TrainConfig) -> Plan:
    """Settle what `config` trains on, from the workspace as it is now.

    Raises:
        HilumError: no such data set, split or recipe.
        TooFewSlicesError: a class is absent from the training part, or validation has fewer than two.
    """
    recipe = load_recipe(config.recipe, workspace.recipes)
    weights = find_weights(workspace, config)
    config = config.model_copy(update={"weights_sha256": weights and sha256_of(weights)})
    index = load_index(workspace, config.dataset)
    split = load_split(workspace, config.dataset, config.split)
    facts = {key: getattr(split, key) for key in ("name", "hash", "dataset", "group_by", "seed")}
    parts = split.table[["slice_id", "group"]].assign(part=split.parts(config.fold).to_numpy())
    further = [column for column in index if column not in COLUMNS]  # a labels file's own: subgroups
    table = parts.merge(index[[*_KEPT, *further]], on="slice_id")
    table = table[table["label"].notna() & table["part"].isin(PARTS)]
    excluded = table["slice_id"].isin(load_decisions(workspace, config.dataset).excluded)
    table, facts = table[~excluded], facts | {"excluded": int(excluded.sum())}
    if config.classes is not None:
        table = table[table["label"].isin(config.classes)]
    classes = config.classes or tuple(order_labels(table["label"].unique()))
    _check_classes(table, classes, facts)
    return Plan(config, recipe, facts | {"fold": config.fold}, classes, table.reset_index(drop=True))


def stored_plan(config: dict[str, Any], recipe: dict[str, Any], split: dict[str, Any]) -> Plan:
    """Make the plan of a run again from its own files: it keeps the split and recipe it was trained with.

    Raises:
        NothingToResumeError: this Hilum prepares slices differently than the one that began the run.
    """
    facts = {key: value for key, value in split.items() if key not in ("table", "classes", "recipe_hash")}
    made = Recipe.model_validate(recipe)
    if made.hash != split["recipe_hash"]:
        raise NothingToResumeError(
            f"This run was begun with another version of the recipe {made.name!r}: the rest of its epochs "
            "would see other slices than the first. Train anew with the same settings."
        )
    table = pd.DataFrame(split["table"])
    return Plan(TrainConfig.model_validate(config), made, facts, tuple(split["classes"]), table)


def plan_files(plan: Plan) -> dict[str, Any]:
    """Return the JSON documents that a run keeps of its plan, by file name; `stored_plan` reads them."""
    table = plan.table.astype(object).where(plan.table.notna(), None)
    split = plan.split | {
        "classes": list(plan.classes),
        "recipe_hash": plan.recipe.hash,
        "table": table.to_dict(orient="list"),
    }
    return {
        "config.json": plan.config.model_dump(mode="json"),
        "recipe.json": plan.recipe.model_dump(mode="json"),
        "split.json": split,
        "classes.json": list(plan.classes),
    }


def remarks_on(config: TrainConfig) -> list[str]:
    """Say what of a configuration does nothing, or little, in this combination."""
    remarks = []
    if config.weights == "random" and (config.head_epochs or config.head_only or config.freeze_norm):
        remarks.append(
            "The backbone's weights are random and it keeps them, or their statistics: the head learns from "
            "features that mean nothing. Take other first weights, or the preset from-scratch."
        )
    if config.drop_path and find_architecture(config.architecture).family == "ResNetV2":
        remarks.append(f"{config.architecture} has no drop path: it trains without.")
    return remarks


def check_digest(workspace: Workspace, config: TrainConfig) -> None:
    """Make sure that the file of the first weights is the one that the run was made with.

    Raises:
        WeightsHashError: it has changed since.
    """
    path = find_weights(workspace, config)
    if path is not None and config.weights_sha256 not in (None, sha256_of(path)):
        raise WeightsHashError(
            f"The weights {config.weights} have changed since this run was made (another sha256). Bring the "
            "file back as it was, or train anew with what is there now."
        )


def find_weights(workspace: Workspace, config: TrainConfig) -> Path | None:
    """Return the file of the first weights, None for random and ImageNet ones.

    Raises:
        ModelError, HilumError: they can't be had; said before anything long begins.
    """
    if not config.weights.startswith("run:"):
        source = resolve_weights(config.weights, find_architecture(config.architecture))
        return (
            Path(source.for_keras) if config.weights.startswith("file:") and source.for_keras else source.path
        )
    run = RunStore(workspace).find(config.weights.removeprefix("run:"))
    theirs = run.load_config()["architecture"]
    if theirs != config.architecture:
        raise ConfigError(
            f"The run {run.name} is a {theirs} and this training a {config.architecture}: weights pass "
            f"between runs of one architecture only. Choose {theirs}, or other weights."
        )
    if not (run.artifacts / BEST).is_file():
        raise ConfigError(f"The run {run.name} ({run.status}) has no weights yet. Choose another run.")
    return run.artifacts / BEST


def _check_classes(table: pd.DataFrame, classes: tuple[str, ...], split: dict[str, Any]) -> None:
    if len(classes) < 2:
        raise TooFewSlicesError(
            f"A classifier needs at least two classes; {split['dataset']} has "
            + (f"only {classes[0]!r}." if classes else "no labelled slice.")
            + " Put the slices into one folder a class, or give a CSV with labels, and index them again."
        )
    advice = (
        f"Make another split (`python -m pipeline split {split['dataset']} --group-by {split['group_by']} "
        "--seed 1`), bring more patients of the smallest class, or leave it out with the configuration's "
        "`classes`."
    )
    counts = table.groupby(["part", "label"]).size()
    unlearnt = [label for label in classes if counts.get(("train", label), 0) == 0]
    if unlearnt:
        raise TooFewSlicesError(
            f"The class {unlearnt[0]!r} has no slice in the part 'train' of the split {split['name']}. "
            f"{advice}"
        )
    if sum(counts.get(("val", label), 0) > 0 for label in classes) < 2:
        raise TooFewSlicesError(
            f"The part 'val' of the split {split['name']} has slices of fewer than two classes, and the best "
            f"epoch is chosen by it. {advice}"
        )
