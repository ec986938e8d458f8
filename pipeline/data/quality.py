"""Slices that are broken, odd or doubtful, each by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pandas as pd

from pipeline.data.decisions import Decisions
from pipeline.data.findings import Finding, Severity, counted
from pipeline.data.formats import extension_agrees
from pipeline.data.labels import NON_INFORMATIVE
from pipeline.data.measuring import with_measure_columns
from pipeline.data.table import OK

TINY_SIDE = 200  # pixels: a lung is then a hundred wide, and a small lesion a few
BLANK_RANGE = 12  # grey levels between the 1st and 99th percentile
LITTLE_LUNG = 0.02  # of the body
# The numbers beside the thresholds are what 1,115 real slices measured, and the same slices blurred.
NARROW = 0.3  # share of lung that is black: mediastinal windows 0.5 and more, others below 0.03
WHITE_TISSUE = 0.8  # share of soft tissue that is white
WIDE = 45.0  # grey levels between lung and tissue: with 1500 HU of window about 140, with 4000 HU 50
CUT = 0.4  # share of the picture's border in the body: a slice cut to the lungs 0.75 and more
BLURRED, SOFT = 0.47, 0.42  # in any data, and where the others are sharper: slices 0.3, at sigma 1 px 0.45
NOISY, ROUGH = 8.0, 5.0  # grey levels, in any data, and where the others are smoother: most slices below 2
FAR_OUT = 6.0  # robust standard deviations from the data set's median
_LEAST_DEVIATION = {"blur": 0.01, "noise": 0.5}  # of the data set: of slices from one scanner nearly none
_OF_ONE = {"have": "has", "are": "is", "look": "looks", "end": "ends", "keep": "keeps", "show": "shows"}
_LEAST_OTHERS = 20  # slices that a distribution is made of


@dataclass(frozen=True)
class _Check:
    """One kind of doubt: `what` continues "12 slices ...", `advice` says what to do.

    `worst` gives what its slices are sorted by, the greatest first.
    """

    code: str
    severity: Severity
    title: str
    what: str
    advice: str
    holds: Callable[[pd.DataFrame], pd.Series]
    worst: Callable[[pd.DataFrame], pd.Series] | None = None


_CHECKS = (
    _Check(
        "not-chest-ct",
        "bad",
        "Not a chest CT slice",
        "look like something else: a head, a radiograph, another modality, a photograph",
        "A model learns them as what they are labelled: exclude them.",
        lambda rows: rows["chest_doubt"].notna(),
        lambda rows: rows["chest_doubt"].str.len(),
    ),
    _Check(
        "cut-off",
        "bad",
        "Cut off",
        "end in plain grey: the file's end is lost, and its decoder filled the rest",
        "Copy them again from where they came, or exclude them.",
        lambda rows: rows["missing_rows"] > 0,
        lambda rows: rows["missing_rows"],
    ),
    _Check(
        "blank",
        "bad",
        "Blank",
        "have hardly any contrast",
        "Nothing can be learned from them: exclude them.",
        lambda rows: _is_blank(rows),
        lambda rows: -(rows["p99"] - rows["p01"]).astype(float),
    ),
    _Check(
        "window-narrow",
        "warn",
        "Window too narrow",
        "have black lungs: what lies in them was cut off by another window, such as the mediastinal one",
        "Opacities can't be seen there. Export them again in the lung window, or exclude them.",
        lambda rows: rows["lung_black"] > NARROW,
        lambda rows: rows["lung_black"],
    ),
    _Check(
        "window-wide",
        "warn",
        "Window too wide",
        f"keep lung and soft tissue within {WIDE:.0f} grey levels of each other",
        "Faint opacities drown. Export them again in the lung window, or judge them apart.",
        lambda rows: (rows["lung_contrast"] < WIDE) & ~_is_blank(rows),
        lambda rows: -rows["lung_contrast"],
    ),
    _Check(
        "blurred",
        "warn",
        "Blurred",
        "are soft: enlarged from less, moved, or smoothed",
        "Vessels and faint opacities are lost in them, and a model may learn the softness.",
        lambda rows: _stands_out(rows["blur"], always=BLURRED, beyond=SOFT),
        lambda rows: rows["blur"],
    ),
    _Check(
        "noisy",
        "warn",
        "Noisy",
        "have strong noise in soft tissue: a sharp kernel, a low dose, or sharpening",
        "Compare how the model does on them: lung texture is changed.",
        # A narrow window stretches the noise with everything else.
        lambda rows: _stands_out(rows["noise"], always=NOISY, beyond=ROUGH) & ~(rows["lung_black"] > NARROW),
        lambda rows: rows["noise"],
    ),
    _Check(
        "marks",
        "warn",
        "Letters, arrows, margins",
        "have something written or drawn beside the body, or a white margin",
        "A model may learn that instead of the lungs: cut it off, mask it, or exclude them.",
        lambda rows: rows["marks"] > 0,
        lambda rows: rows["marks"],
    ),
    _Check(
        "colour",
        "warn",
        "Colour marks",
        "have unequal colour channels and were turned to grey, thin marks filled from what is around them",
        "Look for overlays, and for what a fill hides: a model may learn either.",
        lambda rows: ~rows["channels_equal"].astype(bool),
    ),
    _Check(
        "body-cut",
        "note",
        "Cropped body",
        f"have the body on {CUT:.0%} and more of their border",
        "Cut to the lungs they look unlike whole slices: a shortcut where one class is cropped more often.",
        lambda rows: rows["body_cut"] > CUT,
        lambda rows: rows["body_cut"],
    ),
    _Check(
        "white-tissue",
        "note",
        "Soft tissue all white",
        "show soft tissue without any shade: a narrow lung window",
        "Lungs can be read; consolidation and effusion look like the chest wall.",
        lambda rows: rows["tissue_white"] > WHITE_TISSUE,
        lambda rows: rows["tissue_white"],
    ),
    _Check(
        "unlabelled",
        "warn",
        "No label",
        "have no class",
        "Give them one by a folder or a CSV; no split has them.",
        lambda rows: rows["label"].isna(),
    ),
    _Check(
        "tiny",
        "warn",
        "Tiny",
        f"have a side below {TINY_SIDE} pixels",
        "Enlarged they look unlike others, which a model may learn.",
        lambda rows: rows[["width", "height"]].min(axis=1) < TINY_SIDE,
        lambda rows: -rows[["width", "height"]].min(axis=1).astype(float),
    ),
    _Check(
        "little-lung",
        "warn",
        "Hardly any lung",
        f"of an informative class with lung on less than {LITTLE_LUNG:.0%} of the body",
        "Are they labelled as they should be?",
        lambda rows: (
            (rows["lung_fraction"] < LITTLE_LUNG)
            & rows["label"].notna()
            & (rows["label"] != NON_INFORMATIVE)
            & rows["chest_doubt"].isna()
        ),
        lambda rows: -rows["lung_fraction"],
    ),
    _Check(
        "wrong-extension",
        "note",
        "Extension lies",
        "are of another format than their name says",
        "They were read by their content; nothing needs to be done.",
        lambda rows: _extension_lies(rows),
    ),
    _Check(
        "no-hounsfield-units",
        "note",
        "DICOM without HU",
        "are no CT with a rescale to Hounsfield units",
        "They were mapped from their own range to grey.",
        lambda rows: (rows["format"] == "dicom") & (rows["intensity"] == "grey"),
    ),
)


def find_quality(index: pd.DataFrame, decisions: Decisions | None = None) -> Iterator[Finding]:
    """Yield what is wrong with single slices of an index, each with its slices, the worst first.

    Slices that the user excluded, or called fine as to a finding, are not in it; `details` counts them.
    """
    known = decisions or Decisions()
    yield from _unreadable(index, known)
    usable = with_measure_columns(index[index["status"] == OK])
    for check in _CHECKS:
        rows = usable[check.holds(usable).fillna(False).astype(bool)]
        if check.worst is not None and len(rows):
            order = pd.to_numeric(check.worst(rows)).sort_values(
                ascending=False, kind="stable", na_position="last"
            )
            rows = rows.loc[order.index]
        if finding := _finding(rows, check, known):
            yield finding


def members(index: pd.DataFrame, code: str) -> list[str]:
    """Return every slice that the quality finding `code` holds for, decided or not; none: no such finding."""
    usable = with_measure_columns(index[index["status"] == OK])
    for check in _CHECKS:
        if check.code == code:
            return list(usable["slice_id"][check.holds(usable).fillna(False).astype(bool)])
    failed = index[index["status"] != OK]
    return list(failed["slice_id"][("unreadable-" + failed["status"]) == code])


def _is_unreadable(rows: pd.DataFrame) -> pd.Series:
    return rows["status"] != OK


def _is_blank(rows: pd.DataFrame) -> pd.Series:
    return rows["p99"] - rows["p01"] < BLANK_RANGE


def _stands_out(values: pd.Series, *, always: float, beyond: float) -> pd.Series:
    """Return which values are above `always`, or above `beyond` and far from the data set's median."""
    known = values.dropna()
    if len(known) < _LEAST_OTHERS:
        return values > always
    median = known.median()
    deviation = max(1.4826 * (known - median).abs().median(), _LEAST_DEVIATION[str(values.name)])
    return (values > always) | (values > max(beyond, median + FAR_OUT * deviation))


