import keras
import pytest

from models.errors import UnknownArchitectureError
from models.registry import ARCHITECTURES, find_architecture

EXPECTED = {
    "EfficientNetV2": ("B0", "B1", "B2", "B3", "S", "M", "L"),
    "ConvNeXt": ("Tiny", "Small", "Base", "Large", "XLarge"),
}


def test_holds_the_three_families():
    names = {f"{family}{size}" for family, sizes in EXPECTED.items() for size in sizes}
    names |= {f"ResNet{depth}V2" for depth in (50, 101, 152)}
    assert set(ARCHITECTURES) == names


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_names_are_those_of_keras(name):
    assert callable(getattr(keras.applications, name))


def test_case_does_not_matter():
    assert find_architecture("convnexttiny").name == "ConvNeXtTiny"


def test_an_unknown_name_lists_the_valid_ones_and_guesses():
    with pytest.raises(UnknownArchitectureError, match="Did you mean EfficientNetV2B0.*ConvNeXtXLarge"):
        find_architecture("EfficientNetB0")
