"""Quality: slices with one defect each are found, whole ones are not, and nothing is measured twice."""

import cv2
import numpy as np
import pytest

from pipeline.data import measuring
from pipeline.data.audit import audit_dataset, load_audit
from pipeline.data.index import build_index, load_index
from pipeline.data.marks import count_frames, count_marks
from pipeline.data.measures import COLUMNS, _window, measure_blur, measure_noise, measure_slice, missing_rows
from pipeline.data.phantom import generate_patient
from pipeline.data.quality import find_quality
from pipeline.data.reading import read_slice
from pipeline.data.slice_image import SliceImage
from pipeline.data.statistics import display_grey
from pipeline.preprocessing.lungs.body import find_body
from pipeline.preprocessing.windowing import to_grey8

DEFECTS = ("window-narrow", "window-wide", "blurred", "noisy", "marks", "body-cut", "not-chest-ct", "cut-off")


@pytest.fixture(scope="module")
def chest():
    """A slice through the middle of a synthetic chest, HU."""
    return generate_patient(1001, slices=6)[3].slice_hu


@pytest.fixture(scope="module")
def grey(chest):
    return display_grey(chest, intensity="hu")


def codes(*images):
    """Return what is found in these slices, each seen alone."""
    import pandas as pd

    rows = []
    for number, image in enumerate(images):
        read = SliceImage(image, "grey", "png", 8)
        row = measure_slice(read) | {"slice_id": str(number), "p01": 0, "p99": 255, "status": "ok"}
        rows.append(row | {"width": 512, "height": 512, "channels_equal": True, "label": "positive"})
    table = pd.DataFrame(rows).assign(path="a.png", format="png", intensity="grey")
    return {finding.code for finding in find_quality(table)}


