"""Copies are found whatever was done to them; different pictures are not."""

import os
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from pipeline.data.clusters import load_clusters, load_pairs
from pipeline.data.duplicates import (
    DuplicatePairs,
    KnownFingerprints,
    connected_components,
    count_copies,
    find_duplicate_pairs,
    near_duplicate_clusters,
)
from pipeline.data.index import build_index, load_index
from pipeline.data.phantom.patient import Patient, generate_patient
from pipeline.data.slice_image import SliceImage
from pipeline.data.statistics import describe_slice, display_grey

CHANGES = (
    "recompressed", "halved", "doubled", "reduced to 224", "contrast", "darker", "gamma", "shifted",
    "turned by 1", "turned by 2", "cropped", "cropped at a corner", "noisy", "all at once",
)  # fmt: skip


def moved(image, *, turn=0.0, share=(0.0, 0.0)):
    """The picture turned by degrees and shifted by shares of its sides."""
    rows, columns = image.shape
    motion = cv2.getRotationMatrix2D((columns / 2, rows / 2), turn, 1)
    motion[:, 2] += np.multiply(share, (columns, rows))
    return cv2.warpAffine(image, motion, (columns, rows), borderMode=cv2.BORDER_REPLICATE)


def recompressed(image, quality):
    data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)


def changed(image, change):
    """What people do to slices."""
    rows, columns = image.shape
    noise = np.random.default_rng(0).normal(0, 8, image.shape)
    top, left = round(rows * 0.03), round(columns * 0.03)
    match change:
        case "recompressed":
            return recompressed(image, 40)
        case "halved":
            return cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        case "doubled":
            return cv2.resize(image, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
        case "reduced to 224":
            return cv2.resize(image, (224, 224))
        case "contrast":
            return np.clip(image.astype(float) * 1.2 - 10, 0, 255).astype(np.uint8)
        case "darker":
            return (image * 0.7).astype(np.uint8)
        case "gamma":
            return (255 * (image / 255.0) ** 0.7).astype(np.uint8)
        case "shifted":
            return moved(image, share=(0.02, -0.015))
        case "turned by 1":
            return moved(image, turn=1)
        case "turned by 2":
            return moved(image, turn=-2)
        case "cropped":
            return image[top : rows - top, left : columns - left]
        case "cropped at a corner":
            return image[top:, left:]
        case "noisy":
            return np.clip(image + noise, 0, 255).astype(np.uint8)
        case "all at once":
            toned = moved((image * 0.9).astype(np.uint8), turn=1, share=(0.01, 0.005))
            return recompressed(cv2.resize(toned, (400, 400), interpolation=cv2.INTER_AREA), 50)
    raise AssertionError(change)


@pytest.fixture(scope="module")
def phantoms():
    """24 slices of as many phantoms, in the lung window."""
    return [display_grey(generate_patient(seed, slices=3)[1].slice_hu, intensity="hu") for seed in range(24)]


def found_pairs(originals, copies):
    """Which originals are paired with their own copy, how many of them as a copy, and which pairs else."""
    index, fingerprints = described([*originals, *copies])
    pairs = find_duplicate_pairs(index, fingerprints)
    own = pairs.second - pairs.first == len(originals)
    return own.sum(), (own & ~pairs.neighbours).sum(), (~own).sum()


def described(images):
    """An index and fingerprints of images in memory."""
    measured = [describe_slice(SliceImage(image, "grey", "png", 8)) for image in images]
    index = pd.DataFrame([facts for facts, _ in measured])
    index.insert(0, "slice_id", [f"{at:04d}" for at in range(len(images))])
    return index, np.stack([fingerprint for _, fingerprint in measured])


@pytest.mark.parametrize("change", CHANGES)
def test_planted_copies_of_phantoms_are_found_and_nothing_else(phantoms, change):
    found, as_copies, others = found_pairs(phantoms, [changed(image, change) for image in phantoms])
    assert (found, others) == (24, 0)
    assert as_copies >= 22  # clipped contrast alone may look like a neighbour


@pytest.mark.parametrize("change", CHANGES)
def test_planted_copies_of_real_slices_are_found_and_nothing_else(real_slices, change):
    found, as_copies, others = found_pairs(real_slices, [changed(image, change) for image in real_slices])
    assert found >= 0.99 * len(real_slices)
    assert as_copies >= 0.9 * found
    assert others == 0


@pytest.fixture(scope="module")
def real_slices():
    """100 real slices of as many people."""
    folder = os.environ.get("HILUM_REAL_DATA")
    if not folder:
        pytest.skip("HILUM_REAL_DATA is not set")
    paths = sorted(Path(folder, "slices").glob("*CT/mos-*"))[::6][:100]
    return [cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in paths]


@pytest.mark.parametrize(("seed", "step"), [(7, 0.012), (8, 0.004), (9, 0.004)])
def test_neighbours_are_alike_and_no_copies(seed, step):
    """Slices of 1.5 to 4.4 mm apart are told from one of them compressed again."""
    patient = Patient(seed)
    levels = [patient.slice_at(0.5 + step * at) for at in range(5)]
    images = [display_grey(one.slice_hu, intensity="hu") for one in levels]
    index, fingerprints = described([*images, recompressed(images[0], 40)])
    pairs = find_duplicate_pairs(index, fingerprints)
    kinds = {
        (one, other): neighbours
        for one, other, neighbours in zip(
            pairs.first.tolist(), pairs.second.tolist(), pairs.neighbours.tolist(), strict=True
        )
    }
    assert not kinds[0, 5]
    assert all(kinds[one, one + 1] for one in range(4))


def test_a_second_copy_of_a_thin_series_is_found_though_neighbours_are_nearer(phantoms):
    """Each slice's nearest are its own neighbours: the other series is looked for beyond them."""
    series = made_up_series(phantoms[3], 60)
    shifted = [moved(image, share=(0.02, 0.01)) for image in series]
    index, fingerprints = described(series + shifted)
    clusters = near_duplicate_clusters(index, fingerprints)
    assert clusters.nunique() == 1


def made_up_series(image, count):
    """Slices that fade from one picture into its mirror image, each with noise of its own."""
    generator = np.random.default_rng(1)
    other = cv2.flip(image, 1).astype(float)
    return [
        np.clip(image + (other - image) * 0.3 * at / count + generator.normal(0, 5, image.shape), 0, 255)
        .astype(np.uint8)
        for at in range(count)
    ]  # fmt: skip


def test_exact_copies_are_exact_whatever_the_container(workspace, folder):
    cv2.imwrite(str(folder / "nCT" / "same.bmp"), cv2.imread(str(folder / "pCT" / "pCT1.png"), 0))
    build_index(workspace, folder, name="set")
    index = load_index(workspace, "set")
    clusters = load_clusters(workspace, "set")
    joined = index["path"][clusters == clusters[index["path"] == "pCT/pCT1.png"].item()]
    assert set(joined) == {"pCT/pCT1.png", "nCT/same.bmp"}
    assert list(load_clusters(workspace, "set")) == list(clusters)
    first, again = load_pairs(workspace, "set"), load_pairs(workspace, "set")
    for name, values in vars(first).items():
        np.testing.assert_array_equal(values, getattr(again, name))


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
    index, fingerprints = described([picture(1), picture(1), changed(picture(1), "darker")])
    pairs = find_duplicate_pairs(index, fingerprints)
    assert list(pairs.exact) == [True, False]
    assert list(pairs.copies) == [False, True]
    assert pairs.residual.max() < 0.001


def test_one_fingerprint_is_recognised_among_others(phantoms):
    _, fingerprints = described([*phantoms, np.zeros((64, 64), np.uint8)])
    _, (shifted,) = described([changed(phantoms[5], "shifted")])
    known = KnownFingerprints(fingerprints)
    assert list(known.near_copies(shifted)) == [5]
    assert not len(known.near_copies(fingerprints[-1])), "a flat one is like nothing"
    alone = KnownFingerprints(fingerprints[5:6])
    assert list(alone.near_copies(shifted)) == [0]


def test_copies_are_counted_over_what_joins_them_and_neighbours_not():
    """0 and 1 show the same pixels, 2 is 1 changed, 3 is a neighbour of 2, 4 is alone."""
    first, second = np.array([0, 1, 2]), np.array([1, 2, 3])
    exact, neighbours = np.array([True, False, False]), np.array([False, False, True])
    pairs = DuplicatePairs(first, second, np.zeros(3, np.float32), exact, neighbours)
    assert list(count_copies(5, pairs)) == [2, 2, 2, 0, 0]


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_is_recognised_among_others(phantoms, change):
    _, fingerprints = described(phantoms)
    known = KnownFingerprints(fingerprints)
    places = range(0, len(phantoms), 7)
    _, altered = described([changed(phantoms[at], change) for at in places])
    assert all(at in known.near_copies(each) for at, each in zip(places, altered, strict=True))


def test_real_slices_of_different_people_are_not_joined(workspace, real_data):
    build_index(workspace, real_data / "slices", name="real", labels_csv=real_data / "slices.csv")
    index = load_index(workspace, "real")
    joined = index.assign(cluster=load_clusters(workspace, "real")).groupby("cluster")["patient_id"].nunique()
    assert (joined <= 1).all()
