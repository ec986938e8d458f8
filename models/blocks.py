"""The residual blocks of a backbone, from image to feature map: the steps in which it can be unfrozen."""

from __future__ import annotations

import re
from typing import Any

from models.registry import HEAD_LAYERS

# Keras's names: block6h_expand_conv, convnext_tiny_stage_3_block_2_gelu, conv5_block3_out
_BLOCK = re.compile(r"^(block\d+[a-z]|convnext_[a-z]+_stage_\d+_block_\d+|conv\d_block\d+)_")


def find_blocks(model: Any) -> list[list[Any]]:
    """Group the backbone's layers by residual block.

    What lies before the first block (input, stem) counts to the first, what lies between or after them (a
    reduction, the last convolution and normalisation) to the block before it.

    Args:
        model: of `models.create_model`.

    Returns:
        One list of layers a block, lowest first; one for all where no layer has a block's name.
    """
    blocks: dict[str, list[Any]] = {}
    before: list[Any] = []
    current = before
    for layer in model.layers:
        if layer.name in HEAD_LAYERS:
            continue
        found = _BLOCK.match(layer.name)
        if found is not None:
            current = blocks.setdefault(found[1], [])
        current.append(layer)
    if not blocks:
        return [before]
    first, *others = blocks.values()
    return [before + first, *others]


def top_layers(model: Any, count: int) -> set[str]:
    """Return the names of the layers of the `count` topmost blocks; all where there are fewer."""
    return {layer.name for block in find_blocks(model)[-count:] for layer in block}
