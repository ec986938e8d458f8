"""Preprocessing: speed against scikit-image. How well each preset isolates lungs, bench_lungs.py measures."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage import filters, measure, morphology, segmentation

from pipeline.data.phantom import PhantomSlice, generate_patient
from pipeline.preprocessing.apply import preprocess_output, preprocess_slice
from pipeline.preprocessing.recipe import PRESETS
from pipeline.preprocessing.windowing import to_grey8

HILUM = PRESETS["hilum"]
PATIENTS = range(1000, 1008)


def run() -> list[dict[str, Any]]:
    """Return the rows of the bench's table."""
    drawn = [piece for seed in PATIENTS for piece in generate_patient(seed)]
    return list(_speed([piece for piece in drawn if piece.label != "non-informative"][::6]))


def _speed(drawn: list[PhantomSlice]) -> Iterator[dict[str, Any]]:
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        greys = [to_grey8(piece.slice_hu, intensity="hu", center=-600, width=1500) for piece in drawn]
        hus = [piece.slice_hu for piece in drawn]
        peer = _milliseconds(_scikit_image_chain, greys, repeats=1)
        for figure, function, images in (
            ("all stages, grey", lambda image: _all_stages(image, "grey"), greys),
            ("all stages, HU", lambda image: _all_stages(image, "hu"), hus),
            ("output only, grey", lambda image: _output(image, "grey"), greys),
        ):
            value = _milliseconds(function, images, repeats=5)
            yield {
                "figure": f"preprocess `hilum`, {figure}, 512 x 512",
                "value": value,
                "unit": "ms/slice",
                "peer": f"same steps in scikit-image: {peer:.0f} ms",
                "ratio": peer / value,
            }
    finally:
        cv2.setNumThreads(threads)


def _all_stages(image: NDArray[Any], intensity: str) -> object:
    return preprocess_slice(image, intensity=intensity, recipe=HILUM)


def _output(image: NDArray[Any], intensity: str) -> object:
    return preprocess_output(image, intensity=intensity, recipe=HILUM)


def _milliseconds(function: Callable[[Any], object], images: list[Any], *, repeats: int) -> float:
    """Return the mean over images of the best of `repeats` processor times, after one unmeasured call."""
    function(images[0])
    best = []
    for image in images:
        times = []
        for _ in range(repeats):
            start = time.thread_time()
            function(image)
            times.append(time.thread_time() - start)
        best.append(min(times))
    return 1e3 * float(np.mean(best))


def _scikit_image_chain(grey: NDArray[np.uint8]) -> tuple[NDArray[Any], ...]:
    """The steps of `hilum` on a slice with air around it, in scikit-image and SciPy."""
    smooth = filters.gaussian(grey.astype(float), 0.8)
    tissue = morphology.opening(smooth > filters.threshold_otsu(smooth), morphology.disk(2))
    labels = measure.label(tissue)
    largest = 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
    body = ndimage.binary_fill_holes(labels == largest)
    dark = (smooth <= filters.threshold_otsu(smooth[body])) & body
    eroded = segmentation.clear_border(morphology.erosion(dark, morphology.disk(HILUM.lungs.erosion_radius)))
    labels = measure.label(eroded)
    regions = [r for r in measure.regionprops(labels, intensity_image=grey) if r.area > 0.003 * body.sum()]
    mask = np.zeros_like(dark)
    for region in regions:
        part = morphology.dilation(labels == region.label, morphology.disk(6)) & dark
        closed = morphology.closing(part, morphology.disk(HILUM.lungs.closing_radius))
        mask |= morphology.convex_hull_image(ndimage.binary_fill_holes(closed)) & body
    wide = morphology.dilation(mask, morphology.disk(HILUM.margin))
    solidity = [region.solidity for region in measure.regionprops(measure.label(mask))]
    return filters.sobel(grey), np.where(wide, grey, 0), np.array(solidity)
