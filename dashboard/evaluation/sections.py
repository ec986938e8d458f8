"""What stands below the verdict, one function a tab."""

from __future__ import annotations

import html
from collections.abc import Sequence

import numpy as np
import streamlit as st

from dashboard import widgets
from dashboard.charts import evaluate as charts
from dashboard.evaluation.figures import class_picker, estimate_tile, figures_table, interval_words
from dashboard.evaluation.slices import show_slices
from dashboard.loaders.evaluate import Findings
from pipeline.evaluation.conformal import Coverage
from pipeline.evaluation.estimates import Estimate
from pipeline.evaluation.evaluate import Evaluation
from pipeline.evaluation.figures import Figures
from pipeline.evaluation.predictions import focus_class
from pipeline.evaluation.subgroups import Subgroup
from pipeline.evaluation.wording import left_out_text

ANY = "any"


def draw_confusion(findings: Findings, dataset: str | None) -> None:
    """Draw the confusion matrix, the classification report, and the slices of the chosen cell."""
    evaluation = findings.evaluation
    matrix, report = st.columns([5, 7], gap="medium")
    with matrix, widgets.panel("Confusion matrix", "click a cell to see its slices", key="confusion"):
        event = widgets.chart(
            charts.confusion_figure(evaluation.figures.confusion, evaluation.figures.labels),
            key="evaluate.matrix",
            height=360,
            on_select="rerun",
            selection_mode="points",
        )
        _take_cell(event)
    with report, widgets.panel("Classification report", interval_words(evaluation), key="report"):
        _report(evaluation)
    with widgets.panel("Slices of a cell", key="cell"):
        truth, called = _cell_pickers(evaluation)
        predictions = evaluation.predictions
        rows = np.ones(len(predictions), bool)
        if truth != ANY:
            rows &= predictions.y_true == predictions.labels.index(truth)
        if called != ANY:
            rows &= predictions.y_pred == predictions.labels.index(called)
        show_slices(
            predictions, np.flatnonzero(rows), dataset=dataset, run_id=evaluation.run_id,
            key=f"evaluate.cell.{truth}.{called}",
        )  # fmt: skip


def draw_curves(findings: Findings) -> None:
    """Draw ROC and precision-recall curves."""
    labels = findings.evaluation.figures.labels
    if not findings.rocs:
        widgets.callout("A curve needs slices of a class and of others; here there is one class only.")
        return
    left, right = st.columns(2, gap="medium")
    with left, widgets.panel("ROC", "one class against the others, with AUC", key="roc"):
        widgets.chart(charts.curve_figure(findings.rocs, labels, kind="roc"), key="evaluate.roc", height=440)
    with right, widgets.panel("Precision and recall", "with average precision; dotted: chance", key="pr"):
        figure = charts.curve_figure(findings.precision_recalls, labels, kind="pr")
        widgets.chart(figure, key="evaluate.pr", height=440)
    st.caption(f"Bands are pointwise 95 % intervals over {findings.evaluation.predictions.unit}s.")


def draw_calibration(findings: Findings) -> None:
    """Draw whether scores come true."""
    evaluation = findings.evaluation
    calibrated = evaluation.circumstances.calibrated
    label = class_picker(evaluation, "calibration")
    unit = f"{evaluation.figures.groups:,} {evaluation.predictions.unit}s"
    found = evaluation.calibration
    widgets.tiles(
        [
            widgets.Tile(
                "Calibrated", "yes" if calibrated else "no", "" if calibrated else "read these as scores"
            ),
            estimate_tile(
                f"Calibration error of {label}",
                found.by_class.get(label, found.ece),
                unit,
                help=f"how far the probability of {label} is from how often it came true, over ten bins of "
                "equal width; small samples make it look larger",
            ),
            estimate_tile("Of the called class", found.ece, unit, help="the same of the highest probability"),
            estimate_tile("Brier score", found.brier, unit, help="0 is perfect, over all classes"),
            estimate_tile("Log loss", found.log_loss, unit, help="nats"),
        ]
    )
    left, right = st.columns(2, gap="medium")
    with left, widgets.panel("Does a score come true?", "on the dotted line it does", key="reliability"):
        figure = charts.reliability_figure(findings.reliability(label), label, evaluation.figures.labels)
        widgets.chart(figure, key="evaluate.reliability", height=400)
    with right, widgets.panel("Scores by reference class", key="scores"):
        place = evaluation.predictions.labels.index(label)
        figure = charts.score_figure(
            evaluation.predictions.probabilities[:, place],
            evaluation.predictions.y_true,
            evaluation.predictions.labels,
            label,
        )
        widgets.chart(figure, key="evaluate.scores", height=400)

    if evaluation.coverage is not None:
        _draw_coverage(evaluation.coverage)


def _draw_coverage(coverage: Coverage) -> None:
    """Draw how often the sets of classes that cannot be excluded held the right one."""
    rows: list[tuple[str, list[Estimate | str]]] = [
        (html.escape(f"Slices of {label} whose set holds {label}"), [found])
        for label, found in coverage.by_class.items()
    ]
    rows.append(("Slices with one class alone in the set", [coverage.decided]))
    rows.append(("Of these, called rightly", [coverage.accuracy_decided]))
    said = f"promised to hold the right class {1 - coverage.alpha:.0%} of the time"
    with widgets.panel("Classes that cannot be excluded", said, key="coverage"):
        figures_table(["", "Share"], rows)
        missing = f" They say nothing of {', '.join(coverage.left_out)}." if coverage.left_out else ""
        st.caption(f"Fitted on {coverage.basis.text}.{missing}")


