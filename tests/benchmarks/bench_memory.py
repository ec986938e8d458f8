"""Memory: the estimate before a training beside the peak of a process that does some of its steps."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from pipeline.training.config import TrainConfig
from pipeline.training.estimate import FEATURE_BATCH, memory_of

STEPS = 3
CASES: tuple[dict[str, Any], ...] = (
    {"architecture": "EfficientNetV2B0", "image_size": 128, "batch_size": 16},
    {"architecture": "EfficientNetV2B0", "image_size": 224, "batch_size": 8},
    {
        "architecture": "EfficientNetV2B0",
        "image_size": 256,
        "batch_size": 8,
        "unfreeze": 4,
        "freeze_norm": True,
    },
    {"architecture": "EfficientNetV2B0", "image_size": 128, "batch_size": 16, "head_only": True},
    {"architecture": "EfficientNetV2S", "image_size": 128, "batch_size": 4, "accumulate": 4, "ema": 0.99},
    {"architecture": "EfficientNetV2S", "image_size": 128, "batch_size": 16, "head_only": True},
    {"architecture": "ResNet50V2", "image_size": 224, "batch_size": 8},
    {"architecture": "ResNet50V2", "image_size": 256, "batch_size": 2},
    {"architecture": "ResNet50V2", "image_size": 224, "batch_size": 8, "accumulate": 4},
    {"architecture": "ResNet50V2", "image_size": 256, "batch_size": 8, "unfreeze": 4, "freeze_norm": True},
    {"architecture": "ConvNeXtTiny", "image_size": 128, "batch_size": 8},
    {"architecture": "ConvNeXtTiny", "image_size": 128, "batch_size": 8, "accumulate": 4},
    {"architecture": "ConvNeXtTiny", "image_size": 128, "batch_size": 16, "head_only": True},
)


def run() -> list[dict[str, Any]]:
    """Measure each case in a process of its own; the ratio is the estimate's to the peak."""
    return [_row(case) for case in CASES]


def _row(case: dict[str, Any]) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.bench_memory", json.dumps(case)],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    peak = int(done.stdout.split()[-1])
    estimate = memory_of(_config(case))
    what = [f"{case['architecture']} at {case['image_size']}", f"batch {case['batch_size']}"]
    what += [f"x {case['accumulate']}"] if "accumulate" in case else []
    what += ["averaged weights"] if case.get("ema") else []
    what += ["the head alone"] if case.get("head_only") else []
    what += [f"top {case['unfreeze']} blocks"] if "unfreeze" in case else []
    return {
        "figure": f"estimated memory, {', '.join(what)}",
        "value": estimate / 2**20,
        "unit": "MiB",
        "peer": f"measured peak: {peak / 2**20:.0f} MiB",
        "ratio": estimate / peak,
    }


def _config(case: dict[str, Any]) -> TrainConfig:
    return TrainConfig(dataset="bench", balance="none", **case)


def measure_peak(case: dict[str, Any]) -> int:
    """Do some steps of a training in this process; return the most bytes that it ever held."""
    import numpy as np

    from models.backend import start_backend

    start_backend()
    import keras

    from models import create_model
    from pipeline.runs import RunStore  # noqa: F401  a training holds its libraries too
    from pipeline.training import outcome  # noqa: F401
    from pipeline.training.batches import Part, TrainBatches
    from pipeline.training.learner import Learner
    from pipeline.training.stages import stages_of

    config = _config(case)
    count = STEPS * config.batch_size
    slices = np.random.default_rng(0).integers(0, 255, (count, 512, 512), dtype=np.uint8)
    part = Part(slices, np.arange(count), np.arange(count) % 3)
    batches = TrainBatches(part, num_classes=3, config=config)
    model = create_model(
        config.architecture, num_classes=3, image_size=config.image_size, drop_path=config.drop_path
    )
    if config.head_only:
        backbone = keras.Model(model.inputs, model.get_layer("pooled").output)
        backbone.predict_on_batch(batches[0][0][:FEATURE_BATCH])
        return _peak()
    fitted = Learner(model, config, steps_per_epoch=len(batches)).enter(stages_of(config)[-1])
    fitted.fit(batches, epochs=1, shuffle=False, verbose=0)
    return _peak()


def _peak() -> int:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    print(measure_peak(json.loads(sys.argv[1])))
