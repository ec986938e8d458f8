"""What was tested: the model behind a report's figures, as far as its run recorded it."""

from __future__ import annotations

import pandas as pd

from pipeline.runs import RunInfo
from pipeline.workspace import read_json


def describe_model(run: RunInfo) -> dict[str, str]:
    """Return a run's model in words: what it is, what it learnt from, with which settings and versions.

    What the run did not record is left out.
    """
    params = run.params
    found = {
        "Network": _joined(
            params.get("architecture"),
            _with(params.get("parameters"), "{:,} parameters"),
            _with(params.get("image_size"), "slices at {} px"),
            params.get("weights") and f"first weights: {params['weights']}",
        ),
        "Data set and split": _joined(
            params.get("dataset"), params.get("split"), params.get("split_hash"), *_parts(run)
        ),
        "Recipe": _joined(params.get("recipe"), params.get("recipe_hash")),
        "Training": _joined(
            *(
                _with(params.get(name), words)
                for name, words in (
                    ("epochs", "at most {} epochs"),
                    ("batch_size", "batches of {}"),
                    ("optimizer", "{}"),
                    ("learning_rate", "learning rate {}"),
                    ("dropout", "dropout {}"),
                    ("balance", "balance by {}"),
                    ("seed", "seed {}"),
                )
            )
        ),
        "Model file": _model_file(run),
        "Made with": _versions(run),
    }
    return {name: words for name, words in found.items() if words}


def _joined(*parts: str | None) -> str:
    return ", ".join(part for part in parts if part)


def _with(value: str | None, words: str) -> str | None:
    """Return a recorded value in words; numbers are shortened."""
    if value in (None, "", "None"):
        return None
    try:
        number = float(str(value))
    except ValueError:
        return words.format(value)
    if number.is_integer():
        return words.format(int(number))
    return words.replace("{:,}", "{}").format(f"{number:.3g}")


def _parts(run: RunInfo) -> list[str]:
    path = run.artifacts / "seen.parquet"
    if not path.is_file():
        return []
    seen = pd.read_parquet(path, columns=["part", "patient_id"])
    found = []
    for part in ("train", "val", "calibration", "test"):
        rows = seen[seen["part"] == part]
        patients = rows["patient_id"].nunique()
        if len(rows):
            found.append(f"{part} {len(rows):,} slices" + (f" of {patients:,} patients" if patients else ""))
    return found


def _model_file(run: RunInfo) -> str:
    path = run.artifacts / "engine" / "engine.json"
    return f"sha256 {read_json(path)['sha256']['model.bin']}" if path.is_file() else ""


def _versions(run: RunInfo) -> str:
    path = run.artifacts / "environment.json"
    if not path.is_file():
        return ""
    facts = read_json(path)
    packages = [f"{name} {version}" for name, version in facts.get("packages", {}).items()]
    return ", ".join([f"Python {facts.get('python', 'unknown')}", *packages])
