"""The process that computes gradient maps: `python -m pipeline.explanation.worker`, spoken to over its pipes.

It keeps the model that it was last asked about, and ends when its input closes.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import numpy as np

from models.errors import ModelError
from pipeline.messages import read_message, write_message


def main() -> None:
    """Answer requests from stdin until it closes."""
    requests = sys.stdin.buffer
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # TensorFlow prints; the pipe is for answers
    kept: dict[str, Any] = {}
    while True:
        try:
            request, payload = read_message(requests)
        except EOFError:
            return
        try:
            document, result = _answer(request, payload, kept)
        except ModelError as error:
            document, result = {"error": str(error)}, b""
        except MemoryError:
            document, result = {"error": "The map needs more memory than there is."}, b""
        write_message(answers, document, result)


def _answer(request: dict[str, Any], payload: bytes, kept: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    from pipeline.explanation.gradient import gradient_map

    model = _model(request["model"], kept)
    size, channels = request["model"]["image_size"], request["model"]["channels"]
    image = np.frombuffer(payload, np.float32).reshape(size, size, channels)
    values = gradient_map(model, image, method=request["method"], class_index=request["class_index"])
    probabilities = np.asarray(model(image[None], training=False))[0]
    return {"shape": values.shape, "probabilities": probabilities.tolist()}, values.tobytes()


def _model(wanted: dict[str, Any], kept: dict[str, Any]) -> Any:
    """Build and load a model, or return the one that was used last."""
    key = repr(sorted(wanted.items()))
    if key not in kept:
        from models import create_model, load_weights

        kept.clear()
        model = create_model(
            wanted["architecture"],
            num_classes=wanted["num_classes"],
            image_size=wanted["image_size"],
            channels=wanted["channels"],
        )
        load_weights(model, wanted["weights"])
        kept[key] = model
    return kept[key]


if __name__ == "__main__":
    main()
