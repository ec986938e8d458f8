"""What distinguishes one phantom patient from another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

Disease = Literal["covid-like", "other", "none"]
OTHER_FINDINGS = (
    "effusion",
    "atelectasis",
    "lobar-consolidation",
    "nodules",
    "mass",
    "emphysema",
    "reticulation",
)


@dataclass(frozen=True)
class Scanner:
    """A simulated scanner and its protocol. Both see every kind of patient."""

    source: str
    manufacturer: str
    kernel: str
    thickness_mm: float
    blur_px: float
    noise_hu: float
    noise_grain_px: tuple[float, float]  # band of the noise: finest and coarsest structure
    sees_circle: bool  # pixels outside the field of view are -1024
    table: Literal["curved", "flat"]


@dataclass(frozen=True)
class Traits:
    """One patient, before any slice is drawn."""

    seed: int
    patient_id: str
    sex: Literal["F", "M"]
    length_mm: float
    scale: tuple[float, float]
    fat_mm: float
    breast_mm: float
    muscle: float
    rib_slope: float
    tilt_mm: float
    diaphragm_drop: float
    plaques: int
    is_prone: bool
    has_arms_down: bool
    missing_side: int  # -1 right, 1 left, 0 none: after a pneumonectomy
    has_contrast: bool
    spacing: float
    center: tuple[float, float]  # pixels by which the patient lies off the middle
    lung_hu: float
    scanner: Scanner
    disease: Disease
    findings: tuple[str, ...]

    @classmethod
    def random(cls, seed: int) -> Traits:
        """Draw the traits that belong to `seed`."""
        rng = np.random.default_rng([seed, 1])
        sex: Literal["F", "M"] = "F" if rng.random() < 0.47 else "M"
        stature = rng.normal(1.0 if sex == "M" else 0.92, 0.035)
        obesity = float(np.clip(rng.gamma(2.2, 0.45), 0.15, 2.8))
        fat = 5 + 11 * obesity
        scale = (stature * rng.uniform(0.95, 1.06), stature * rng.uniform(0.92, 1.08))
        disease, findings = _draw_disease(rng)
        scanner = _draw_scanner(rng)
        half_width = (190 + fat) * scale[0]
        field = float(np.clip(2 * half_width * rng.uniform(0.88, 1.06), 300, 500))
        age = rng.uniform(20, 88)
        return cls(
            seed=seed,
            patient_id=f"PH{seed:06d}",
            sex=sex,
            length_mm=385 * stature * rng.uniform(0.96, 1.04),
            scale=scale,
            fat_mm=fat,
            breast_mm=float(rng.uniform(4, 34) * (0.6 + 0.3 * obesity)) if sex == "F" else 0.0,
            muscle=float(rng.uniform(0.7, 1.0) if sex == "F" else rng.uniform(0.85, 1.3)),
            rib_slope=float(rng.uniform(0.85, 1.15)),
            tilt_mm=float(rng.normal(0, 4)),
            diaphragm_drop=float(rng.normal(0, 0.02)),
            plaques=int(rng.poisson(max(0.0, age - 52) / 4)),
            is_prone=bool(rng.random() < 0.06),
            has_arms_down=bool(rng.random() < 0.10),
            missing_side=int(rng.choice([-1, 1])) if rng.random() < 0.03 else 0,
            has_contrast=bool(rng.random() < 0.22),
            spacing=round(field / 512, 6),
            center=(float(rng.normal(0, 8)), float(rng.normal(0, 10))),
            lung_hu=float(rng.uniform(-880, -815)),
            scanner=scanner,
            disease=disease,
            findings=findings,
        )


def _draw_disease(rng: np.random.Generator) -> tuple[Disease, tuple[str, ...]]:
    """Return the patient's class and the findings that anyone may have besides."""
    kind = rng.random()
    if kind < 0.46:
        # Whoever has the one disease may have another: the absence of an effusion must not speak for COVID.
        extra = [f for f in ("effusion", "atelectasis", "emphysema", "nodules") if rng.random() < 0.07]
        return "covid-like", tuple(extra)
    if kind < 0.80:
        count = 1 + int(rng.random() < 0.3)
        return "other", tuple(rng.choice(OTHER_FINDINGS, count, replace=False).tolist())
    return "none", ()


def _draw_scanner(rng: np.random.Generator) -> Scanner:
    if rng.random() < 0.5:
        return Scanner(
            source="scanner-a",
            manufacturer="Phantom Works A",
            kernel="soft",
            thickness_mm=float(rng.choice([3.0, 5.0])),
            blur_px=float(rng.uniform(0.75, 1.05)),
            noise_hu=float(rng.uniform(9, 20)),
            noise_grain_px=(0.85, 2.6),
            sees_circle=False,
            table="curved",
        )
    return Scanner(
        source="scanner-b",
        manufacturer="Phantom Works B",
        kernel="sharp",
        thickness_mm=float(rng.choice([1.0, 1.5, 2.0])),
        blur_px=float(rng.uniform(0.5, 0.7)),
        noise_hu=float(rng.uniform(20, 42)),
        noise_grain_px=(0.5, 1.5),
        sees_circle=bool(rng.random() < 0.7),
        table="flat",
    )
