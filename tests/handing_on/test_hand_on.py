"""Files for many slices: a line each, all of a slice's files or none, and libraries loaded only when used."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.__main__ import app
from pipeline.commands.shared import UsageError
from pipeline.handing_on.bundle_reading import read_bundle
from pipeline.handing_on.hand_on import Wanted, hand_on

ROOT = Path(__file__).resolve().parents[2]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def test_each_slice_has_a_line_and_its_files(home, png_file, dicom_file, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(20))
    wanted = Wanted(bundles=tmp_path / "b", pdfs=tmp_path / "p", pngs=tmp_path / "g")
    lines = list(hand_on(home, "small", [png_file, broken, dicom_file], wanted))
    assert [line["status"] == "error" for line in lines] == [False, True, False]
    assert names(tmp_path / "b") == ["Mustermann.zip", "pCT3.zip"]
    assert names(tmp_path / "p") == ["Mustermann.pdf", "pCT3.pdf"]
    assert set(lines[0]["files"]) == {"bundle", "pdf", "png"} and not lines[1]["files"]
    assert Path(lines[0]["files"]["pdf"]).is_file() and "diagnosis" in lines[0]["notice"]


def test_maps_are_checked_where_that_is_asked_for(home, png_file, tmp_path):
    for check, report in ((False, None), (True, {"verdict", "sentence", "because", "checks"})):
        wanted = Wanted(bundles=tmp_path, check_maps=check)
        (line,) = hand_on(home, "small", [png_file], wanted)
        found = read_bundle(Path(line["files"]["bundle"])).record.map
        if line["status"] == "ok":
            assert (found.report and set(found.report)) == report


def test_identifiers_that_cannot_be_kept_leave_no_file_of_that_slice(home, png_file, dicom_file, tmp_path):
    wanted = Wanted(bundles=tmp_path / "b", dicoms=tmp_path / "d", keep_identifiers=True)
    picture, ct = hand_on(home, "small", [png_file, dicom_file], wanted)
    if picture["status"] == "error":
        assert "Only a DICOM file does" in picture["reason"]
        assert "pCT3.zip" not in names(tmp_path / "b")
    assert ct["status"] != "error"
    expected = ["Mustermann-map.dcm", "Mustermann-report.dcm"] if ct["status"] == "ok" else []
    assert names(tmp_path / "d") == expected


def test_the_verb_writes_lines_and_refuses_what_means_nothing(home, png_file, tmp_path):
    words = ["--workspace", str(home.root), "hand-on", "small", str(png_file)]
    done = CliRunner().invoke(
        app, [*words, "--bundle", str(tmp_path), "--pixels", "--json"], catch_exceptions=False
    )
    (line,) = [json.loads(text) for text in done.stdout.splitlines()]
    assert line["files"] == {"bundle": str(tmp_path / "pCT3.zip")}
    for options, sentence in (
        ([], "--bundle, --pdf"),
        (["--pdf", str(tmp_path), "--pixels"], "--pixels goes with"),
    ):
        with pytest.raises(UsageError, match=sentence):
            CliRunner().invoke(app, [*words, *options], catch_exceptions=False)


def test_what_draws_pdf_and_dicom_is_not_loaded_before_it_is_used():
    code = (
        "import sys, dashboard.prediction.files, dashboard.prediction.saving, pipeline.handing_on.hand_on, "
        "pipeline.handing_on.reproduce; print(*sys.modules)"
    )
    listing = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert not {"reportlab", "highdicom", "tensorflow"} & set(listing.stdout.split())
