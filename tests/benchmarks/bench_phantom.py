"""Phantoms: slices drawn a second on one core, patients' preparation included."""

from __future__ import annotations

import time

import cv2

from pipeline.data.phantom import generate_patient

PATIENTS = 6
SLICES = 10


def run() -> list[dict[str, object]]:
    """Draw a few patients in this process with one thread, and the demo's number of slices of each."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        generate_patient(0, slices=1)
        began, used = time.perf_counter(), time.process_time()
        for seed in range(1, 1 + PATIENTS):
            generate_patient(seed, slices=SLICES)
        seconds, cpu = time.perf_counter() - began, time.process_time() - used
    finally:
        cv2.setNumThreads(threads)
    count = PATIENTS * SLICES
    return [
        {"figure": "phantoms drawn, 512 x 512, one core", "value": count / seconds, "unit": "slices/s"},
        {"figure": "the same by processor time", "value": count / cpu, "unit": "slices/s"},
    ]
