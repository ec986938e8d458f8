"""The report: one file, all sections, its notice, nothing fetched, nothing left unescaped."""

import re
from html.parser import HTMLParser

import pytest

from pipeline.evaluation.evaluate import evaluate_table
from pipeline.evaluation.predictions import read_predictions
from pipeline.evaluation.report import build_report, write_report
from pipeline.evaluation.verdict import Circumstances
from tests.evaluation.tables import make_table


def _report(table=None, **circumstances):
    known = Circumstances(part="test", synthetic=True, group_by="patient", openings=2, **circumstances)
    table = make_table(patients=16) if table is None else table
    return build_report(
        evaluate_table(
            read_predictions(table), run="demo", data="wards, part test", circumstances=known, n_resamples=60
        )
    )


class _Balanced(HTMLParser):
    """Raises where a tag is closed that is not the open one."""

    def __init__(self):
        super().__init__()
        self.open, self.seen = [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_it_is_one_whole_document_that_fetches_nothing():
    report = _report()
    parser = _Balanced()
    parser.feed(report)
    assert not parser.open
    assert parser.seen.count("svg") == 5
    assert not re.search(r"<script|src=|href=|https?://|@import|url\(", report)
    assert "nan" not in re.sub(r"<style>.*?</style>", "", report).lower().split()


def test_it_says_what_it_is_and_what_it_is_not():
    report = _report()
    assert "Research use only - not for diagnosis" in report
    assert "Synthetic task, not COVID-19" in report
    assert "192 slices of 16 patients" in report
    assert "opened 2 time(s)" in report
    for heading in ("Figures", "Confusion matrix", "Classification report", "Calibration", "Subgroups"):
        assert f"<h2>{heading}" in report


def test_gated_figures_stand_beside_the_others():
    table = make_table(patients=16)
    assert "was not asked" in _report(table)
    table["rejected"] = table.index % 10 == 0
    assert "Without the 20 slices that the gate refuses" in _report(table)


@pytest.mark.parametrize(
    "rows", [lambda t: t["y_true"] == "positive", lambda t: t["y_true"] != "positive", lambda t: t.index < 1]
)
def test_it_stands_with_whatever_is_missing(rows):
    table = make_table(patients=6)
    parser = _Balanced()
    parser.feed(_report(table[rows(table)]))
    assert not parser.open


def test_names_are_text_not_markup():
    table = make_table(patients=6)
    table["source"] = "<script>alert(1)</script>"
    assert "<script>" not in _report(table)


def test_it_is_written_where_asked(tmp_path):
    found = evaluate_table(read_predictions(make_table(patients=6)), n_resamples=20)
    write_report(found, tmp_path / "deep" / "report.html")
    assert (tmp_path / "deep" / "report.html").read_text().startswith("<!doctype html>")
