"""Bundles: the same bytes for the same answer, nothing that names a patient, hostile ones refused early."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.handing_on.bundle import bundle_bytes, class_maps, make_bundle, write_bundle
from pipeline.handing_on.bundle_reading import BundleError, read_bundle
from pipeline.notice import NOTICE
from tests import families
from tests.handing_on.conftest import CARD

Members = dict[str, bytes]


def members_of(data: bytes) -> Members:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(members: Members) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return written.getvalue()


def test_the_same_answer_makes_the_same_bytes(home, run, grey, png_file):
    from tests.handing_on.conftest import answer

    again = answer(home, run, png_file)
    assert bundle_bytes(make_bundle(grey, run)) == bundle_bytes(make_bundle(again, run))


@pytest.mark.parametrize("kind", ["grey", "ct"])
def test_what_is_written_is_read(kind, request, run, tmp_path):
    prediction = request.getfixturevalue(kind)
    bundle = make_bundle(prediction, run, pixels=True)
    write_bundle(tmp_path / "a.zip", bundle)
    found = read_bundle(tmp_path / "a.zip")
    assert found.record.model_copy(update={"arrays": {}}) == bundle.record
    assert found.record.answer.logits == prediction.logits, "to the last bit"
    np.testing.assert_array_equal(found.heatmap, class_maps(prediction))
    np.testing.assert_array_equal(found.image.image, prediction.image.image)
    assert found.image.image.dtype == prediction.image.image.dtype
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


def test_the_record_says_what_the_answer_rests_on(run, ct):
    record = json.loads(members_of(bundle_bytes(make_bundle(ct, run)))["answer.json"])
    assert record["notice"] == NOTICE and not record["synthetic"]
    assert record["model"]["run"] == run.id and record["model"]["precision"] == "f32"
    assert record["model"]["recipe_hash"] == ct.engine.recipe.hash
    assert set(record["versions"]) >= {"hilum", "openvino", "numpy"}
    assert record["answer"]["conformal_set"] is None and record["gate"]["passed"] == ct.gate.passed
    assert set(record["answer"]["probabilities"]) == set(families.CLASSES)


def test_what_the_maps_report_card_said_is_kept(run, grey, tmp_path):
    accepted = replace(grey, status="ok", reason="")
    checked = make_bundle(accepted, run, card=CARD, label="positive")
    write_bundle(tmp_path / "a.zip", checked)
    found = read_bundle(tmp_path / "a.zip").record.map
    assert found.label == "positive" and found.report == CARD.to_json()
    unchecked = make_bundle(accepted, run).record.map
    assert unchecked.label == grey.label and unchecked.report is None
    refused = make_bundle(replace(grey, status="rejected", reason="A cat."), run, card=CARD).record.map
    assert refused.report["because"] == "The slice was refused: A cat."


def test_pixels_go_along_only_where_they_are_asked_for_and_names_never(run, ct, dicom_file):
    data = bundle_bytes(make_bundle(ct, run))
    assert set(members_of(data)) == {"answer.json", "heatmap.npy"}
    text = members_of(data)["answer.json"].decode()
    assert ct.patient_id and ct.patient_id not in text
    assert dicom_file.stem not in text and "PHANTOM" not in text and str(dicom_file.parent) not in text


def claiming(members: Members, size: int) -> bytes:
    """Return a bundle whose record claims a slice of `size` bytes, which hardly take room when packed."""
    return packed(members | {"slice.npy": bytes(size)})


def edited(members: Members, **changes: object) -> bytes:
    record = json.loads(members["answer.json"])
    return packed(members | {"answer.json": json.dumps(record | changes).encode()})


def with_array(members: Members, array: bytes) -> bytes:
    """Return a bundle whose record agrees with the digest of another array."""
    import hashlib

    record = json.loads(members["answer.json"])
    record["arrays"]["heatmap.npy"]["sha256"] = hashlib.sha256(array).hexdigest()
    return packed({"answer.json": json.dumps(record).encode(), "heatmap.npy": array})


def pickled() -> bytes:
    written = io.BytesIO()
    np.save(written, np.array([{"a": 1}], object), allow_pickle=True)
    return written.getvalue()


def huge_header() -> bytes:
    """Return an array's file that claims 10^15 values and holds none."""
    written = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        written, {"descr": "<f4", "fortran_order": False, "shape": (10**5, 10**5, 10**5)}
    )
    return written.getvalue()


