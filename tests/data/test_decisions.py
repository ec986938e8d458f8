"""What the user decides of slices: kept, undone, obeyed by findings and splits, there after an index."""

import json

import numpy as np
import pytest

from pipeline.data.audit import audit_dataset, load_audit
from pipeline.data.audit_report import build_audit_report, write_audit_report
from pipeline.data.deciding import decide_by_name, open_slices
from pipeline.data.decisions import (
    DecisionError,
    decide,
    decisions_file,
    load_decisions,
    resolve_slices,
    undo_last,
)
from pipeline.data.index import build_index, load_index
from pipeline.data.splits import load_split, make_split


@pytest.fixture
def small(workspace, tmp_path, picture, write_picture):
    """20 tiny slices of ten patients, and a name that would break a page."""
    lines = ["path,label,patient_id"]
    for number in range(20):
        path = f"{('pCT', 'nCT')[number % 2]}/{number}.png"
        write_picture(tmp_path / "slices" / path, picture(number, size=100))
        lines.append(f"{path},{path[:3]},P{number // 2}")
    write_picture(tmp_path / "slices" / "pCT" / "<b>odd & ''.png", np.full((300, 300), 90, np.uint8))
    (tmp_path / "slices" / "labels.csv").write_text("\n".join(lines))
    build_index(workspace, tmp_path / "slices", name="small")
    return workspace


@pytest.fixture
def ids(small):
    return list(load_index(small, "small")["slice_id"])


def found(workspace, code):
    report = load_audit(workspace, "small")
    return next((finding for finding in report.findings if finding.code == code), None)


def test_the_last_decision_wins_and_the_log_keeps_all(small, ids):
    decide(small, "small", "exclude", ids[:3])
    decide(small, "small", "fine", ids[2:4], finding="tiny")
    known = load_decisions(small, "small")
    assert known.excluded == set(ids[:2])
    assert known.is_fine(ids[2], "tiny") and not known.is_fine(ids[2], "blank")
    assert [known.verdict_of(one) for one in ids[:5]] == ["excluded", "excluded", "fine", "fine", ""]
    assert known.counts() == {"excluded": 2, "fine": 2}
    decide(small, "small", "undo", ids[:1])
    assert load_decisions(small, "small").excluded == {ids[1]}
    assert len(load_decisions(small, "small").log) == 6


def test_undo_takes_back_one_decision_after_the_other(small, ids):
    decide(small, "small", "fine", ids[:1])
    decide(small, "small", "exclude", ids[:3])
    assert sorted(undo_last(small, "small")) == sorted(ids[:3])
    assert load_decisions(small, "small").verdict_of(ids[0]) == "fine"
    assert undo_last(small, "small") == ids[:1]
    assert undo_last(small, "small") == []
    assert load_decisions(small, "small").counts() == {"excluded": 0, "fine": 0}


def test_half_a_line_costs_that_line_only(small, ids):
    decide(small, "small", "exclude", ids[:1])
    path = decisions_file(small, "small")
    path.write_bytes(path.read_bytes() + b'{"at": "2026')
    decide(small, "small", "exclude", ids[1:2])
    assert load_decisions(small, "small").excluded == set(ids[:2])


def test_what_cannot_be_decided_is_named(small, ids):
    with pytest.raises(DecisionError, match="choose one of exclude, fine, undo"):
        decide(small, "small", "remove", ids[:1])
    with pytest.raises(DecisionError, match="has no slice 'nowhere'"):
        decide(small, "small", "exclude", ["nowhere"])
    with pytest.raises(DecisionError, match="No slice is named"):
        decide(small, "small", "exclude", [])
    with pytest.raises(DecisionError, match="relative to the data set's folder"):
        resolve_slices(load_index(small, "small"), ["nowhere.png"])
    with pytest.raises(DecisionError, match="no slice left to decide"):
        decide_by_name(small, "small", "exclude", [], finding="nonsense")


def test_decided_slices_leave_their_finding_and_come_back(small, ids):
    report = audit_dataset(small, "small")
    tiny = next(finding for finding in report.findings if finding.code == "tiny")
    assert tiny.count == 20
    decide(small, "small", "fine", tiny.slice_ids[:2], finding="tiny")
    decide(small, "small", "fine", tiny.slice_ids[2:3], finding="blank")
    decide(small, "small", "exclude", tiny.slice_ids[3:4])
    left = found(small, "tiny")
    assert left.count == len(left.slice_ids) == 17
    assert left.details == {"excluded": 1, "fine": 2} and left.text.startswith("17 slices")
    assert load_audit(small, "small").stale, "copies and shortcuts were judged with the excluded slice"
    undo_last(small, "small")
    assert found(small, "tiny").count == 18 and not load_audit(small, "small").stale
    decide(small, "small", "fine", open_slices(small, "small", "tiny"), finding="tiny")
    assert found(small, "tiny") is None
    assert audit_dataset(small, "small").to_json()["decisions"] == {"excluded": 0, "fine": 20}


def test_decisions_hold_over_the_next_index(small, ids, tmp_path, picture, write_picture):
    decide(small, "small", "exclude", ids[:2])
    write_picture(tmp_path / "slices" / "aaa" / "first.png", picture(77))
    build_index(small, tmp_path / "slices", name="small")
    excluded = load_decisions(small, "small").excluded
    assert excluded == set(ids[:2]) and excluded < set(load_index(small, "small")["slice_id"])


def test_new_splits_obey_and_old_ones_stay(small, ids):
    before = make_split(small, "small", name="before")
    decide(small, "small", "exclude", ids[:2])
    after = make_split(small, "small", name="after")
    assert not set(after.table["slice_id"]) & set(ids[:2])
    assert any("excluded: 2 slices" in note for note in after.notes)
    kept = load_split(small, "small", "before")
    assert kept.hash == before.hash and set(ids[:2]) <= set(kept.table["slice_id"])


def test_a_finding_is_decided_of_by_its_code(small):
    audit_dataset(small, "small")
    answer = decide_by_name(small, "small", "exclude", [], finding="tiny")
    assert len(answer["slices"]) == answer["excluded"] == 20
    assert decide_by_name(small, "small", "list", [])["excluded"] == 20
    assert decide_by_name(small, "small", "undo", [])["excluded"] == 0
    one = decide_by_name(small, "small", "exclude", ["pCT/0.png"])["slices"][0]
    assert one["path"] == "pCT/0.png" and one["verdict"] == "excluded"
    json.dumps(answer)


def test_the_report_is_one_escaped_file(small, tmp_path):
    report = audit_dataset(small, "small")
    decide(small, "small", "fine", open_slices(small, "small", "tiny")[:1], finding="tiny")
    path = tmp_path / "report.html"
    write_audit_report(small, load_audit(small, "small"), path)
    text = path.read_text()
    assert "Research use only - not for diagnosis" in text and "contains image thumbnails" in text
    assert "&lt;b&gt;odd &amp;" in text and "<b>odd" not in text
    assert "http" not in text and "<script" not in text and 'src="data:image/jpeg;base64,' in text
    assert 0 < text.count("<figure>") <= 12 * len(report.findings)
    assert "What was decided" in text and "1 fine" in text
    without = build_audit_report(small, report, pictures=False)
    assert "<img" not in without and "Without pictures" in without
