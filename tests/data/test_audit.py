"""The audit: planted faults are found and named, clean data raises no alarm."""

import json

import cv2
import numpy as np
import pandas as pd
import pytest

from pipeline.data.audit import audit_dataset, load_audit
from pipeline.data.composition import find_imbalance
from pipeline.data.datasets import DatasetNotFoundError
from pipeline.data.findings import MOST_SLICES, Finding
from pipeline.data.giveaways import find_giveaways
from pipeline.data.index import build_index, load_index
from pipeline.data.shortcuts import auc
from pipeline.data.splits import make_split


@pytest.fixture
def planted(workspace, tmp_path, picture, write_picture):
    """40 slices of 20 patients, with one fault of each kind."""
    root = tmp_path / "slices"
    lines = ["path,label,patient_id,source"]

    def add(name, image, label, patient, source="clinic"):
        write_picture(root / label / name, image)
        lines.append(f"{label}/{name},{label},{patient},{source}")

    for number in range(36):
        label = "pCT" if number % 2 else "nCT"
        add(f"{number}.png", picture(number, size=256), label, f"P{number // 2}")
    add("contradiction.png", picture(1, size=256), "nCT", "P0")
    dark = (picture(3, size=256) * 0.8).astype(np.uint8)
    add("twin.png", dark, "pCT", "P17")
    add("tiny.png", picture(50, size=64), "pCT", "P18")
    add("blank.png", np.full((256, 256), 90, np.uint8), "nCT", "P19")
    arrow = cv2.merge([picture(51, size=256)] * 3)
    cv2.line(arrow, (3, 3), (90, 90), (0, 0, 255), 3)
    add("arrow.png", arrow, "pCT", "P18")
    cv2.imwrite(str(root / "pCT" / "lie.jpg"), picture(52, size=256))
    (root / "pCT" / "lie.jpg").rename(root / "pCT" / "lie.png")
    (root / "pCT" / "note.txt").write_text("text")
    (root / "labels.csv").write_text("\n".join(lines))
    build_index(workspace, root, name="planted")
    return workspace


def test_planted_faults_are_found_and_named(planted):
    make_split(planted, "planted", group_by="none")
    report = audit_dataset(planted, "planted")
    found = {finding.code: finding for finding in report.findings}
    assert {
        "unreadable-not-an-image", "tiny", "blank", "colour", "wrong-extension", "patients-unknown",
        "exact-copies-across-classes", "near-copies-across-patients", "patients-on-both-sides",
    } <= set(found)  # fmt: skip
    paths = load_index(planted, "planted").set_index("slice_id")["path"]
    assert [paths[one] for one in found["blank"].slice_ids] == ["nCT/blank.png"]
    assert {paths[one] for one in found["exact-copies-across-classes"].slice_ids} == {
        "nCT/contradiction.png", "pCT/1.png",
    }  # fmt: skip
    assert {paths[one] for one in found["near-copies-across-patients"].slice_ids} == {
        "pCT/3.png",
        "pCT/twin.png",
    }
    assert found["exact-copies-across-classes"].severity == "bad"
    severities = [finding.severity for finding in report.findings]
    assert severities == sorted(severities, key=["bad", "warn", "note"].index)


def test_the_report_is_kept_and_knows_when_it_is_stale(planted, tmp_path):
    assert load_audit(planted, "planted") is None
    report = audit_dataset(planted, "planted")
    json.dumps(report.to_json(), allow_nan=False)
    assert load_audit(planted, "planted") == report
    assert not load_audit(planted, "planted").stale
    make_split(planted, "planted", group_by="none")
    assert load_audit(planted, "planted").stale


def test_lung_fractions_are_filled_once_and_survive_the_next_index(planted, tmp_path):
    audit_dataset(planted, "planted")
    filled = load_index(planted, "planted")
    assert filled.loc[filled["status"] == "ok", "lung_fraction"].between(0, 1).all()
    build_index(planted, tmp_path / "slices", name="planted")
    pd.testing.assert_series_equal(load_index(planted, "planted")["lung_fraction"], filled["lung_fraction"])


def test_a_split_by_patient_has_no_leak(planted):
    make_split(planted, "planted")
    codes = {finding.code for finding in audit_dataset(planted, "planted").findings}
    assert not codes & {"patients-on-both-sides", "copies-on-both-sides"}


def test_an_unknown_data_set_is_named(workspace):
    with pytest.raises(DatasetNotFoundError, match="nothing"):
        audit_dataset(workspace, "nothing")


