"""The evaluation as one HTML file: opens anywhere, prints, loads nothing, carries its notice."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from pipeline.evaluation.calibration import reliability
from pipeline.evaluation.calling import Calling
from pipeline.evaluation.clinical import decision_curve, predictive_values_of
from pipeline.evaluation.curves import CurveUndefinedError, precision_recall_curve, roc_curve
from pipeline.evaluation.evaluate import Evaluation
from pipeline.evaluation.figures import Figures
from pipeline.evaluation.predictions import focus_class
from pipeline.evaluation.report_figures import (
    colors_of,
    plot_decision,
    plot_forest,
    plot_precision_recall,
    plot_reliability,
    plot_roc,
)
from pipeline.evaluation.wording import estimate_text, left_out_text, people_text
from pipeline.html_parts import SYNTHETIC, html_document, html_table, html_text
from pipeline.workspace import atomic_write_text

PREVALENCES = (0.01, 0.05, 0.10, 0.20, 0.50)
_STYLE = """
.summary { font-size: 17px; font-weight: 600; margin: 16px 0 4px; }
.met { color: #1a7f4f; } .not-met { color: #b3262e; } .not-known { color: #8a5a00; }
.row { display: flex; flex-wrap: wrap; gap: 24px; } svg text { font-size: 11px; fill: #566072; }
svg .axis { font-size: 12px; } .key i { display: inline-block; width: 10px; height: 10px; border-radius: 5px;
  margin: 0 5px 0 14px; } .matrix td, .matrix th { text-align: right; }
@media print { table, svg { break-inside: avoid; } }
"""


def write_report(evaluation: Evaluation, path: Path) -> None:
    """Write the report to `path`, whole or not at all."""
    atomic_write_text(path.expanduser().absolute(), build_report(evaluation))


def build_report(evaluation: Evaluation) -> str:
    """Return the report as one self-contained HTML document."""
    focus = focus_class(evaluation.labels)
    sections = [
        _head(evaluation),
        _verdict(evaluation),
        _model(evaluation),
        _headline(evaluation),
        _confusion(evaluation.figures),
        _classes(evaluation),
        _curves(evaluation),
        _calibration(evaluation, focus),
        _bedside(evaluation, focus),
        _subgroups(evaluation, focus),
        _method(evaluation),
    ]
    return html_document(f"{evaluation.run} on {evaluation.data}", sections, style=_STYLE)


def _head(evaluation: Evaluation) -> str:
    return (
        f"<h1>How good is {html_text(evaluation.run)}?</h1>"
        f'<p class="muted">{html_text(evaluation.data)} · {html_text(people_text(evaluation))} · '
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC · run {html_text(evaluation.run_id)}</p>"
        + (SYNTHETIC if evaluation.is_synthetic else "")
    )


def _verdict(evaluation: Evaluation) -> str:
    rows = [
        f'<tr><td class="n {line.status.replace(" ", "-")}"><b>{line.status}</b></td>'
        f"<td>{html_text(line.claim)}</td><td>{html_text(line.evidence)}</td></tr>"
        for line in evaluation.verdict.lines
    ]
    return (
        f'<p class="summary">{html_text(evaluation.verdict.summary)}</p>'
        f"<table><tr><th>Status</th><th>Condition</th><th>Evidence</th></tr>{''.join(rows)}</table>"
    )


def _model(evaluation: Evaluation) -> str:
    if not evaluation.model:
        return ""
    return (
        f"<h2>What was tested</h2>{html_table(['', ''], [list(each) for each in evaluation.model.items()])}"
    )


def _headline(evaluation: Evaluation) -> str:
    figures, gated = evaluation.figures, evaluation.gated
    names = ("accuracy", "balanced_accuracy", "macro_f1", "macro_auc")
    refused = evaluation.circumstances.rejected
    columns = ["Figure", "All slices (95 % interval)"]
    rows = [[_words(name), estimate_text(getattr(figures, name))] for name in names]
    if gated is not None and refused:
        columns.append(f"Without the {refused:,} slices that the gate refuses")
        rows = [[*row, estimate_text(getattr(gated, name))] for row, name in zip(rows, names, strict=True)]
    note = ""
    if refused == 0:
        note = '<p class="muted">The input gate refuses none of these slices.</p>'
    elif refused is None:
        note = '<p class="muted">The input gate was not asked: the slices were not at hand.</p>'
    left_out = f"<p>{html_text(left_out_text(evaluation))}</p>"
    return f"<h2>Figures</h2>{html_table(columns, rows)}{note}{left_out}"


def _confusion(figures: Figures) -> str:
    head = "".join(f"<th>{html_text(label)}</th>" for label in figures.labels)
    rows = []
    for label, counts in zip(figures.labels, figures.confusion, strict=True):
        total = counts.sum()
        cells = "".join(
            f'<td class="n">{count:,}<br><span class="muted">{100 * count / total:.0f} %</span></td>'
            if total
            else '<td class="n">0</td>'
            for count in counts
        )
        rows.append(f'<tr><th>{html_text(label)}</th>{cells}<td class="n muted">{total:,}</td></tr>')
    return (
        '<h2>Confusion matrix</h2><table class="matrix"><caption>Rows: reference standard. '
        f"Columns: called so. Shares are of the row.</caption><tr><th></th>{head}<th>n</th></tr>"
        f"{''.join(rows)}</table>"
    )


def _classes(evaluation: Evaluation) -> str:
    unit = "Patients" if evaluation.predictions.patients_known else "Groups"
    columns = ["Class", "Precision", "Recall", "Specificity", "F1", "AUC", "Slices", unit]
    rows = []
    for label in evaluation.labels:
        found = evaluation.figures.per_class[label]
        estimates = (found.precision, found.recall, found.specificity, found.f1, found.auc)
        rows.append([label, *map(estimate_text, estimates), f"{found.n:,}", f"{found.groups:,}"])
    return f"<h2>Classification report</h2>{html_table(columns, rows)}"


def _curves(evaluation: Evaluation) -> str:
    rocs, precisions = [], []
    for label in evaluation.labels:
        try:
            rocs.append(roc_curve(evaluation.predictions, label, evaluation.resamples))
            precisions.append(precision_recall_curve(evaluation.predictions, label, evaluation.resamples))
        except CurveUndefinedError:
            continue  # its reason stands in the classification report
    if not rocs:
        return ""
    colors = colors_of(evaluation.labels)
    key = "".join(
        f'<span><i style="background:{colors[curve.label]}"></i>{html_text(curve.label)}, '
        f"AUC {html_text(estimate_text(curve.area))}, n = {curve.n:,}</span>"
        for curve in rocs
    )
    return (
        f'<h2>One class against the others</h2><p class="key">{key}</p><div class="row">'
        f"{plot_roc(rocs, evaluation.labels)}{plot_precision_recall(precisions, evaluation.labels)}</div>"
        '<p class="muted">Bands: pointwise 95 % intervals.</p>'
    )


def _calibration(evaluation: Evaluation, focus: str) -> str:
    found = evaluation.calibration
    bins = reliability(evaluation.predictions, focus, evaluation.resamples)
    state = {True: "calibrated", False: "uncalibrated scores", None: "not known whether calibrated"}
    rows = [
        ["Expected calibration error of the called class", estimate_text(found.ece, 3)],
        *(
            [f"Calibration error of the probability of {label}", estimate_text(error, 3)]
            for label, error in found.by_class.items()
        ),
        ["Brier score", estimate_text(found.brier, 3)],
        ["Log loss (nats)", estimate_text(found.log_loss, 3)],
    ]
    return (
        f"<h2>Calibration ({state[evaluation.circumstances.calibrated]})</h2><div class='row'>"
        f"{plot_reliability(bins, focus, evaluation.labels)}"
        f"<div>{html_table(['Figure', '95 % interval'], rows)}</div></div>{_coverage(evaluation)}"
    )


def _coverage(evaluation: Evaluation) -> str:
    found = evaluation.coverage
    if found is None:
        return ""
    rows = [
        [f"Slices of {label} whose set holds {label}", estimate_text(estimate)]
        for label, estimate in found.by_class.items()
    ]
    rows.append(["Slices with one class alone in the set", estimate_text(found.decided)])
    rows.append(["Of these, called rightly", estimate_text(found.accuracy_decided)])
    missing = f" They say nothing of {', '.join(found.left_out)}." if found.left_out else ""
    return (
        f"<h3>Conformal sets, promised to hold the right class {1 - found.alpha:.0%} of the time</h3>"
        f"{html_table(['Figure', '95 % interval'], rows)}"
        f'<p class="muted">Fitted on {html_text(found.basis.text)}.{html_text(missing)}</p>'
    )


def _bedside(evaluation: Evaluation, focus: str) -> str:
    predictions, callings = evaluation.predictions, evaluation.callings
    if focus in evaluation.figures.absent or evaluation.figures.per_class[focus].n == len(predictions):
        return ""
    curve = decision_curve(predictions, focus, evaluation.resamples)
    return (
        f"<h2>At the bedside: calling {html_text(focus)}</h2>{_callings(callings)}"
        f"<div class='row'><div>{_predictive(callings, predictions.unit)}</div>"
        f"{plot_decision(curve, evaluation.labels)}</div>"
        '<p class="muted">A patient has the class who has a slice of it here. Predictive values are from '
        "sensitivity and specificity. Decision curve, by slice: net benefit of acting on the model (colour), "
        "on all (dashes) and on none (0), at the prevalence of these slices "
        f"({100 * curve.prevalence:.0f} %); it presumes calibrated probabilities.</p>"
    )


def _callings(callings: Sequence[Calling]) -> str:
    rows = [
        [
            f"{one.unit.capitalize()}: {one.rule}",
            f"{estimate_text(one.sensitivity)}, n = {one.n_with:,}",
            f"{estimate_text(one.specificity)}, n = {one.n_without:,}",
        ]
        for one in callings
    ]
    unknown = "" if len({one.unit for one in callings}) > 1 else "<p>By patient: patients are not known.</p>"
    return html_table(["Called where", "Sensitivity", "Specificity"], rows) + unknown


def _predictive(callings: Sequence[Calling], unit: str) -> str:
    """Return predictive values of the first rule of each unit: by slice, and by patient where known."""
    first = {one.unit: one for one in reversed(callings)}
    shown = [first[name] for name in ("slice", "patient") if name in first]
    columns = ["Where the prevalence is"]
    for one in shown:
        columns += [f"{one.unit} called so, and right", f"{one.unit} not called so, and right"]
    rows = []
    for prevalence in PREVALENCES:
        found = [predictive_values_of(one, prevalence, unit=unit) for one in shown]
        cells = [estimate_text(value, 3) for both in found for value in (both.ppv, both.npv)]
        rows.append([f"{100 * prevalence:.0f} %", *cells])
    return html_table(columns, rows)


def _subgroups(evaluation: Evaluation, focus: str) -> str:
    rows = [
        (
            f"{group.column}: {group.value} ({group.size_text(evaluation.predictions.unit)})",
            group.figures.per_class[focus].auc,
        )
        for groups in evaluation.subgroups.values()
        for group in groups
        if group.against in (None, focus)
    ]
    if not rows:
        return ""
    overall = evaluation.figures.per_class[focus].auc
    return f"<h2>Subgroups: AUC of {html_text(focus)}</h2>" + plot_forest(
        [("all", overall), *rows], reference=overall.value
    )


def _method(evaluation: Evaluation) -> str:
    unit = evaluation.predictions.unit
    draws = len(evaluation.resamples.weights)
    openings = evaluation.circumstances.openings
    opened = f"The test part was opened {openings} time(s) for this run. " if openings else ""
    return (
        f"<h2>How the intervals were made</h2><p>{draws:,} resamples of whole {unit}s, drawn with "
        f"replacement (seed {evaluation.seed}); 95 % expanded percentiles (Hesterberg 2015); at least "
        f"Wilson's over {unit}s for a figure less than one {unit}'s share from 0 or 1; none below five. "
        f"{opened}AUCs are one class against the others; means are over the classes that are present.</p>"
    )


def _words(name: str) -> str:
    named = {"macro_f1": "Mean F1 over classes", "macro_auc": "Mean AUC over classes"}
    return named.get(name, name.replace("_", " ").capitalize())
