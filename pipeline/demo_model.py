"""The model that ships with Hilum: how it is loaded, and how it is made again from its configurations.

    assets/demo-model/
        first.json ... fourth.json            trainings: small slices; larger ones; lungs alone, twice
        whole.json                            how slices are prepared for the first two
        recipe.json                           how slices are prepared for it
        phantom-EfficientNetV2B0.weights.h5   its weights, float16
        card.json                             what it is, what made it, how good it is on unseen patients
        seen.parquet  history.parquet         what it learned from, and how that went
        calibration.json  reference.npz       what its calibration patients taught; its training, as features
        look.npz                              what phantoms look like

It learned from phantoms: a synthetic task, not COVID-19.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from models.hashing import sha256_of
from pipeline.data.index import build_index
from pipeline.data.phantom import GENERATOR_VERSION, SYNTHETIC_NOTICE, generator_hash, write_phantoms
from pipeline.data.splits import make_split
from pipeline.errors import HilumError
from pipeline.preprocessing.recipe import Recipe
from pipeline.progress import Progress, no_progress, section
from pipeline.runs import RunInfo, RunStore
from pipeline.workspace import Workspace, atomic_write_json, atomic_write_parquet, read_json

ASSETS = Path(__file__).resolve().parent.parent / "assets" / "demo-model"
WEIGHTS = "phantom-EfficientNetV2B0.weights.h5"
TRAINING, TESTING = "demo-training", "demo-testing"
TRAINING_SEEDS = range(10_000, 10_480)
TESTING_SEEDS = range(1000, 1100)
SLICES = 8  # levels a patient
_FILES = (WEIGHTS, "card.json", "recipe.json", "seen.parquet", "history.parquet")
_STEPS = ("first", "second", "third", "fourth")
_SEEN = ("slice_id", "content_hash", "perceptual_hash", "patient_id", "part")


class DemoModelMissingError(HilumError):
    """The demo model's files are missing or do not belong together."""


@dataclass(frozen=True)
class ShippedModel:
    """The demo model as it lies in `assets/demo-model`.

    Attributes:
        weights: the weights' file.
        sha256: its digest.
        config: of the last training.
        classes: in the order of the outputs.
        history: the epochs of every training on slices prepared by `recipe`, the last one's at the end; those
            before, on whole slices, are another task, whose figures would stand beside these as if better.
        seen: the slices that it learned from, as a run's `seen.parquet`.
    """

    weights: Path
    sha256: str
    recipe: Recipe
    config: dict[str, Any]
    classes: tuple[str, ...]
    card: dict[str, Any]
    history: pd.DataFrame
    seen: pd.DataFrame

    def build(self) -> Any:
        """Build the Keras model with the shipped weights. Loads the learning library."""
        from models import create_model, load_weights

        model = create_model(
            self.config["architecture"],
            num_classes=len(self.classes),
            image_size=self.config["image_size"],
            channels=3 if self.recipe.output == "three-channel" else 1,
            dropout=self.config["dropout"],
        )
        load_weights(model, self.weights, sha256=self.sha256)
        return model


def load_shipped_model(folder: Path = ASSETS) -> ShippedModel:
    """Load what is known of the shipped model; its weights are read when it is built.

    Raises:
        DemoModelMissingError: a file is missing, or the weights are others than the card's.
        StageVersionError: slices are prepared differently today: it must be made again (`make demo-model`).
    """
    missing = [name for name in _FILES if not (folder / name).is_file()]
    if missing:
        raise DemoModelMissingError(
            f"The demo model lacks {', '.join(missing)} in {folder}. Make it again: `make demo-model`."
        )
    card = read_json(folder / "card.json")
    digest = sha256_of(folder / WEIGHTS)
    if digest != card["weights_sha256"]:
        raise DemoModelMissingError(
            f"{WEIGHTS} is not the file that the demo model's card describes. Restore it, or make the "
            "model again: `make demo-model`."
        )
    return ShippedModel(
        weights=folder / WEIGHTS,
        sha256=digest,
        recipe=Recipe(**read_json(folder / "recipe.json")),
        config=card["config"],
        classes=tuple(card["classes"]),
        card=card,
        history=pd.read_parquet(folder / "history.parquet"),
        seen=pd.read_parquet(folder / "seen.parquet"),
    )


