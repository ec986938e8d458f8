"""What differs between runs: of fifty settings, those that are not the same in all of them."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.runs import RunInfo

_FOLLOWS = {"recipe_hash", "split_hash", "weights_sha256", "steps_per_epoch"}  # from others that are shown


def what_differs(runs: Sequence[RunInfo]) -> dict[str, list[str | None]]:
    """Return the settings in which the runs differ, each with its value in every run, in their order.

    A setting that a run does not know (an earlier Hilum made it) is None there. What follows from another
    setting that differs is left out.
    """
    keys = sorted({key for run in runs for key in run.params})
    rows = {key: [run.params.get(key) for run in runs] for key in keys}
    found = {key: values for key, values in rows.items() if len(set(values)) > 1}
    shown = {key: values for key, values in found.items() if key not in _FOLLOWS}
    for follower, leader in (
        ("recipe_hash", "recipe"),
        ("split_hash", "split"),
        ("weights_sha256", "weights"),
    ):
        if follower in found and leader not in found:
            shown[follower] = found[follower]  # one name, two contents: that is the difference
    return shown