def draw_subgroups(findings: Findings) -> None:
    """Draw a figure in every subgroup."""
    evaluation = findings.evaluation
    if not evaluation.subgroups:
        widgets.callout("The table of predictions has no column that divides these slices.")
        return
    with st.container(horizontal=True, gap="large"):
        label = class_picker(evaluation, "subgroups")
        kind = st.segmented_control(
            "Figure", ["AUC", "recall", "accuracy"], default="AUC", required=True,
            key="evaluate.subgroup-figure",
        )  # fmt: skip
    groups = [group for found in evaluation.subgroups.values() for group in found]
    # A group within a class has no accuracy of its own: that would be the accuracy of all it is set against.
    within = (None,) if kind == "accuracy" else (None, label)
    groups = [group for group in groups if group.against in within]
    unit = evaluation.predictions.unit
    rows = [
        (
            f"{group.column.replace('_', ' ')}: {group.value} · {group.size_text(unit)}",
            _figure_of(group.figures, label, kind),
        )
        for group in groups
    ]
    shown = [row for row in rows if row[1].value is not None]
    overall = _figure_of(evaluation.figures, label, kind)
    title = "accuracy" if kind == "accuracy" else f"{kind} of {label}"
    with widgets.panel(title, interval_words(evaluation), key="forest"):
        figure = charts.forest_figure([("all slices", overall), *shown], title=title, reference=overall.value)
        widgets.chart(figure, key="evaluate.forest", height=100 + 30 * len(shown))
        st.caption(_subgroup_notes(groups, label, left_out=len(rows) - len(shown)))


def _subgroup_notes(groups: Sequence[Subgroup], label: str, *, left_out: int) -> str:
    notes = []
    if left_out:
        have = "subgroup has" if left_out == 1 else "subgroups have"
        notes.append(f"{left_out} {have} no such figure (one class only), not shown here.")
    describing = list(
        dict.fromkeys(group.column.replace("_", " ") for group in groups if group.against == label)
    )
    if describing:
        notes.append(
            f"{', '.join(describing)}: it tells of {label} slices, so each row sets those against all slices "
            "of other classes."
        )
    return " ".join(notes)


def draw_failures(findings: Findings, dataset: str | None) -> None:
    """Draw the slices that the model was surest about and wrong."""
    predictions = findings.evaluation.predictions
    wrong = np.flatnonzero(predictions.y_true != predictions.y_pred)
    if not len(wrong):
        widgets.callout("No slice was called wrongly.", tone="good")
        return
    with widgets.panel(
        "Wrong, and sure of it", f"{len(wrong):,} of {len(predictions):,} slices", key="failures"
    ):
        show_slices(
            predictions, wrong, dataset=dataset, run_id=findings.evaluation.run_id, key="evaluate.failures"
        )


def _take_cell(event: object) -> None:
    """Carry a click on the matrix over to the pickers, once."""
    points = getattr(getattr(event, "selection", None), "points", None) or []
    cell = tuple(points[0]["customdata"]) if points else None
    if cell is not None and cell != st.session_state.get("evaluate.clicked"):
        st.session_state["evaluate.truth"], st.session_state["evaluate.called"] = cell
    st.session_state["evaluate.clicked"] = cell


def _cell_pickers(evaluation: Evaluation) -> tuple[str, str]:
    options = [*evaluation.figures.labels, ANY]
    start = dict(zip(("evaluate.truth", "evaluate.called"), _worst_cell(evaluation), strict=True))
    with st.container(horizontal=True, gap="medium"):
        for key, words in (("evaluate.truth", "Reference"), ("evaluate.called", "Called")):
            if st.session_state.get(key) not in options:
                st.session_state[key] = start[key]
            st.selectbox(words, options, key=key, width=200)
    return st.session_state["evaluate.truth"], st.session_state["evaluate.called"]


def _worst_cell(evaluation: Evaluation) -> tuple[str, str]:
    """Return what the class in focus is most often mistaken for: the cell to look at first."""
    labels = evaluation.figures.labels
    focus = labels.index(focus_class(labels))
    counts = evaluation.figures.confusion[focus].copy()
    counts[focus] = 0
    return labels[focus], labels[int(counts.argmax())] if counts.any() else labels[focus]


def _report(evaluation: Evaluation) -> None:
    unit = "patients" if evaluation.predictions.patients_known else "groups"
    rows: list[tuple[str, list[Estimate | str]]] = []
    for label in evaluation.labels:
        found = evaluation.figures.per_class[label]
        cells: list[Estimate | str] = [
            found.precision,
            found.recall,
            found.specificity,
            found.f1,
            found.auc,
            f"{found.n:,}",
            f"{found.groups:,}",
        ]
        rows.append((widgets.class_badge(label, evaluation.figures.labels), cells))
    figures = evaluation.figures
    rows.append(("mean over classes", ["", figures.balanced_accuracy, "", figures.macro_f1, figures.macro_auc,
                                       f"{figures.n:,}", f"{figures.groups:,}"]))  # fmt: skip
    figures_table(["", "Precision", "Recall", "Specificity", "F1", "AUC", "Slices", unit.capitalize()], rows)
    left_out = left_out_text(evaluation)
    if left_out:
        st.caption(left_out)


def _figure_of(figures: Figures, label: str, kind: str | None) -> Estimate:
    if kind == "accuracy":
        return figures.accuracy
    return figures.per_class[label].auc if kind == "AUC" else figures.per_class[label].recall
