"""A report card finds out a map that says nothing, and lets one that says what the network does pass."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.explanation.checks import MapInQuestion, randomized_check
from pipeline.explanation.closed_form import margin_contrast
from pipeline.explanation.faithfulness import ORDERS, STEPS
from pipeline.explanation.methods import DEFAULT, OCCLUSION
from pipeline.explanation.occlusion import Patches
from pipeline.explanation.probe import probe_slice
from pipeline.explanation.report_card import (
    CAUTION,
    NOTHING_AGAINST,
    RELY_NOT,
    VERDICTS,
    make_report_card,
)
from pipeline.explanation.stability import perturbed, rank_correlation
from pipeline.progress import JobStopped
from tests.explanation.toy import CELLS, SIZE, ToyNetwork, spotted, toy_map

CONTRAST = margin_contrast(3, 0)


@pytest.fixture(scope="module")
def network():
    return ToyNetwork(np.random.default_rng(1).normal(0.5, 1, size=(CELLS, CELLS)))


@pytest.fixture(scope="module")
def patches():
    return spotted()


@pytest.fixture(scope="module")
def probe(network, patches):
    return probe_slice(network, patches)


def question(values, **changes):
    """A map whose lungs are where it is hottest."""
    on_slice = np.kron(values, np.ones((SIZE // CELLS, SIZE // CELLS)))
    lungs = (on_slice >= np.quantile(values, 0.7)).astype(np.uint8)
    return replace(MapInQuestion(values, CONTRAST, DEFAULT, values, on_slice, lungs), **changes)


def levels(card):
    return {check.key: check.level for check in card.checks}


def test_the_map_of_what_the_network_adds_up_passes(network, patches, probe):
    card = make_report_card(network, probe, question(toy_map(network, patches)))
    assert set(levels(card).values()) == {"good"}
    assert card.verdict == NOTHING_AGAINST and "right" in card.because
    assert card.faithfulness.deletion.area < card.faithfulness.deletion.random_areas.min()


def test_the_curves_begin_and_end_with_the_whole_and_the_emptied_slice(network, patches, probe):
    card = make_report_card(network, probe, question(toy_map(network, patches)))
    whole, empty = (network.run(image[None]).logits[0] @ CONTRAST for image in (patches.image, patches.empty))
    for curve, ends in (
        (card.faithfulness.deletion, (whole, empty)),
        (card.faithfulness.insertion, (empty, whole)),
    ):
        assert curve.margins.shape == (STEPS + 1,) and curve.random.shape == (ORDERS, STEPS + 1)
        for margins in (curve.margins, *curve.random):
            assert margins[[0, -1]] == pytest.approx(ends, abs=1e-6)


def test_the_map_turned_round_is_found_out(network, patches, probe):
    card = make_report_card(network, probe, question(-toy_map(network, patches)))
    assert card.verdict == RELY_NOT and card.sentence == "Do not rely on this map."
    assert {name for name, level in levels(card).items() if level == "bad"} >= {
        "deletion", "insertion", "agreement",
    }  # fmt: skip


def test_a_map_by_chance_is_not_let_pass(network, probe):
    rng = np.random.default_rng(7)
    cards = [make_report_card(network, probe, question(rng.normal(size=(CELLS, CELLS)))) for _ in range(20)]
    assert sum(card.verdict == NOTHING_AGAINST for card in cards) == 0
    assert sum(card.verdict == RELY_NOT for card in cards) >= 15


def test_a_constant_map_is_called_so(network, probe):
    card = make_report_card(network, probe, question(np.full((CELLS, CELLS), 0.2)))
    assert card.verdict == RELY_NOT and "constant" in card.because and not card.checks


def test_a_refused_slice_is_called_so(network, patches, probe):
    card = make_report_card(network, probe, question(toy_map(network, patches), refusal="A colour picture."))
    assert card.verdict == RELY_NOT and "refused: A colour picture." in card.because


def test_a_network_that_does_not_look_at_the_slice_is_found_out(patches):
    blind = ToyNetwork(works=False)
    card = make_report_card(blind, probe_slice(blind, patches), question(patches.image[::8, ::8, 0]))
    assert levels(card)["deletion"] == levels(card)["agreement"] == "unknown"
    assert levels(card)["stability"] == "unknown" and card.verdict != NOTHING_AGAINST


@pytest.mark.parametrize(
    ("weight", "amount"),
    [(-1.0, "more than it does whole"), (0.0, "as much as it does whole"), (-0.05, "as much as")],
)
def test_an_emptied_slice_that_speaks_for_the_class_is_called_so(patches, weight, amount):
    network = ToyNetwork(np.full((CELLS, CELLS), weight))
    card = make_report_card(network, probe_slice(network, patches), question(patches.image[::8, ::8, 0]))
    findings = [check.finding for check in card.checks if check.key in ("deletion", "insertion")]
    assert len(findings) == 2 and all(amount in finding for finding in findings)


def test_heat_outside_the_lungs_asks_for_caution_or_worse(network, patches, probe):
    values = toy_map(network, patches)
    lungs = np.zeros((SIZE, SIZE), np.uint8)
    row, column = np.argwhere(values == values.min())[0] * (SIZE // CELLS)
    lungs[row : row + 8, column : column + 8] = 1  # only there where everything speaks against
    card = make_report_card(network, probe, question(values, lung_mask=lungs))
    assert levels(card)["lungs"] == "bad" and card.verdict == RELY_NOT
    lungs[:, : SIZE // 2] = 1
    inside = make_report_card(network, probe, question(values, lung_mask=lungs))
    assert levels(inside)["lungs"] in ("good", "doubt", "bad")
    free = make_report_card(network, probe, question(values, lung_mask=lungs, lungs_matter=False))
    assert levels(free)["lungs"] == "unknown" and free.verdict == NOTHING_AGAINST
    nowhere = make_report_card(network, probe, question(values, lung_mask=None))
    assert levels(nowhere)["lungs"] == "unknown" and "passed 4 of 5" in nowhere.because


def test_stability_of_other_methods_is_not_claimed(network, patches, probe):
    card = make_report_card(network, probe, question(toy_map(network, patches), method="layer-cam"))
    assert levels(card)["stability"] == "unknown"


def test_occlusion_is_compared_with_the_exact_map_and_not_with_itself(network, patches, probe):
    exact = toy_map(network, patches)
    card = make_report_card(network, probe, question(exact, method=OCCLUSION, exact=-exact))
    (agreement,) = (check for check in card.checks if check.key == "agreement")
    assert agreement.level == "bad" and "exact map" in agreement.title


def test_weights_that_do_not_matter_are_found_out(network, patches, probe):
    alike = randomized_check({"the head": 0.1, "all layers": -0.8}, basis="8 slices")
    other = randomized_check({"the head": 0.9, "all layers": 0.1}, basis="8 slices")
    assert alike.level == "bad" and other.level == "good" and "8 slices" in alike.basis
    card = make_report_card(network, probe, question(toy_map(network, patches)), randomized=alike)
    assert card.verdict == RELY_NOT and "not what it learned" in card.because
    later = make_report_card(network, probe, question(toy_map(network, patches))).with_check(alike)
    assert later.to_json() == card.to_json()


def test_every_check_says_on_what_and_against_which_threshold(network, patches, probe):
    card = make_report_card(network, probe, question(toy_map(network, patches)))
    document = card.to_json()
    assert document["sentence"] == VERDICTS[document["verdict"]]
    assert all(check["basis"] and check["threshold"] and check["finding"] for check in document["checks"])
    assert CAUTION in VERDICTS


def test_one_probe_serves_the_maps_of_every_class(patches):
    network = ToyNetwork()
    probe = probe_slice(network, patches)
    before = network.asked
    make_report_card(network, probe, question(toy_map(network, patches)))
    assert network.asked - before == 2 * (STEPS - 1) + 1, "a map's own two orders, and the toy's own map"


def test_asking_can_be_given_up(patches):
    def stop(done, total, message=""):
        if done > 20:
            raise JobStopped

    network = ToyNetwork()
    with pytest.raises(JobStopped):
        probe_slice(network, patches, progress=stop)
    assert network.asked < 40


def test_shifts_are_two_pixels_and_noise_is_one_percent():
    image = np.random.default_rng(0).uniform(50, 200, (32, 32, 1)).astype(np.float32)
    copies = perturbed(image)
    assert len(copies) == 7 and all(copy.shape == image.shape for copy in copies)
    np.testing.assert_allclose(copies[0][:, 2:], image[:, :-2], atol=1e-4)
    assert (copies[-1] - image).std() == pytest.approx(2.55, rel=0.1)


def test_rank_correlation_is_spearmans():
    from scipy.stats import spearmanr

    rng = np.random.default_rng(0)
    one, other = rng.integers(0, 5, 40).astype(float), rng.normal(size=40)
    assert rank_correlation(one, other) == pytest.approx(spearmanr(one, other).statistic)
    assert rank_correlation(np.ones(4), np.arange(4.0)) is None


def test_an_emptied_slice_without_anything_to_hide_is_no_error(network):
    blank = Patches(np.zeros((SIZE, SIZE, 1), np.float32), np.zeros((SIZE, SIZE, 1), np.float32), CELLS)
    card = make_report_card(network, probe_slice(network, blank), question(np.eye(CELLS), lung_mask=None))
    assert card.verdict == CAUTION and "Nothing can be told" in card.because
