"""Naming the culprits among the shortcuts: what tells too much, and how."""

from __future__ import annotations

from itertools import zip_longest
from typing import Any

import pandas as pd

from pipeline.data.findings import Finding
from pipeline.data.shortcuts import (
    LEAST_GROUPS,
    QUANTITIES,
    Shortcut,
    estimate_shortcuts,
    measure_features,
)

TELLING, GLARING = 0.65, 0.80  # least lower end of the interval for a warning, for an alarm
_EXAMPLES = 12
_MOST_VALUES = 8  # beyond so many a feature is no kind but a quantity
_BEYOND_CHANCE = 0.01


def find_giveaways(
    usable: pd.DataFrame, groups: pd.Series, *, seed: int = 0
) -> tuple[list[Shortcut], list[Finding]]:
    """Ask every feature that is no anatomy about every class.

    Args:
        usable: readable, labelled rows of the index.
        groups: what is resampled together, aligned with `usable`.

    Returns:
        Every estimate, the most telling first, and one finding for each feature and scope that tells too
        much: by its AUC, or by a value that only one class has.
    """
    features = measure_features(usable)
    estimates = sorted(estimate_shortcuts(usable, features, groups, seed=seed), key=lambda pair: -pair[0].low)
    findings: dict[tuple[str, str], Finding] = {}
    for shortcut, index in estimates:
        key = (shortcut.feature, shortcut.scope)
        if key in findings:
            continue
        rows, values = usable.loc[index], features.loc[index, shortcut.feature]
        if shortcut.low >= TELLING:
            findings[key] = _telling(shortcut, rows, values)
        else:
            value = _value_of_one_class(values, rows["label"], groups.loc[index])
            if value is not None:
                findings[key] = _of_one_class(shortcut, rows, values == value, value)
    return [shortcut for shortcut, _ in estimates], list(findings.values())


def _telling(shortcut: Shortcut, rows: pd.DataFrame, values: pd.Series) -> Finding:
    is_label = rows["label"] == shortcut.label
    text = (
        f"The {shortcut.noun} alone tells {shortcut.label} from the rest{shortcut.where}: "
        f"{_estimate_text(shortcut)}. {_explain(values, is_label, shortcut.label)} A model may learn this "
        "instead of the disease: even it out, or judge the model on data where it does not hold."
    )
    return Finding(
        "shortcuts",
        f"shortcut-{shortcut.feature}",
        "bad" if shortcut.low >= GLARING else "warn",
        f"{_title(shortcut.noun)} gives {shortcut.label} away{shortcut.where}",
        text,
        shortcut.slices,
        slice_ids=_examples(rows, is_label, ~is_label),
        estimate=_estimate_json(shortcut),
        details={"feature": shortcut.feature, "label": shortcut.label, "scope": shortcut.scope},
    )


def _of_one_class(shortcut: Shortcut, rows: pd.DataFrame, has: pd.Series, value: object) -> Finding:
    label = rows["label"][has].iloc[0]
    others = rows["label"] != label
    text = (
        f"Each of the {int(has.sum()):,} slices whose {shortcut.noun} is {value}{shortcut.where} is "
        f"{label}, and none of {int(others.sum()):,} others: whoever sees it needs no anatomy. Taken as a "
        f"whole, the {shortcut.noun} tells {shortcut.label} from the rest with {_estimate_text(shortcut)}. "
        "Make all slices alike in it."
    )
    return Finding(
        "shortcuts",
        f"give-away-{shortcut.feature}",
        "bad",
        f"{_title(shortcut.noun)} {value}: only {label}{shortcut.where}",
        text,
        int(has.sum()),
        slice_ids=list(rows["slice_id"][has]),
        estimate=_estimate_json(shortcut),
        details={"feature": shortcut.feature, "label": label, "scope": shortcut.scope, "value": str(value)},
    )


def _value_of_one_class(values: pd.Series, labels: pd.Series, groups: pd.Series) -> object | None:
    """Return a value of a feature that only one class has, None where there is none beyond chance.

    It is in groups enough, and Fisher's exact test on groups (class by value) has p < 0.01.
    """
    from scipy.stats import fisher_exact  # a second to load, which showing an audit has no use for

    if values.nunique() > _MOST_VALUES:
        return None
    for value, rows in labels.groupby(values):
        if rows.nunique() != 1:
            continue
        with_it = (values == value).groupby(groups).any()
        of_class = (labels == rows.iloc[0]).groupby(groups).any()
        table = pd.crosstab(with_it, of_class)
        enough = with_it.sum() >= LEAST_GROUPS and table.shape == (2, 2)
        if enough and fisher_exact(table.to_numpy()).pvalue < _BEYOND_CHANCE:
            found: object = value
            return found
    return None


def _explain(values: pd.Series, is_label: pd.Series, label: str) -> str:
    """Say what the feature is in the class and in the rest: the commonest value, or the median."""
    inside, outside = values[is_label].dropna(), values[~is_label].dropna()
    if values.nunique() <= _MOST_VALUES or values.name not in QUANTITIES:
        common = inside.mode().iloc[0]
        return (
            f"It is {common} in {(inside == common).sum():,} of {len(inside):,} {label} slices, and in "
            f"{(outside == common).sum():,} of {len(outside):,} others."
        )
    usual, other = _number(inside.median()), _number(outside.median())
    return f"Its median is {usual} in {label} slices and {other} in others."


def _examples(rows: pd.DataFrame, some: pd.Series, others: pd.Series) -> list[Any]:
    """Return slices of either kind in turn, so that the first few show both."""
    pairs = zip_longest(rows["slice_id"][some][:_EXAMPLES], rows["slice_id"][others][:_EXAMPLES])
    return [one for pair in pairs for one in pair if one is not None]


def _estimate_text(shortcut: Shortcut) -> str:
    return f"AUC {shortcut.value:.2f} ({shortcut.low:.2f} to {shortcut.high:.2f})"


def _estimate_json(shortcut: Shortcut) -> dict[str, float]:
    return {"value": shortcut.value, "low": shortcut.low, "high": shortcut.high}


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _title(noun: str) -> str:
    """Return a noun with a capital first, the others as they are."""
    return noun[:1].upper() + noun[1:]
