"""Figures as tiles and tables, each with its n and its interval, or the reason why there is none."""

from __future__ import annotations

import html
from collections.abc import Sequence

import streamlit as st

from dashboard import widgets
from pipeline.evaluation.estimates import Estimate
from pipeline.evaluation.evaluate import Evaluation
from pipeline.evaluation.predictions import focus_class
from pipeline.evaluation.wording import patients_text


def estimate_tile(label: str, found: Estimate, detail: str, *, help: str = "") -> widgets.Tile:
    """Make a tile of an estimate: its interval and `detail` (n), or why it is missing."""
    if found.value is None:
        return widgets.Tile(label, "n/a", found.reason or "", help=help)
    if found.low is None or found.high is None:
        return widgets.Tile(label, f"{found.value:.2f}", found.reason or detail, help=help)
    interval = f"{found.low:.2f} to {found.high:.2f}"
    return widgets.Tile(label, f"{found.value:.2f}", f"{interval} · {detail}", help=help)


def headline_tiles(evaluation: Evaluation) -> None:
    """Draw the headline figures."""
    figures, unit = evaluation.figures, evaluation.predictions.unit
    carried = f"{figures.groups:,} {unit}s"
    items = [
        widgets.Tile("Slices", f"{figures.n:,}", patients_text(evaluation)),
        estimate_tile("Accuracy", figures.accuracy, carried),
        estimate_tile("Mean F1 over classes", figures.macro_f1, carried),
        *(
            estimate_tile(
                f"AUC {label}",
                figures.per_class[label].auc,
                f"{figures.per_class[label].n:,} slices",
                help=f"{label} against the other classes; 95 % interval over {unit}s",
            )
            for label in evaluation.labels
        ),
        _gate_tile(evaluation),
    ]
    widgets.tiles(items)


def figures_table(
    columns: Sequence[str], rows: Sequence[tuple[str, Sequence[Estimate | str]]], *, digits: int = 2
) -> None:
    """Draw rows of estimates, the interval under each value."""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in columns)
    body = "".join(
        f"<tr><td>{name}</td>{''.join(_cell(cell, digits) for cell in cells)}</tr>" for name, cells in rows
    )
    st.html(f'<table class="h-figures"><tr>{head}</tr>{body}</table>')


def interval_words(evaluation: Evaluation) -> str:
    """Say what ranges are."""
    return f"95 % intervals over {evaluation.figures.groups:,} {evaluation.predictions.unit}s"


def class_picker(evaluation: Evaluation, key: str) -> str:
    """Draw the choice of a class of a tab, `key`; the one that a clinician asks about comes first."""
    labels = list(evaluation.labels)
    default = focus_class(labels)
    chosen = st.segmented_control(
        "Class", labels, default=default, required=True, key=f"evaluate.class.{key}.{'|'.join(labels)}"
    )
    return str(chosen or default)


def _gate_tile(evaluation: Evaluation) -> widgets.Tile:
    refused = evaluation.circumstances.rejected
    if refused is None:
        return widgets.Tile("Refused by the gate", "n/a", "the slices are not at hand")
    detail = "all figures include them"
    if refused and evaluation.gated is not None and evaluation.gated.accuracy.value is not None:
        detail = f"accuracy without them {evaluation.gated.accuracy.value:.2f}"
    elif not refused:
        detail = "every slice passes as chest CT"
    return widgets.Tile("Refused by the gate", f"{refused:,}", detail)


def _cell(cell: Estimate | str, digits: int) -> str:
    if isinstance(cell, str):
        return f"<td>{html.escape(cell)}</td>"
    if cell.value is None:
        return f'<td class="why">n/a<small>{html.escape(cell.reason or "")}</small></td>'
    if cell.low is None or cell.high is None:
        return f'<td class="why">{cell.value:.{digits}f}<small>{html.escape(cell.reason or "")}</small></td>'
    return f"<td>{cell.value:.{digits}f}<small>{cell.low:.{digits}f} to {cell.high:.{digits}f}</small></td>"
