"""The Findings tab: deciding of slices, undo, the report, and how an audit goes and ends."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from dashboard.exploring.findings import open_label
from pipeline.data.audit import audit_dataset
from pipeline.data.decisions import decide, load_decisions
from pipeline.data.findings import Finding
from pipeline.data.index import build_index, load_index
from pipeline.jobs import JobStore
from pipeline.workspace import Workspace
from tests.dashboard.conftest import html_of, widget

APP = Path(__file__).resolve().parents[2] / "dashboard" / "app.py"


@pytest.fixture
def audited(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Twelve tiny slices of noise, audited; jobs are queued and never started."""
    monkeypatch.setenv("HILUM_WORKSPACE", str(workspace.root))
    monkeypatch.setattr(JobStore, "pump", lambda self: None)
    rng = np.random.default_rng(0)
    for number in range(12):
        path = tmp_path / "small" / ("pCT", "nCT")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), rng.integers(0, 255, (100, 100), dtype=np.uint8))
    build_index(workspace, tmp_path / "small", name="small")
    audit_dataset(workspace, "small")
    return workspace


def page() -> AppTest:
    app = AppTest.from_file(str(APP), default_timeout=60)
    app.session_state["explore.tab"] = app.session_state["explore.opens"] = "Findings"
    app.run()
    assert not app.exception and not app.error
    return app


def test_all_slices_of_a_finding_are_decided_of_in_two_clicks_and_taken_back(audited: Workspace) -> None:
    app = page()
    assert "12 slices have a side below" in html_of(app)
    assert not any(button.key == "decide-undo" for button in app.button)
    widget(app, "toggle", "finding-tiny-tiny").set_value(True).run()
    widget(app, "button", "all-fine-tiny-tiny").click().run()
    assert not app.exception and not app.error
    assert "12 slices have a side below" not in html_of(app)
    assert load_decisions(audited, "small").counts() == {"excluded": 0, "fine": 12}
    assert "Decided: 12 fine." in " ".join(caption.value for caption in app.caption)
    widget(app, "button", "decide-undo").click().run()
    assert "12 slices have a side below" in html_of(app)
    assert load_decisions(audited, "small").counts() == {"excluded": 0, "fine": 0}


def test_of_copies_all_but_one_are_excluded_and_taken_back(audited: Workspace, tmp_path: Path) -> None:
    folder = tmp_path / "small" / "pCT"
    (folder / "again.png").write_bytes((folder / "0.png").read_bytes())
    build_index(audited, tmp_path / "small", name="small")
    audit_dataset(audited, "small")
    app = page()
    widget(app, "toggle", "finding-exact-copies-exact-copies").set_value(True).run()
    button = widget(app, "button", "all-but-one-exact-copies-exact-copies")
    assert button.label == "Exclude all but one of each (1)"
    button.click().run()
    assert not app.exception and not app.error
    paths = load_index(audited, "small").set_index("slice_id")["path"]
    assert [paths[one] for one in load_decisions(audited, "small").excluded] == ["pCT/again.png"]
    widget(app, "button", "decide-undo").click().run()
    assert not load_decisions(audited, "small").excluded


def test_the_slice_in_view_is_decided_of_beside_its_picture(audited: Workspace) -> None:
    row = load_index(audited, "small").iloc[3]
    app = AppTest.from_file(str(APP), default_timeout=60)
    app.session_state["explore.tab"] = app.session_state["explore.opens"] = "Slices"
    app.query_params["slice"] = row["slice_id"]
    app.run()
    widget(app, "button", "slice-exclude").click().run()
    assert not app.exception and not app.error
    assert load_decisions(audited, "small").excluded == {row["slice_id"]}
    assert "1 excluded" in html_of(app)
    widget(app, "button", "slice-undo").click().run()
    widget(app, "button", "slice-fine").click().run()
    assert load_decisions(audited, "small").fine == {row["slice_id"]: frozenset({"*"})}
    assert not load_decisions(audited, "small").excluded


def test_excluding_makes_the_audit_stale_and_the_finding_smaller(audited: Workspace) -> None:
    ids = list(load_index(audited, "small")["slice_id"])
    decide(audited, "small", "exclude", ids[:2])
    decide(audited, "small", "fine", ids[2:3], finding="tiny")
    text = html_of(page())
    assert "9 slices have a side below" in text
    assert "Not counted: 1 fine, 2 excluded." in text
    assert "Stale" in text
    audit_dataset(audited, "small")
    assert "Stale" not in html_of(page())


def test_decided_slices_are_listed_with_their_counts(audited: Workspace) -> None:
    ids = list(load_index(audited, "small")["slice_id"])
    decide(audited, "small", "exclude", ids[:3])
    app = page()
    assert any(each.label == "Decided: 3 excluded, 0 fine" for each in app.expander)
    assert "all 100 x 100; 3 excluded" in html_of(app).replace("×", "x")


def test_a_running_audit_shows_how_far_it_is(audited: Workspace) -> None:
    job = JobStore(audited).submit("audit", ["audit", "small"], "Audit small")
    app = page()
    assert any(button.key == "audit-stop" for button in app.button)
    JobStore(audited).fail(job.id, "The disk is full.")
    assert "The disk is full." in html_of(page())


def test_the_report_is_offered_with_and_without_pictures(audited: Workspace) -> None:
    from dashboard.loaders import explore as load

    app = page()
    assert widget(app, "toggle", "audit-pictures").value is True
    report = load.audit("small")
    assert report is not None
    assert "data:image/jpeg" in load.audit_report("small", report, pictures=True)
    assert "data:image/jpeg" not in load.audit_report("small", report, pictures=False)


def test_what_opens_pictures_says_of_how_many() -> None:
    """Pairs lie one after the other in a finding, and long lists are cut."""
    few = Finding("quality", "tiny", "warn", "Tiny", "", count=55, slice_ids=["a"] * 24)
    pairs = Finding("copies", "near", "info", "Near", "", count=401, unit="pairs", slice_ids=["a"] * 500)
    assert open_label(few, 24) == "Look at 24 of 55 slices: tiny"
    assert open_label(pairs, 500) == "Look at 250 of 401 pairs: near"
    assert open_label(replace(few, count=1), 1) == "Look at the slice: tiny"
