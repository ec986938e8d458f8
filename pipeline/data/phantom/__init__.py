"""Synthetic chest CT: axial slices in HU from a seed, with known lung and lesion masks.

A synthetic task, not COVID-19: what is measured on phantoms says whether the machinery works, nothing of
patients.

    traits -> body (torso, skeleton, mediastinum, abdomen, lungs, vessels) -> disease -> rendering -> slice

Whoever tunes against phantoms tunes on seeds 0-99 and reports on 1000-1099. The demo shows 2000 and on; its
model learned from 10000 and on.
"""

from pipeline.data.phantom.patient import Patient, PhantomSlice, generate_patient
from pipeline.data.phantom.version import GENERATOR_VERSION, SYNTHETIC_NOTICE, generator_hash
from pipeline.data.phantom.writing import WrittenPhantoms, to_grey, write_phantoms

__all__ = [
    "GENERATOR_VERSION",
    "SYNTHETIC_NOTICE",
    "Patient",
    "PhantomSlice",
    "WrittenPhantoms",
    "generate_patient",
    "generator_hash",
    "to_grey",
    "write_phantoms",
]
