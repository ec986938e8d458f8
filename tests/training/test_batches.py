"""Order and batches: every slice comes, classes are balanced as asked, and an epoch can be laid out again."""

import numpy as np
import pytest

from pipeline.preprocessing.geometry import to_model_input
from pipeline.training.batches import EvalBatches, Part, TrainBatches
from pipeline.training.config import Augmentation, TrainConfig
from pipeline.training.measure import measure, predict_batches
from pipeline.training.order import balance_effect, class_weights, epoch_length, epoch_order

LABELS = np.array([0, 0, 0, 0, 0, 1, 1, 2])


@pytest.fixture
def part() -> Part:
    """Ten cached slices of 64 x 64, each of one grey; eight of them in the part."""
    array = np.stack([np.full((64, 64), 20 * number, np.uint8) for number in range(10)])
    return Part(array, np.array([9, 8, 7, 6, 5, 4, 3, 2]), LABELS)


def config(**options: object) -> TrainConfig:
    return TrainConfig(dataset="a", image_size=32, **{"batch_size": 4, "balance": "none", **options})


@pytest.mark.parametrize("balance", ["none", "weights"])
def test_each_slice_comes_once_an_epoch(balance):
    order = epoch_order(LABELS, balance=balance, seed=0, epoch=0)
    assert sorted(order) == list(range(8))
    assert epoch_length(LABELS, balance=balance) == 8


def test_smaller_classes_are_filled_up_evenly():
    order = epoch_order(LABELS, balance="augment", seed=0, epoch=0)
    assert np.bincount(LABELS[order]).tolist() == [5, 5, 5]
    assert epoch_length(LABELS, balance="augment") == len(order) == 15
    counts = np.bincount(order)
    assert counts[:5].tolist() == [1] * 5
    assert sorted(counts[5:7]) == [2, 3]


def test_order_is_a_function_of_seed_and_epoch():
    def order(seed: int, epoch: int) -> list[int]:
        return epoch_order(np.zeros(50, int), balance="none", seed=seed, epoch=epoch).tolist()

    assert order(0, 1) == order(0, 1)
    assert len({tuple(order(seed, epoch)) for seed in (0, 1) for epoch in (0, 1)}) == 4


def test_weights_average_one_and_favour_small_classes():
    weights = class_weights(LABELS, 3)
    assert weights[LABELS].mean() == pytest.approx(1)
    assert (weights * np.bincount(LABELS)).std() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("balance", ["augment", "weights"])
def test_what_balancing_does_to_probabilities_is_said(balance):
    """Evened 50:50 from 10:90, the odds are 9 times too high."""
    said = balance_effect({"positive": 10, "negative": 90, "absent": 0}, balance=balance)
    assert "in the training part only" in said
    assert "positive (10.0% of the training slices) are about 9.0 times too high" in said
    assert "stay as they are" in balance_effect({"positive": 5, "negative": 5}, balance=balance)


def test_odds_are_off_by_what_is_said():
    """A logistic fit on evened classes against the true odds, where the answer is known."""
    scores = np.repeat([0.0, 1.0], 500)
    positive = np.concatenate([np.arange(500) < 20, np.arange(500) < 80])  # odds 20:480 and 80:420
    weights = class_weights(positive.astype(int), 2)[positive.astype(int)]
    for score, odds in ((0.0, 20 / 480), (1.0, 80 / 420)):
        at = scores == score
        evened = weights[at & positive].sum() / weights[at & ~positive].sum()
        assert evened / odds == pytest.approx(9.0, rel=1e-5)
    assert "9.0 times" in balance_effect({"positive": 100, "negative": 900}, balance="weights")


def test_batches_carry_the_slices_of_their_labels(part):
    batches = TrainBatches(part, num_classes=3, config=config(augment=Augmentation.none()))
    assert len(batches) == 2
    seen = []
    for images, targets in (batches[0], batches[1]):
        assert (images.dtype, images.shape, targets.shape) == (np.float32, (4, 32, 32, 1), (4, 3))
        for image, target in zip(images, targets, strict=True):
            row = round(float(image[16, 16, 0]) / 20)
            assert LABELS[part.rows.tolist().index(row)] == target.argmax()
            seen.append(row)
    assert sorted(seen) == sorted(part.rows)


def test_an_epoch_can_be_laid_out_again(part):
    batches = TrainBatches(part, num_classes=3, config=config())
    batches.set_epoch(3)
    images, targets = batches[1]
    batches.set_epoch(4)
    assert not np.array_equal(images, batches[1][0])
    batches.set_epoch(3)
    np.testing.assert_array_equal(images, batches[1][0])
    np.testing.assert_array_equal(targets, batches[1][1])


def test_what_is_left_over_waits_and_a_batch_is_never_larger_than_the_part(part):
    assert len(TrainBatches(part, num_classes=3, config=config(batch_size=3))) == 2
    large = TrainBatches(part, num_classes=3, config=config(batch_size=64))
    assert (len(large), len(large[0][0])) == (1, 8)


def test_weights_come_as_a_third_part(part):
    _, targets, weights = TrainBatches(part, num_classes=3, config=config(balance="weights"))[0]
    np.testing.assert_allclose(weights, class_weights(LABELS, 3)[targets.argmax(axis=1)])


def test_validation_sees_what_prediction_sees(part):
    batches = EvalBatches(part, image_size=32, batch_size=3)
    assert len(batches) == 3
    assert len(batches[2]) == 2
    expected = to_model_input(part.array[6], image_size=32, channels=1)
    np.testing.assert_array_equal(batches[1][0], expected)


def test_the_last_batch_is_filled_up_and_cut_again(part):
    class Counting:
        sizes: list[int] = []

        def predict_on_batch(self, images: np.ndarray) -> np.ndarray:
            self.sizes.append(len(images))
            return images.mean(axis=(1, 2))

    predicted = predict_batches(Counting(), EvalBatches(part, image_size=32, batch_size=3))
    assert Counting.sizes == [3, 3, 3]
    assert predicted[:, 0].tolist() == [20.0 * row for row in part.rows]


def test_figures_of_visible_answers():
    probabilities = np.array([[0.8, 0.2], [0.6, 0.4], [0.7, 0.3], [0.1, 0.9]])
    figures = measure(probabilities, np.array([0, 0, 1, 1]))
    assert figures["val_accuracy"] == 0.75
    assert figures["val_auc"] == 0.75  # of the four pairs of a positive and a negative, three are in order
    assert figures["val_loss"] == pytest.approx(-np.log([0.8, 0.6, 0.3, 0.9]).mean())
    assert figures["val_f1"] == pytest.approx((0.8 + 2 / 3) / 2)


def test_a_network_that_diverged_has_no_figures_and_raises_nothing():
    figures = measure(np.full((4, 2), np.nan), np.array([0, 0, 1, 1]))
    assert np.isnan(figures["val_auc"])
    assert np.isnan(figures["val_loss"])


def test_a_class_without_validation_slices_is_left_out_of_the_averages():
    probabilities = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1]])
    figures = measure(probabilities, np.array([0, 1]))
    assert (figures["val_auc"], figures["val_f1"]) == (1.0, 1.0)
