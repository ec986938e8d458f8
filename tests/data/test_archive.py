"""ZIP archives: members are slices like files, bombs and traps are rows with reasons, nothing is unpacked."""

import os
import struct
import zipfile
from contextlib import closing

import cv2
import numpy as np
import pytest

from pipeline.cache.build import build_cache
from pipeline.data import archive as module
from pipeline.data.archive import Archive
from pipeline.data.index import build_index, load_index
from pipeline.data.reading import SliceError, load_slice, read_slice, read_slice_bytes
from pipeline.data.thumbnails import load_thumbnail
from pipeline.preprocessing.recipe import PRESETS
from tests.mutants import dicom_bytes, nifti_bytes, zip_bytes


def png(seed=1, side=64):
    image = np.random.default_rng(seed).integers(0, 255, (8, 8), np.uint8)
    return cv2.imencode(".png", cv2.resize(image, (side, side)))[1].tobytes()


def series(count=3):
    frames = [np.full((32, 32), 200 * at, np.int16) for at in range(count)]
    return {f"IM{at}": dicom_bytes(frame) for at, frame in enumerate(frames)}


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "slices"
    (folder / "nCT").mkdir(parents=True)
    (folder / "nCT" / "a.png").write_bytes(png(9))
    return folder


def index(workspace, source):
    summary = build_index(workspace, source, name="set")
    return summary, load_index(workspace, "set").set_index("path", drop=False)


def codes(summary):
    return {error["path"]: error["code"] for error in summary.errors}


def test_members_are_rows_labelled_by_their_folders(workspace, source):
    members = {"pCT/a.png": png(1), "nCT\\b.dcm": series()["IM1"], "pCT/v.nii": nifti_bytes(volume())}
    (source / "scans.zip").write_bytes(zip_bytes(members | {"README.txt": b"x", "__MACOSX/a": b"x"}))
    (source / "NiCT.dat").write_bytes(zip_bytes({"c.png": png(3)}))  # the content decides
    (source / "NiCT.zip").write_bytes(zip_bytes({"pneumonia/c.png": png(4)}))
    summary, table = index(workspace, source)
    assert summary.errors == [] and summary.passed_over == ["scans.zip/README.txt"]
    assert dict(zip(table["path"], table["label"], strict=True)) == {
        "NiCT.dat/c.png": "NiCT.dat",
        "NiCT.zip/pneumonia/c.png": "non-informative",
        "nCT/a.png": "negative",
        "scans.zip/nCT/b.dcm": "negative",
        "scans.zip/pCT/a.png": "positive",
        "scans.zip/pCT/v.nii": "positive",
    }
    assert (table["path"] == "scans.zip/pCT/v.nii").sum() == 3
    assert list(table.loc["scans.zip/pCT/v.nii", "frame"]) == [0, 1, 2]


def volume():
    return np.random.default_rng(0).integers(-1000, 400, (24, 20, 3)).astype(np.int16)


def test_a_member_is_read_wherever_a_slice_is(workspace, source):
    (source / "pCT.zip").write_bytes(zip_bytes({"one/a.png": png(1), **series()}))
    _, table = index(workspace, source)
    row = table.loc["pCT.zip/one/a.png"]
    expected = read_slice_bytes(png(1)).image
    np.testing.assert_array_equal(read_slice(source / "pCT.zip" / "one" / "a.png").image, expected)
    np.testing.assert_array_equal(load_slice(workspace, "set", row).image, expected)
    assert load_thumbnail(workspace, "set", row) is not None
    assert load_slice(workspace, "set", table.loc["pCT.zip/IM2"]).header.patient_id.startswith("P-")
    cache = build_cache(workspace, "set", PRESETS["hilum"])
    assert sorted(cache.slice_ids) == sorted(table["slice_id"]) and len(cache.unreadable) == 0