def retrain_demo_model(
    workspace: Workspace, *, folder: Path = ASSETS, progress: Progress = no_progress
) -> str:
    """Draw the training patients, train in steps, measure on patients of other seeds, ship the result.

    Args:
        folder: holds the configurations and gets the model.

    Returns:
        A sentence for the user.
    """
    _draw(workspace, TRAINING, TRAINING_SEEDS, section(progress, 0.0, 0.1))
    make_split(workspace, TRAINING, group_by="patient", name="patients")
    runs: list[RunInfo] = []
    for step, (start, stop) in zip(_STEPS, ((0.1, 0.3), (0.3, 0.45), (0.45, 0.75), (0.75, 0.9)), strict=True):
        runs.append(_train_step(workspace, folder, step, runs, section(progress, start, stop)))
    card = ship_run(workspace, runs, folder=folder, progress=section(progress, 0.9, 1.0))
    progress(1, 1, "The demo model is made")
    value = card["test"]["auc"]["positive"]["value"]
    return f"The demo model is made; AUC of `positive` on unseen patients {value:.3f}: {SYNTHETIC_NOTICE}."


def _draw(workspace: Workspace, name: str, seeds: range, progress: Progress) -> None:
    """Write and index a data set of phantoms."""
    written = write_phantoms(
        workspace.root / "phantoms" / name,
        seeds=seeds,
        slices=SLICES,
        masks=False,
        progress=section(progress, 0.0, 0.8),
    )
    build_index(
        workspace,
        written.folder,
        name=name,
        labels_csv=written.labels_csv,
        progress=section(progress, 0.8, 1.0),
    )


def _train_step(
    workspace: Workspace, folder: Path, step: str, before: list[RunInfo], progress: Progress
) -> RunInfo:
    from pipeline.training.config import load_config, make_config
    from pipeline.training.train import train

    values = load_config(folder / f"{step}.json")
    values |= {"recipe": str(folder / values["recipe"]), "name": None}
    if before:
        values["weights"] = f"run:{before[-1].id}"
    run_id = train(workspace, make_config(values, source=f"{step}.json"), progress=progress)
    return RunStore(workspace).find(run_id)


def ship_run(
    workspace: Workspace, runs: list[RunInfo], *, folder: Path = ASSETS, progress: Progress = no_progress
) -> dict[str, Any]:
    """Write the last of `runs` as the shipped model with its card, measured as it ships; return the card."""
    from pipeline.demo_beside import fit_shipped, fit_shipped_look
    from pipeline.inference.engine import Engine
    from pipeline.inference.export import rebuild_model

    last = runs[-1]
    digest = _save_half(rebuild_model(last), folder / WEIGHTS)
    alike = [run for run in runs if run.load_recipe() == last.load_recipe()]
    atomic_write_parquet(folder / "history.parquet", _history(alike))
    seen = pd.read_parquet(last.artifacts / "seen.parquet")[list(_SEEN)]
    atomic_write_parquet(folder / "seen.parquet", seen)
    card = {
        "what": "EfficientNetV2-B0 that tells phantom slices apart. It has never seen a patient.",
        "notice": SYNTHETIC_NOTICE,
        "generator_version": GENERATOR_VERSION,
        "generator_hash": generator_hash(),
        "training": _training_facts(workspace, seen),
        "config": _published_config(last),
        "classes": last.class_names,
        "recipe_hash": Recipe(**last.load_recipe()).hash,
        "weights_sha256": digest,
        "heat_range": Engine.load(last).facts.heat_range,
    }
    atomic_write_json(folder / "card.json", card)
    fit_shipped(workspace, load_shipped_model(folder), TRAINING, progress=section(progress, 0.0, 0.2))
    fit_shipped_look(workspace, load_shipped_model(folder), TRAINING, progress=section(progress, 0.2, 0.3))
    shipped = load_shipped_model(folder)
    card["test"] = measure_shipped(workspace, shipped, progress=section(progress, 0.3, 1.0))
    atomic_write_json(folder / "card.json", card)
    return card