def head():
    """A skull: a white ring, taller than wide, around grey brain."""
    picture = np.zeros((300, 300), np.uint8)
    cv2.ellipse(picture, (150, 150), (100, 125), 0, 0, 360, 255, -1)
    cv2.ellipse(picture, (150, 150), (88, 113), 0, 0, 360, 90, -1)
    noise = np.random.default_rng(0).normal(0, 3, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def written_on(grey):
    picture = grey.copy()
    cv2.putText(picture, "L 12", (18, 40), cv2.FONT_HERSHEY_SIMPLEX, 0.9, 255, 2)
    return picture


def test_a_whole_slice_has_no_defect(grey):
    assert not codes(grey) & set(DEFECTS)


def test_each_defect_is_found(chest, grey):
    noise = np.random.default_rng(0).normal(0, 25, grey.shape)
    tail = grey.copy()
    tail[400:] = 128
    defects = {
        "window-narrow": to_grey8(chest, intensity="hu", center=40, width=400),
        "window-wide": to_grey8(chest, intensity="hu", center=1000, width=6000),
        "blurred": cv2.GaussianBlur(grey, (0, 0), 2.5),
        "noisy": np.clip(grey * 0.8 + 20 + noise, 0, 255).astype(np.uint8),
        "marks": written_on(grey),
        "body-cut": np.ascontiguousarray(grey[150:380, 100:420]),
        "not-chest-ct": head(),
        "cut-off": tail,
    }
    for code, image in defects.items():
        assert code in codes(image), code


@pytest.mark.parametrize("seed", [1002, 1003, 1004])
def test_phantoms_raise_few_alarms(seed):
    """From neck to abdomen, in HU: no defect is seen that was not put there."""
    for phantom in generate_patient(seed, slices=6):
        measured = measure_slice(SliceImage(phantom.slice_hu, "hu", "dicom", 16))
        assert measured["chest_doubt"] is None
        assert measured["marks"] == 0 and measured["missing_rows"] == 0
        assert measured["blur"] < 0.47 and (measured["noise"] or 0) < 8


def test_only_what_stands_free_in_the_air_is_a_mark():
    """A long table under the body is none; a letter is, and so is each letter of a line."""
    picture = np.full((400, 400), 30, np.uint8)
    body = np.zeros_like(picture)
    cv2.ellipse(body, (200, 200), (130, 100), 0, 0, 360, 255, -1)
    picture[body > 0] = 180
    cv2.ellipse(picture, (200, 150), (170, 190), 0, 40, 140, 230, 2)
    assert count_marks(picture, body) == 0
    cv2.putText(picture, "R", (20, 50), cv2.FONT_HERSHEY_SIMPLEX, 1, 255, 2)
    assert count_marks(picture, body) == 1
    cv2.putText(picture, "km", (320, 30), cv2.FONT_HERSHEY_SIMPLEX, 0.4, 255, 1)
    assert count_marks(picture, body) >= 2
    assert type(count_marks(picture, body)) is int, "it travels as JSON"


def test_one_slice_and_many_are_spoken_of_as_such(workspace, tmp_path, write_picture):
    for number in range(3):
        write_picture(tmp_path / "s" / "pCT" / f"{number}.png", np.full((300, 300), 90 + number, np.uint8))
    build_index(workspace, tmp_path / "s", name="blank")
    texts = [next(find_quality(load_index(workspace, "blank").head(count))).text for count in (1, 3)]
    assert texts[0].startswith("1 slice has hardly") and texts[1].startswith("3 slices have hardly")


def test_a_reason_against_a_file_ends_in_one_full_stop(workspace, tmp_path, write_picture):
    write_picture(tmp_path / "s" / "pCT" / "a.png", np.full((300, 300), 90, np.uint8))
    (tmp_path / "s" / "pCT" / "b.png").write_text("not a picture")
    build_index(workspace, tmp_path / "s", name="text")
    (text,) = (each.text for each in find_quality(load_index(workspace, "text")) if "be read" in each.text)
    assert ".." not in text and text.endswith(". Copy them again, or take them away.")


def test_white_margins_are_counted_by_side():
    picture = np.full((100, 100), 60, np.uint8)
    assert count_frames(picture) == 0
    picture[:4] = 255
    picture[:, -5:] = 255
    assert count_frames(picture) == 2


def test_the_window_is_read_from_lung_and_tissue():
    """Three fifths of the lung black, a quarter of the tissue white, 60 grey levels between the middles."""
    picture = np.full((100, 100), 100, np.uint8)
    lungs, tissue = np.zeros_like(picture), np.zeros_like(picture)
    lungs[:, :50], tissue[:, 50:] = 255, 255
    picture[:60, :50], picture[60:, :50] = 0, 40
    picture[:75, 50:], picture[75:, 50:] = 60, 255
    found = _window(picture, lungs, tissue)
    assert found == {
        "lung_black": pytest.approx(0.6), "tissue_white": pytest.approx(0.25), "lung_contrast": 60.0,
    }  # fmt: skip
    assert _window(picture, np.zeros_like(lungs), tissue)["lung_black"] is None


def test_a_plain_dark_end_is_no_lost_end():
    picture = np.full((100, 50), 128, np.uint8)
    picture[:70, ::2] = 10
    assert missing_rows(picture) == pytest.approx(0.3)
    picture[70:] = 0
    assert missing_rows(picture) == 0


def test_a_jpeg_whose_end_is_lost_is_found(tmp_path, grey):
    """Its decoder is content where an end marker follows, and makes the rest grey."""
    data = cv2.imencode(".jpg", grey)[1].tobytes()
    path = tmp_path / "cut.jpg"
    path.write_bytes(data[: len(data) * 6 // 10] + b"\xff\xd9")
    assert 0.1 < measure_slice(read_slice(path))["missing_rows"] < 0.9


def test_blur_grows_with_blurring_and_noise_is_recovered(grey):
    box = find_body(grey).box
    values = [measure_blur(grey, box=box)]
    values += [measure_blur(cv2.GaussianBlur(grey, (0, 0), sigma), box=box) for sigma in (1, 2, 3)]
    assert values == sorted(values) and values[-1] > 0.6
    flat = np.full((200, 200), 120.0) + np.random.default_rng(0).normal(0, 10, (200, 200))
    everywhere = np.full((200, 200), 255, np.uint8)
    assert measure_noise(flat.astype(np.uint8), everywhere) == pytest.approx(10, abs=1)


@pytest.fixture
def phantoms(workspace, tmp_path, write_picture, grey):
    """Three slices, one with letters; the one with letters is seen only if a count can travel."""
    write_picture(tmp_path / "s" / "pCT" / "a.png", grey)
    write_picture(tmp_path / "s" / "nCT" / "b.png", grey[:, ::-1].copy())
    write_picture(tmp_path / "s" / "pCT" / "written.png", written_on(grey))
    build_index(workspace, tmp_path / "s", name="phantoms")
    return workspace


def test_measures_are_kept_in_the_index_and_made_once(phantoms, tmp_path, monkeypatch):
    audit_dataset(phantoms, "phantoms")
    table = load_index(phantoms, "phantoms")
    assert set(COLUMNS) <= set(table.columns)
    assert table["marks"].notna().all() and table.set_index("path")["marks"]["pCT/written.png"] >= 1
    assert not (phantoms.dataset_dir("phantoms") / "audit.journal").exists()
    build_index(phantoms, tmp_path / "s", name="phantoms")
    monkeypatch.setattr(measuring, "work_through", None)  # whoever measures again fails
    audit_dataset(phantoms, "phantoms")


def test_a_killed_audit_goes_on_from_its_journal(phantoms, monkeypatch):
    monkeypatch.setattr(
        measuring, "atomic_write_parquet", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
    )
    with pytest.raises(KeyboardInterrupt):
        audit_dataset(phantoms, "phantoms")
    monkeypatch.undo()
    asked = []
    original = measuring.work_through

    def work_through(source, files, **options):
        asked.extend(files)
        return original(source, files, **options)

    monkeypatch.setattr(measuring, "work_through", work_through)
    audit_dataset(phantoms, "phantoms")
    assert asked == []
    assert load_index(phantoms, "phantoms")["audit_version"].notna().all()


def test_an_index_of_an_older_hilum_is_audited(phantoms):
    import pandas as pd

    path = phantoms.dataset_dir("phantoms") / "index.parquet"
    pd.read_parquet(path).drop(columns=["marks", "blur", "chest_doubt", "audit_version"]).to_parquet(path)
    assert load_audit(phantoms, "phantoms") is None
    assert "marks" in {finding.code for finding in audit_dataset(phantoms, "phantoms").findings}


def test_real_chest_slices_pass_and_others_are_found(workspace, real_data):
    for name, folder in (("chest", "slices/pCT"), ("others", "not-chest-ct")):
        build_index(workspace, real_data / folder, name=name)
        audit_dataset(workspace, name)
    doubted = {
        name: load_index(workspace, name)["chest_doubt"].notna().mean() for name in ("chest", "others")
    }
    assert doubted["chest"] <= 0.02 and doubted["others"] >= 0.9
