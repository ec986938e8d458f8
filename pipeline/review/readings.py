"""Readings as a table, one row a slice that somebody read, and its exports."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

import pandas as pd

from pipeline.notice import NOTICE
from pipeline.review.store import ReviewStore

COLUMNS = (
    "reading_id", "reader", "dataset", "slice_id", "run", "worklist", "blind_label", "blind_seconds",
    "blind_corrected_to", "model_status", "model_label", "model_scores", "model_calibrated", "heatmap_method",
    "final_label", "note", "final_seconds", "agreed", "overrode", "changed", "corrections", "shown_at",
    "first_read_at", "opinion_at", "final_at", "app_version",
)  # fmt: skip
SLICE_COLUMNS = ("path", "frame", "group", "patient_id", "reference", "excluded")


def load_readings(
    store: ReviewStore,
    *,
    reader: str | None = None,
    run: str | None = None,
    dataset: str | None = None,
) -> pd.DataFrame:
    """Return one row a reading, oldest first, as it stands after its corrections.

    `blind_label` is what the reader said first, whatever was corrected later; `blind_corrected_to` what they
    say they meant. Seconds are None where they are not known. `changed` tells whether the final label differs
    from the first, as it was meant. A reading without its end has no `final_label`.
    """
    rows = store.rows()
    shown = {row["first_read"]: row for row in rows["opinions"]}
    meant = {row["corrects"]: row["label"] for row in rows["first_reads"] if row["corrects"]}
    finals: dict[str, list[dict[str, Any]]] = {}
    for row in rows["final_reads"]:
        finals.setdefault(row["first_read"], []).append(row)
    found = [
        _reading(first, meant.get(first["id"]), shown.get(first["id"]), finals.get(first["id"], []))
        for first in rows["first_reads"]
        if not first["corrects"]
        and reader in (None, first["reader"])
        and run in (None, first["run"])
        and dataset in (None, first["dataset"])
    ]
    return pd.DataFrame(found, columns=list(COLUMNS), dtype=object)


def with_slices(
    readings: pd.DataFrame, index: pd.DataFrame, groups: Mapping[str, str], excluded: Collection[str]
) -> pd.DataFrame:
    """Add what the statistics need of each slice, so that they can be made again from an export.

    Args:
        readings: of one data set.
        index: of that data set, by slice id.
        groups: what a split kept together, by slice id.
        excluded: slices that are in no figure.

    Adds `SLICE_COLUMNS`; `reference` is the label that the data set gives. None where it is not known.
    """
    ids = [str(slice_id) for slice_id in readings["slice_id"]]
    rows = index.loc[index.index.isin(ids), ["path", "frame", "patient_id", "label"]]
    known = rows.astype(object).where(rows.notna(), None).to_dict("index")
    added = [
        {
            **{name: known.get(one, {}).get(name) for name in ("path", "frame", "patient_id")},
            "reference": known.get(one, {}).get("label"),
            "group": groups.get(one),
            "excluded": one in excluded,
        }
        for one in ids
    ]
    table = pd.DataFrame(added, columns=list(SLICE_COLUMNS), index=readings.index, dtype=object)
    return pd.concat([readings, table], axis=1)


def export_csv(readings: pd.DataFrame, *, synthetic: bool = False) -> str:
    """Return the readings as CSV text, with the notice in a last column; of `synthetic` slices it says so.

    Texts that a spreadsheet would take for a formula get an apostrophe before them.
    """
    safe = readings.copy()
    for column in safe.columns:
        safe[column] = [
            f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value
            for value in safe[column]
        ]
    return str(safe.assign(notice=_notice(synthetic)).to_csv(index=False, lineterminator="\n"))


def export_json(store: ReviewStore, readings: pd.DataFrame, *, synthetic: bool = False) -> str:
    """Return the readings as JSON text, with the head of the audit's chain: later it shows if any is gone.

    Of `synthetic` slices its notice says so.
    """
    chain = store.verify_chain()
    records = [
        {key: json.loads(value) if key == "model_scores" and value else value for key, value in row.items()}
        for row in readings.astype(object).where(readings.notna(), None).to_dict(orient="records")
    ]
    document = {
        "notice": _notice(synthetic),
        "audit": {key: value for key, value in chain.to_json().items() if key != "seal_row"},
        "readings": records,
    }
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _notice(synthetic: bool) -> str:
    return f"{NOTICE}; synthetic task, not COVID-19" if synthetic else NOTICE


def _reading(
    first: dict[str, Any], meant: str | None, shown: dict[str, Any] | None, finals: list[dict[str, Any]]
) -> dict[str, Any]:
    corrected = {row["corrects"] for row in finals}
    last = next((row for row in finals if row["id"] not in corrected), None)
    row = dict.fromkeys(COLUMNS) | {
        "reading_id": first["id"],
        **{name: first[name] for name in ("reader", "dataset", "slice_id", "run", "worklist", "shown_at")},
        "blind_label": first["label"],
        "blind_seconds": first["seconds"] or None,
        "blind_corrected_to": meant,
        "first_read_at": first["recorded_at"],
        "corrections": max(0, len(finals) - 1) + (meant is not None),
        "app_version": first["app_version"],
    }
    if shown is not None:
        row |= {
            "model_status": shown["status"],
            "model_label": shown["label"],
            "model_scores": shown["scores"],
            "model_calibrated": shown["calibrated"],
            "heatmap_method": shown["heatmap_method"],
            "opinion_at": shown["recorded_at"],
        }
    if last is not None:
        row |= {
            "final_label": last["label"],
            "note": last["note"],
            "final_seconds": last["seconds"] or None,
            "agreed": last["agreed"],
            "overrode": last["overrode"],
            "changed": last["label"] != (meant or first["label"]),
            "final_at": last["recorded_at"],
        }
    return row
