import numpy as np
import pandas as pd
import pytest

from pipeline.evaluation.predictions import read_predictions
from pipeline.inference.engine import Engine
from pipeline.inference.table import keep_heat_range, predictions_table
from tests import families


def cached(count: int) -> np.ndarray:
    """Prepared slices as the cache holds them: uint8 (n, size, size)."""
    return np.random.default_rng(2).integers(0, 256, (count, 128, 128), dtype=np.uint8)


def rows(count: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "slice_id": [f"s{place}" for place in range(count)],
            "patient_id": ["p0", "p1"] * (count // 2) + ["p2"] * (count % 2),
            "label": ["positive", "negative"] * (count // 2) + ["positive"] * (count % 2),
            "part": "test",
            "source": "scanner-a",
        },
        index=range(100, 100 + count),
    )


@pytest.fixture(scope="module")
def table():
    return predictions_table(families.engine("ResNet50V2"), cached(5), rows(5), batch_size=2)


def test_is_the_contract_that_evaluation_reads(table):
    read = read_predictions(table)
    assert read.labels == families.CLASSES and len(read) == 5 and read.logits() is not None
    assert "source" in read.subgroup_columns and read.patients == 3


def test_each_row_answers_for_its_own_slice(table):
    """Whatever the batch, a slice gets what it gets alone."""
    engine = families.engine("ResNet50V2")
    last = predictions_table(engine, cached(5)[4:], rows(5)[4:])
    names = [f"logit_{name}" for name in families.CLASSES]
    np.testing.assert_allclose(last[names].to_numpy(), table[names].to_numpy()[4:], atol=1e-4)
    best = table[names].to_numpy().argmax(axis=1)
    assert table["y_pred"].tolist() == [families.CLASSES[place] for place in best]


def test_further_columns_stay_beside_their_slice(table):
    assert table["slice_id"].tolist() == ["s0", "s1", "s2", "s3", "s4"]
    assert table["y_true"].tolist() == rows(5)["label"].tolist()


def test_counts_that_differ_are_a_mistake():
    with pytest.raises(ValueError, match="received 3 and 5"):
        predictions_table(families.engine("ResNet50V2"), cached(3), rows(5))


def test_a_cohorts_heat_range_is_kept_with_the_engine(run):
    value = keep_heat_range(Engine.load(run), cached(4), batch_size=3)
    assert value > 0 and Engine.load(run).facts.heat_range == pytest.approx(value)
