"""Copies are found whatever was done to them; different pictures are not."""

import cv2
import numpy as np
import pandas as pd
import pytest

from pipeline.data.clusters import load_clusters
from pipeline.data.duplicates import connected_components, find_duplicate_pairs, near_duplicate_clusters
from pipeline.data.index import build_index, load_index
from pipeline.data.slice_image import SliceImage
from pipeline.data.statistics import describe_slice


def changed(image):
    """What people do to slices: name -> the changed one."""
    rows, columns = image.shape
    jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 40])[1]
    turn = cv2.getRotationMatrix2D((columns / 2, rows / 2), 1, 1)
    return {
        "recompressed": cv2.imdecode(jpeg, cv2.IMREAD_GRAYSCALE),
        "halved": cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
        "doubled": cv2.resize(image, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC),
        "contrast": np.clip(image.astype(float) * 1.2 - 10, 0, 255).astype(np.uint8),
        "darker": (image * 0.7).astype(np.uint8),
        "turned": cv2.warpAffine(image, turn, (columns, rows), borderMode=cv2.BORDER_REPLICATE),
    }


def described(images):
    """An index and fingerprints of images in memory."""
    measured = [describe_slice(SliceImage(image, "grey", "png", 8)) for image in images]
    index = pd.DataFrame([facts for facts, _ in measured])
    index.insert(0, "slice_id", [f"{at:04d}" for at in range(len(images))])
    return index, np.stack([fingerprint for _, fingerprint in measured])


@pytest.mark.parametrize("change", ["recompressed", "halved", "doubled", "contrast", "darker", "turned"])
def test_planted_copies_are_found_and_nothing_else(picture, change):
    originals = [picture(seed, size=256) for seed in range(30)]
    copies = [changed(image)[change] for image in originals]
    index, fingerprints = described(originals + copies)
    clusters = near_duplicate_clusters(index, fingerprints)
    assert list(clusters[:30]) == list(clusters[30:])
    assert clusters.nunique() == 30


def test_exact_copies_are_exact_whatever_the_container(workspace, folder):
    cv2.imwrite(str(folder / "nCT" / "same.bmp"), cv2.imread(str(folder / "pCT" / "pCT1.png"), 0))
    build_index(workspace, folder, name="set")
    index = load_index(workspace, "set")
    clusters = load_clusters(workspace, "set")
    joined = index["path"][clusters == clusters[index["path"] == "pCT/pCT1.png"].item()]
    assert set(joined) == {"pCT/pCT1.png", "nCT/same.bmp"}
    assert list(load_clusters(workspace, "set")) == list(clusters)


def test_flat_and_unreadable_slices_are_copies_of_nobody():
    flat = [np.full((64, 64), value, np.uint8) for value in (0, 10, 200)]
    index, fingerprints = described(flat)
    index.loc[3] = {"slice_id": "bad", "content_hash": None}
    index.loc[4] = {"slice_id": "worse", "content_hash": None}
    clusters = near_duplicate_clusters(index, np.concatenate([fingerprints, np.zeros((2, 32, 32), np.uint8)]))
    assert clusters.is_unique


def test_an_empty_index_has_no_clusters():
    index = pd.DataFrame({"slice_id": [], "content_hash": []}, dtype="str")
    assert len(near_duplicate_clusters(index, np.zeros((0, 32, 32), np.uint8))) == 0


def test_components_join_over_others():
    roots = connected_components(6, np.array([0, 4, 1]), np.array([1, 5, 2]))
    np.testing.assert_array_equal(roots, [0, 0, 0, 3, 4, 4])


def test_pairs_say_how_alike_they_are(picture):
    index, fingerprints = described([picture(1), picture(1), changed(picture(1))["darker"]])
    pairs = find_duplicate_pairs(index, fingerprints)
    assert list(pairs.exact) == [True, False]
    assert pairs.correlation.min() > 0.98


def test_real_slices_of_different_people_are_not_joined(workspace, real_data):
    build_index(workspace, real_data / "slices", name="real", labels_csv=real_data / "slices.csv")
    index = load_index(workspace, "real")
    joined = index.assign(cluster=load_clusters(workspace, "real")).groupby("cluster")["patient_id"].nunique()
    assert (joined <= 1).all()
