"""The moving average of the weights, which Keras's optimizers keep, in the weights' place for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras


@contextmanager
def averaged(model: Any) -> Iterator[None]:
    """Give a compiled `model` its averaged weights inside the block, and its own back after it, bit for bit.

    Without an average (`use_ema` off) nothing changes. Statistics of batch normalisation are not averaged:
    they are a moving average already.
    """
    if not model.optimizer.use_ema:
        yield
        return
    own = [keras.ops.convert_to_numpy(variable).copy() for variable in model.trainable_variables]
    take_average(model)
    try:
        yield
    finally:
        for variable, value in zip(model.trainable_variables, own, strict=True):
            variable.assign(value)


def take_average(model: Any) -> None:
    """Put the averaged weights in the place of a compiled model's own, where there is an average."""
    model.optimizer.finalize_variable_values(model.trainable_variables)
    part_from_average(model)


def part_from_average(model: Any) -> None:
    """Give the weights memory of their own after Keras has put the average in their place.

    On JAX they are the same arrays otherwise, and a step that consumes the one takes the other with it.
    """
    if model.optimizer.use_ema and keras.backend.backend() == "jax":
        for variable in model.trainable_variables:
            variable.assign(keras.ops.convert_to_numpy(variable).copy())
