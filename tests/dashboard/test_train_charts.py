"""Figures of trainings: one run in detail, several laid over each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from dashboard.charts.train import RunCurves, metric_figure, reduced_points, thin
from pipeline.curves import curve_of, widened


def curves(name: str, epochs: int = 3, **options: Any) -> RunCurves:
    steps = np.arange(1, epochs + 1)
    by_epoch = pd.DataFrame(
        {"step": steps, "loss": 1 / steps, "val_loss": 1.1 / steps, "val_auc": 0.5 + steps / 10}
    )
    by_batch = {"loss": curve_of(np.arange(1, 10 * epochs + 1), np.ones(10 * epochs))}
    values = {"batches": by_batch, "steps_per_epoch": 10, "best_epoch": 2, "ended_early": False} | options
    return RunCurves(name, by_epoch, **values)


def test_one_run_is_drawn_with_batches_training_validation_and_best_epoch():
    figure = metric_figure([curves("a")], metric="loss", title="Loss")
    names = {trace.name: trace for trace in figure.data}
    assert set(names) == {"by batch", "training", "validation", "best epoch (2)"}
    assert names["by batch"].x[-1] == pytest.approx(3), "batches are placed by epoch"
    assert names["best epoch (2)"].y == (0.55,)


def test_an_early_end_is_marked():
    figure = metric_figure([curves("a", ended_early=True)], metric="loss", title="Loss")
    assert [each.text.strip() for each in figure.layout.annotations] == ["ended early"]


def test_several_runs_have_a_colour_each_and_one_legend_entry():
    figure = metric_figure([curves("a"), curves("b")], metric="loss", title="Loss")
    shown = [trace for trace in figure.data if trace.showlegend]
    assert [trace.name for trace in shown] == ["a", "b"]
    assert shown[0].line.color != shown[1].line.color


def test_a_refresh_keeps_the_zoom_until_other_runs_are_chosen():
    revision = [
        metric_figure(runs, metric="loss", title="Loss").layout.uirevision
        for runs in ([curves("a")], [curves("a", epochs=9)], [curves("b")])
    ]
    assert revision[0] == revision[1] != revision[2]


def test_nothing_to_draw_yet_says_so():
    empty = RunCurves("a", pd.DataFrame({"step": []}), {}, 0, 0, False)
    figure = metric_figure([empty], metric="auc", title="AUC")
    assert "begins with the first batches" in figure.layout.annotations[0].text


def test_long_lines_keep_ends_and_extremes_where_they_are():
    values = np.ones(10_000)
    values[[1234, 5678]] = 9, -9
    table = pd.DataFrame({"step": np.arange(1, 10_001), "loss": values})
    thinned = thin(table, "loss", most=400).set_index("step")["loss"]
    assert len(thinned) <= 400
    assert (thinned[1235], thinned[5679], thinned[1], thinned[10_000]) == (9, -9, 1, 1)
    assert thin(table.head(10), "loss", most=400).equals(table.head(10))


def test_reduced_curves_have_a_band_from_lowest_to_highest_and_are_counted():
    curve = widened(curve_of(np.arange(1, 31), [*([1.0] * 29), 7.0]), 8)
    run = curves("a", batches={"loss": curve})
    figure = metric_figure([run], metric="loss", title="Loss")
    band = next(trace for trace in figure.data if trace.name == "lowest to highest")
    assert max(band.y) == 7
    assert reduced_points([run, curves("b")], "loss") == (60, 4 + 30)
    assert reduced_points([run], "auc") == (0, 0)


def test_stages_are_marked_where_they_begin():
    run = curves("a", stages=[(1, "whole network"), (2, "128 px")])
    figure = metric_figure([run], metric="loss", title="Loss")
    assert [(each.x, each.text.strip()) for each in figure.layout.annotations] == [
        (1, "whole network"),
        (2, "128 px"),
    ]


def test_the_learning_rate_is_drawn_as_planned_by_batch_and_as_it_was_by_epoch():
    run = curves("a", rates=(np.arange(30), np.full(30, 1e-3)))
    run.epochs["learning_rate"] = 1e-3
    figure = metric_figure([run], metric="learning_rate", title="Learning rate")
    assert [trace.name for trace in figure.data] == ["planned, by batch", "training"]


def test_training_by_batch_of_several_runs_can_be_left_out():
    runs = [curves("a"), curves("b")]
    drawn = [metric_figure(runs, metric="loss", title="", by_batch=wanted).data for wanted in (True, False)]
    assert [sum(len(trace.x) == 30 for trace in traces) for traces in drawn] == [2, 0]