HOSTILE: dict[str, tuple[Callable[[Members], bytes], str]] = {
    "bomb": (lambda m: claiming(m, 200 * 2**20), "claims 200 MiB"),
    "leads outside": (lambda m: packed(m | {"../../evil.npy": b"x"}), "files that are no bundle's"),
    "many files": (lambda m: packed({f"{n}": b"" for n in range(3000)}), "3,000 files"),
    "another file": (lambda m: packed(m | {"run.py": b"x"}), "no bundle's"),
    "no record": (lambda m: packed({"heatmap.npy": m["heatmap.npy"]}), "lacks answer.json"),
    "pickle": (lambda m: with_array(m, pickled()), "not hold the array"),
    "huge array": (lambda m: with_array(m, huge_header()), "not hold the array"),
    "cut array": (lambda m: with_array(m, m["heatmap.npy"][:-4]), "not hold the array"),
    "other array": (lambda m: packed(m | {"heatmap.npy": m["heatmap.npy"][:-1] + b"\x00"}), "sha256"),
    "bad JSON": (lambda m: packed(m | {"answer.json": b"{"}), "answer.json is not as it must be"),
    "no UTF-8": (lambda m: packed(m | {"answer.json": b"\xff\xfe" * 9}), "answer.json"),
    "deep JSON": (lambda m: packed(m | {"answer.json": b"[" * 10**6}), "answer.json"),
    "NaN": (lambda m: edited(m, answer={"heatmap_limit": float("nan")}), "answer.json is not as it must be"),
    "unknown key": (lambda m: edited(m, command="rm"), "at command"),
    "other format": (lambda m: edited(m, format=99, new="key"), "has format 99"),
    "terminal": (lambda m: edited(m, notice="\x1b[2J"), "a terminal would obey"),
    "no ZIP": (lambda m: b"PK\x03\x04" + bytes(400), "no ZIP archive"),
    "empty": (lambda m: b"", "no ZIP archive"),
    "cut": (lambda m: packed(m)[:-60], "no ZIP archive"),
    "comment": (lambda m: packed(m)[:-2] + b"\x03\x00abc", "ZIP archive"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_bundle_is_refused_by_name(name, run, grey, tmp_path):
    make, sentence = HOSTILE[name]
    path = tmp_path / "hostile.zip"
    path.write_bytes(make(members_of(bundle_bytes(make_bundle(grey, run)))))
    with pytest.raises(BundleError, match=sentence) as error:
        read_bundle(path)
    assert str(path) in str(error.value) and "\x1b" not in str(error.value)


def test_a_bomb_is_not_inflated(run, grey, tmp_path, monkeypatch):
    path = tmp_path / "bomb.zip"
    path.write_bytes(claiming(members_of(bundle_bytes(make_bundle(grey, run))), 200 * 2**20))
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_, **__: pytest.fail("something was inflated"))
    with pytest.raises(BundleError, match="claims"):
        read_bundle(path)


def test_noise_in_a_bundle_never_breaks_the_reader(run, grey, tmp_path):
    from tests.mutants import mutate

    whole, rng = bundle_bytes(make_bundle(grey, run, pixels=True)), np.random.default_rng(4)
    path = tmp_path / "noise.zip"
    for _ in range(60):
        path.write_bytes(mutate(whole, rng))
        try:
            read_bundle(path)
        except BundleError:
            continue


@pytest.mark.parametrize("path", ["missing.zip", "."])
def test_what_is_no_file_is_refused(path, tmp_path):
    with pytest.raises(BundleError, match="cannot be read"):
        read_bundle(tmp_path / Path(path))