def _extension_lies(rows: pd.DataFrame) -> pd.Series:
    lies = [not extension_agrees(*pair) for pair in zip(rows["path"], rows["format"], strict=True)]
    return pd.Series(lies, index=rows.index, dtype=bool)


def _unreadable(index: pd.DataFrame, decisions: Decisions) -> Iterator[Finding]:
    failed = index[index["status"] != OK]
    for code, rows in failed.groupby("status", sort=True):
        what = f"could not be read: {rows['error'].iloc[0].rstrip('.')}"
        advice = "Copy them again, or take them away."
        title = f"Unreadable: {str(code).replace('-', ' ')}"
        check = _Check(f"unreadable-{code}", "warn", title, what, advice, _is_unreadable)
        if finding := _finding(rows, check, decisions, noun="file"):
            yield finding


def _finding(
    rows: pd.DataFrame, check: _Check, decisions: Decisions, *, noun: str = "slice"
) -> Finding | None:
    """Return the finding about the rows that nothing was decided of; None where there is none left."""
    excluded = rows["slice_id"].isin(decisions.excluded)
    fine = ~excluded & pd.Series(
        [decisions.is_fine(str(one), check.code) for one in rows["slice_id"]], index=rows.index, dtype=bool
    )
    left = rows[~excluded & ~fine]
    if left.empty:
        return None
    decided = {"excluded": int(excluded.sum()), "fine": int(fine.sum())}
    return Finding(
        "quality",
        check.code,
        check.severity,
        check.title,
        f"{counted(len(left), noun)} {_agreeing(check.what, len(left))}. {check.advice}",
        len(left),
        slice_ids=list(left["slice_id"]),
        details={name: count for name, count in decided.items() if count},
    )


def _agreeing(what: str, count: int) -> str:
    """Return `what` with its verb, the first word, as one slice wants it or many do."""
    verb, _, rest = what.partition(" ")
    return f"{_OF_ONE.get(verb, verb)} {rest}" if count == 1 else what
