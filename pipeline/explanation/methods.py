"""Which maps there are. Imports nothing heavy, so that a page can list them."""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT, OCCLUSION = "grad-cam", "occlusion"
SIGNED = (DEFAULT, OCCLUSION)  # in units of the logit margin; they know what speaks against a class


@dataclass(frozen=True)
class Method:
    """One way to say where an opinion comes from.

    Attributes:
        name: the key that requests carry.
        title: what a page calls it.
        summary: one sentence: what it shows and what to mind.
        in_worker: whether it needs gradients or many passes of the Keras model, hence a worker of its own.
        timeout_seconds: after so long a worker is given up.
    """

    name: str
    title: str
    summary: str
    in_worker: bool = True
    timeout_seconds: float = 60.0


_ROWS = (
    Method(
        DEFAULT,
        "Grad-CAM (exact)",
        "What each cell adds to the class's margin over the others, read from the network's own sum.",
        in_worker=False,
    ),
    Method(
        OCCLUSION,
        "Occlusion",
        "What the margin loses when a patch is hidden: inside the lungs behind the grey of healthy lung, "
        "elsewhere behind air. No gradient, coarse, some 60 passes.",
        in_worker=False,
    ),
    Method(
        "grad-cam++",
        "Grad-CAM++",
        "Weighs pixels by higher derivatives, so that several small findings show beside a large one. Scaled "
        "to its own maximum: it does not say how strong the evidence is.",
    ),
    Method(
        "layer-cam",
        "LayerCAM",
        "Weighs each cell by its own gradient. Scaled to its own maximum.",
    ),
    Method(
        "score-cam",
        "Score-CAM",
        "Shows the network each feature's region alone and weighs it by the answer: no gradient, one pass a "
        "feature, slow. Scaled to its own maximum.",
        timeout_seconds=600.0,
    ),
    Method(
        "faster-score-cam",
        "Faster Score-CAM",
        "Score-CAM with the 32 features that vary most. Scaled to its own maximum.",
        timeout_seconds=120.0,
    ),
    Method(
        "saliency",
        "Saliency",
        "The gradient at each pixel: which pixels would change the score most. Noisy. Scaled to its own "
        "maximum.",
    ),
    Method(
        "smoothgrad",
        "SmoothGrad",
        "Saliency averaged over 16 noisy copies of the slice. Scaled to its own maximum.",
        timeout_seconds=300.0,
    ),
)
METHODS: dict[str, Method] = {row.name: row for row in _ROWS}
