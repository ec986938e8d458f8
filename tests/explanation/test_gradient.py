import numpy as np
import pytest

from pipeline.explanation.methods import METHODS
from tests import families

SLOW = {"score-cam", "smoothgrad"}  # many passes


@pytest.mark.filterwarnings("ignore:The structure of `inputs` doesn't match:UserWarning")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    "method", [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in METHODS]
)
def test_every_method_gives_a_map_of_the_slice(method):
    from pipeline.explanation.gradient import gradient_map

    image = families.slices(1)[0]
    values = gradient_map(families.model("ResNet50V2"), image, method=method, class_index=0)
    assert values.shape == (families.SIZE, families.SIZE)
    assert np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1 and values.std() > 0