def test_an_unchanged_archive_is_not_read_again_and_a_changed_one_is(workspace, source):
    path = source / "pCT.zip"
    path.write_bytes(zip_bytes({"a.png": png(1), "b.png": png(2)}))
    first, before = index(workspace, source)
    second, again = index(workspace, source)
    assert (first.read, second.read) == (3, 0)
    assert list(before["slice_id"]) == list(again["slice_id"])
    path.write_bytes(zip_bytes({"a.png": png(1), "b.png": png(3), "c.png": png(4)}))
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 10**9))
    third, after = index(workspace, source)
    assert third.read == 3 and len(after) == 4
    assert after.loc["pCT.zip/a.png", "content_hash"] == before.loc["pCT.zip/a.png", "content_hash"]
    assert after.loc["pCT.zip/b.png", "content_hash"] != before.loc["pCT.zip/b.png", "content_hash"]


def test_a_folder_of_archives_may_move(workspace, tmp_path, source):
    (source / "nCT" / "a.png").unlink()
    (source / "pCT.zip").write_bytes(zip_bytes({"a.png": png(1)}))
    index(workspace, source)
    source.rename(tmp_path / "elsewhere")
    assert index(workspace, tmp_path / "elsewhere")[0].read == 0


def test_a_csv_names_members(workspace, source):
    (source / "s.zip").write_bytes(zip_bytes({"a.png": png(1)}))
    (source / "labels.csv").write_text("path,label,patient_id\ns.zip/a.png,pCT,P1\ns.zip/b.png,pCT,P2\n")
    summary, table = index(workspace, source)
    assert codes(summary) == {"s.zip/b.png": "missing-file"}
    assert list(table.loc["s.zip/a.png", ["label", "patient_id"]]) == ["positive", "P1"]


def encrypted(data, name):
    """Set the flag of encryption in both headers of a member."""
    changed = bytearray(data)
    local, central = changed.find(name), changed.rfind(name)
    changed[local - 24] |= 1
    changed[central - 38] |= 1
    return bytes(changed)


def test_traps_are_rows_with_reasons_and_the_rest_is_read(workspace, source, tmp_path):
    members = {
        "../../outside.png": png(1),
        "/etc/passwd": b"root",
        "C:\\windows\\a.png": png(2),
        "inner.zip": zip_bytes({"a.png": png(3)}),
        "inner.7z": b"7z\xbc\xaf\x27\x1c" + bytes(100),
        "inner.tar.gz": b"\x1f\x8b\x08" + bytes(100),
        "inner.tar": bytes(257) + b"ustar" + bytes(300),
        "bomb.png": bytes(40 * 2**20),
        "secret.png": png(4),
        "text.png": b"no picture",
        "empty.png": b"",
        "n" * 1200: png(5),
        "good.png": png(6),
    }
    (source / "pCT.zip").write_bytes(encrypted(zip_bytes(members), b"secret.png"))
    summary, table = index(workspace, source)
    assert codes(summary) == {
        "pCT.zip/__/__/outside.png": "unsafe-name",
        "pCT.zip/etc/passwd": "unsafe-name",
        "pCT.zip/C:/windows/a.png": "unsafe-name",
        "pCT.zip/inner.zip": "nested-archive",
        "pCT.zip/inner.7z": "unsupported-format",
        "pCT.zip/inner.tar.gz": "unsupported-format",
        "pCT.zip/inner.tar": "unsupported-format",
        "pCT.zip/bomb.png": "archive-bomb",
        "pCT.zip/secret.png": "encrypted",
        "pCT.zip/text.png": "not-an-image",
        "pCT.zip/empty.png": "empty-file",
        "pCT.zip/" + "n" * 1000: "bad-name",
    }
    assert all(error["reason"].endswith(".") for error in summary.errors)
    assert table.loc["pCT.zip/good.png", "status"] == "ok"
    assert not (tmp_path / "outside.png").exists() and sorted(os.listdir(source)) == ["nCT", "pCT.zip"]


def test_names_that_come_twice_are_told_apart(workspace, source):
    path = source / "pCT.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.png", png(1))
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("a.png", png(2))
    summary, table = index(workspace, source)
    assert codes(summary) == {"pCT.zip/a.png (2)": "duplicate-name"}
    np.testing.assert_array_equal(
        load_slice(workspace, "set", table.loc["pCT.zip/a.png"]).image.shape, (64, 64)
    )