def labelled(count=120, **columns):
    """Labelled rows, half of each class, every slice a patient."""
    generator = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "slice_id": [f"{at:04d}" for at in range(count)],
            "label": ["positive", "negative"] * (count // 2),
            "source": None,
            "manufacturer": None,
            "kernel": None,
            "width": 512,
            "height": 512,
            "channels": 1,
            "bit_depth": 8,
            "bytes": generator.integers(40_000, 60_000, count),
            "border_mean": generator.normal(20, 3, count),
            "dark_fraction": generator.uniform(0.2, 0.3, count),
            "format": "png",
            "channels_equal": True,
        }
        | columns
    )
    return table.astype(dict.fromkeys(("source", "label", "manufacturer", "kernel"), "str")), pd.Series(
        table["slice_id"]
    )


def test_fair_data_raises_no_alarm():
    estimates, findings = find_giveaways(*labelled())
    assert findings == []
    assert all(estimate.low < 0.65 for estimate in estimates)


def test_a_telling_format_and_a_bright_border_are_culprits():
    positive = np.tile([True, False], 60)
    border = np.random.default_rng(1).normal(20, 3, 120) + 30 * positive
    table, groups = labelled(format=np.where(positive, "jpeg", "png"), border_mean=border)
    _, findings = find_giveaways(table, groups)
    assert {finding.code for finding in findings} == {"shortcut-format", "shortcut-border_mean"}
    for finding in findings:
        assert finding.severity == "bad" and finding.estimate["value"] > 0.99
    assert (
        "It is jpeg in 60 of 60 positive slices, and in 0 of 60 others" in findings[0].text + findings[1].text
    )


def test_a_value_that_one_class_has_is_named_though_its_auc_is_low():
    channels = np.full(120, 4)
    channels[:36:2] = 3
    _, findings = find_giveaways(*labelled(channels=channels))
    (finding,) = findings
    assert finding.code == "give-away-channels"
    assert finding.estimate["low"] < 0.65
    assert "Each of the 18 slices whose number of channels is 3 is positive" in finding.text
    assert finding.count == len(finding.slice_ids) == 18


def test_a_giveaway_within_one_source_is_found_there():
    positive = np.tile([True, False], 60)
    source = np.repeat(["a", "b"], 60)
    channels = np.where(positive & (source == "b"), 3, 4)
    _, findings = find_giveaways(*labelled(channels=channels, source=source))
    scopes = {finding.details["scope"] for finding in findings}
    assert "source b" in scopes and "source a" not in scopes


def test_many_names_for_values_do_not_flatter_a_feature():
    """A column with a value of its own for each patient tells nothing about others."""
    _, findings = find_giveaways(*labelled(format=[f"f{at}" for at in range(120)]))
    assert findings == []


def test_groups_widen_the_interval():
    border = np.repeat(np.random.default_rng(2).normal(20, 3, 12), 10)
    labels = np.repeat(["positive", "negative"] * 6, 10)
    table, groups = labelled(label=labels, border_mean=border)
    alone, _ = find_giveaways(table, groups)
    together, _ = find_giveaways(table, pd.Series(np.repeat([f"P{at}" for at in range(12)], 10)))

    def width(estimates):
        return next(one.high - one.low for one in estimates if one.feature == "border_mean")

    assert width(together) > 2 * width(alone)


def test_auc_agrees_with_scikit_learn():
    from sklearn.metrics import roc_auc_score

    generator = np.random.default_rng(0)
    scores, is_label = generator.integers(0, 9, 200).astype(float), generator.random(200) < 0.3
    assert auc(scores, is_label) == pytest.approx(roc_auc_score(is_label, scores))


def test_a_class_of_one_source_and_of_few_patients_is_named():
    table, groups = labelled(source=["a", "b"] * 60, label=["positive", "negative"] * 60)
    groups = groups.mask(table["label"] == "positive", "P1")
    codes = [finding.code for finding in find_imbalance(table, groups)]
    assert codes == ["class-of-one-source", "class-of-few-patients", "class-of-one-source"]


def test_a_finding_names_at_most_so_many_slices():
    finding = Finding("quality", "x", "note", "X", "x.", 10_000, slice_ids=[str(at) for at in range(10_000)])
    assert len(finding.to_json()["slice_ids"]) == MOST_SLICES


def test_the_giveaway_of_real_slices_is_found(workspace, real_data):
    build_index(workspace, real_data / "slices", name="real", labels_csv=real_data / "slices.csv")
    table = load_index(workspace, "real")
    _, findings = find_giveaways(table, table["patient_id"].fillna(table["slice_id"]))
    assert ("give-away-channels", "source sp") in {(one.code, one.details["scope"]) for one in findings}