def _save_half(model: Any, path: Path) -> str:
    from models import save_weights

    return save_weights(model, path, half=True)


def _history(runs: list[RunInfo]) -> pd.DataFrame:
    """Return the epochs of several trainings as of one, counted from 1."""
    tables = [pd.read_parquet(run.artifacts / "history.parquet") for run in runs]
    rows = pd.concat(tables, ignore_index=True).drop(columns="best_epoch", errors="ignore")
    return rows.dropna(axis="columns").assign(epoch=lambda table: table.index + 1)


def _training_facts(workspace: Workspace, seen: pd.DataFrame) -> dict[str, Any]:
    drawn = read_json(workspace.root / "phantoms" / TRAINING / "synthetic.json")
    return {
        "generator_version": drawn["generator_version"],
        "generator_hash": drawn["generator_hash"],
        "seeds": [TRAINING_SEEDS.start, TRAINING_SEEDS.stop - 1],
        "patients": {str(part): int(group["patient_id"].nunique()) for part, group in seen.groupby("part")},
        "slices": {str(part): len(group) for part, group in seen.groupby("part")},
    }


def _published_config(run: RunInfo) -> dict[str, Any]:
    """Return the run's configuration without what holds in the workspace that made it only."""
    return run.load_config() | {"recipe": "hilum", "weights": "run:demo-model-3", "name": "demo"}


def measure_shipped(
    workspace: Workspace, model: ShippedModel, *, progress: Progress = no_progress
) -> dict[str, Any]:
    """Measure the model as it ships on the patients that are kept for reports.

    Returns:
        `seeds`, `n`, `patients`, `auc` by class, `auc_by_lesion_size` (`positive` with lesions of one size
        against all other classes) and `accuracy`; every estimate with a bootstrap interval over patients.
    """
    from pipeline.cache.build import build_cache
    from pipeline.data.datasets import load_index
    from pipeline.demo_beside import place_beside
    from pipeline.evaluation.figures import compute_figures
    from pipeline.evaluation.predictions import read_predictions
    from pipeline.inference.engine import Engine
    from pipeline.inference.export import export_engine
    from pipeline.inference.table import predictions_table

    _draw(workspace, TESTING, TESTING_SEEDS, section(progress, 0.0, 0.6))
    cache = build_cache(workspace, TESTING, model.recipe, section(progress, 0.6, 0.8))
    rows = load_index(workspace, TESTING).set_index("slice_id").loc[cache.slice_ids].reset_index()
    rows = rows[["slice_id", "label", "patient_id", "source", "lesion_size"]].assign(part="test")
    with tempfile.TemporaryDirectory(dir=workspace.scratch) as scratch:
        facts = export_engine(
            model.build(), Path(scratch) / "engine", class_names=model.classes, recipe=model.recipe
        )
        place_beside(model, Path(scratch), model_sha256=facts.sha256["model.bin"])
        images = cache.array[cache.rows(cache.slice_ids)]
        table = predictions_table(
            Engine.open(Path(scratch) / "engine"), images, rows, progress=section(progress, 0.8, 1.0)
        )
    predictions = read_predictions(table)
    figures = compute_figures(predictions).to_json()
    by_size = {}
    for size in ("small", "medium", "large"):
        kept = ((table["lesion_size"] == size) | (table["y_true"] != "positive")).to_numpy()
        found = compute_figures(predictions.select(kept)).to_json()
        count = int(((table["lesion_size"] == size) & (table["y_true"] == "positive")).sum())
        by_size[size] = found["auc"]["positive"] | {"positives": count}
    return {
        "seeds": [TESTING_SEEDS.start, TESTING_SEEDS.stop - 1],
        "n": figures["n"],
        "patients": figures["patients"],
        "interval": "95 %, bootstrap over patients",
        "accuracy": figures["accuracy"],
        "auc": figures["auc"],
        "auc_by_lesion_size": by_size,
    }