def test_members_that_share_bytes_are_a_bomb(tmp_path):
    data = bytearray(zip_bytes({"a.png": png(1), "b.png": png(2)}))
    second = data.rfind(b"PK\x01\x02")
    data[second + 42 : second + 46] = struct.pack("<I", 0)
    (tmp_path / "overlap.zip").write_bytes(data)
    with closing(Archive(tmp_path / "overlap.zip")) as archive:
        problems = [member.problem.code for member in archive.members]
    assert problems == ["archive-bomb"] * 2


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (zip_bytes({}), "no-slices"),
        (zip_bytes({"a.png": png(1)})[:-30], "corrupt"),
        (b"PK\x03\x04" + bytes(50), "corrupt"),
        (zip_bytes({"[Content_Types].xml": b"<x/>", "word/document.xml": b"<x/>"}), "unsupported-format"),
    ],
)
def test_an_archive_that_is_none_is_one_row(workspace, source, data, code):
    (source / "pCT.zip").write_bytes(data)
    assert codes(index(workspace, source)[0]) == {"pCT.zip": code}


@pytest.mark.parametrize(("limit", "value"), [("MAX_MEMBERS", 2), ("MAX_TOTAL_BYTES", 100)])
def test_archives_have_limits(tmp_path, monkeypatch, limit, value):
    monkeypatch.setattr(module, limit, value)
    (tmp_path / "many.zip").write_bytes(zip_bytes({f"{at}.png": png(at) for at in range(3)}))
    with pytest.raises(SliceError) as caught:
        Archive(tmp_path / "many.zip")
    assert caught.value.code == "too-large"


def test_a_member_beyond_the_limit_is_refused_before_it_is_inflated(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MAX_MEMBER_BYTES", 1000)
    (tmp_path / "large.zip").write_bytes(zip_bytes({"a.png": bytes(2000)}))
    with closing(Archive(tmp_path / "large.zip")) as archive:
        with pytest.raises(SliceError, match="Unpack it") as caught:
            archive.read("a.png")
    assert caught.value.code == "too-large"


def test_a_damaged_member_is_one_row(workspace, source):
    data = bytearray(zip_bytes({"a.png": png(1), "b.png": png(2)}))
    data[60:70] = bytes(10)
    (source / "pCT.zip").write_bytes(data)
    summary, table = index(workspace, source)
    assert codes(summary) == {"pCT.zip/a.png": "corrupt"} and "archive" in summary.errors[0]["reason"]
    assert table.loc["pCT.zip/b.png", "status"] == "ok"


def test_a_path_into_a_plain_file_or_a_missing_member_is_missing(source):
    (source / "pCT.zip").write_bytes(zip_bytes({"a.png": png(1)}))
    for path in (source / "pCT.zip" / "b.png", source / "nCT" / "none.png"):
        with pytest.raises(SliceError) as caught:
            read_slice(path)
        assert caught.value.code == "missing-file"
    with pytest.raises(SliceError) as caught:
        read_slice(source / "nCT" / "a.png" / "b.png")
    assert caught.value.code == "corrupt"
    for read in (lambda: read_slice(source / "pCT.zip"), lambda: read_slice_bytes(zip_bytes({"a": b"x"}))):
        with pytest.raises(SliceError) as caught:
            read()
        assert caught.value.code == "archive"


def test_thousands_of_members_are_rows(workspace, source):
    members = {f"{at % 7}/{at}.png": png(at, 16) for at in range(2000)} | {"bad.png": b"no picture"}
    (source / "pCT.zip").write_bytes(zip_bytes(members))
    summary, table = index(workspace, source)
    assert codes(summary) == {"pCT.zip/bad.png": "not-an-image"}
    assert (table["label"] == "positive").sum() == 2001


def test_an_archive_stays_open_while_it_is_the_same(tmp_path):
    path = tmp_path / "a.zip"
    path.write_bytes(zip_bytes({"a.png": png(1)}))
    first = module.keep_archive(path)
    assert module.keep_archive(path) is first
    path.write_bytes(zip_bytes({"b.png": png(2), "c.png": png(3)}))
    assert [member.name for member in module.keep_archive(path).members] == ["b.png", "c.png"]
    module.forget_archive()
