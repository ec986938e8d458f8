"""How answers read on a terminal: the text beside each `--json` document."""

from __future__ import annotations

import re
from typing import Any

from pipeline.data.labels import NO_FILE, NON_INFORMATIVE
from pipeline.notice import NOTICE, SYNTHETIC


def lines(value: Any, indent: str = "") -> str:
    """Write nested dictionaries and lists as indented lines."""
    if isinstance(value, dict):
        return "\n".join(
            f"{indent}{key}:\n{lines(item, indent + '  ')}"
            if isinstance(item, dict | list) and item
            else f"{indent}{key}: {'' if item is None else item}"
            for key, item in value.items()
        )
    if isinstance(value, list):
        return "\n".join(
            lines(item, indent) if isinstance(item, dict) else f"{indent}- {item}" for item in value
        )
    return f"{indent}{value}"


def table(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return "None yet."
    widths = {key: max(len(key), *(len(str(row[key] or "")) for row in rows)) for key in rows[0]}
    lines = ["  ".join(key.ljust(width) for key, width in widths.items())]
    lines += ["  ".join(str(row[key] or "").ljust(width) for key, width in widths.items()) for row in rows]
    return "\n".join(line.rstrip() for line in lines)


def run_row(run: Any) -> dict[str, Any]:
    return {
        "id": run.id,
        "name": run.name,
        "status": run.status,
        "created": run.created.isoformat() if hasattr(run.created, "isoformat") else run.created,
        "dataset": run.params.get("dataset"),
        "architecture": run.params.get("architecture"),
    }


def caches_text(caches: list[dict[str, Any]]) -> str:
    rows = [
        {"folder": row["folder"], "data set": row["dataset"], "recipe": row["recipe"],
         "slices": f"{row['prepared']:,} of {row['slices']:,}", "size": size_text(row["bytes"]),
         "state": row["words"],
         "used": row["last_used"][:16].replace("T", " "), "runs": ", ".join(row["runs"])}
        for row in caches
    ]  # fmt: skip
    spoilt = [
        f"{row['folder']}: {len(row['damaged']):,} slices are damaged. Remove it; it is made again."
        for row in caches
        if row.get("damaged")
    ]
    return "\n".join([table(rows), *spoilt])


def size_text(size: float) -> str:
    """Write a number of bytes in the unit that suits it.

    >>> size_text(900), size_text(5_500_000), size_text(7e9)
    ('0.9 kB', '5.5 MB', '7.0 GB')
    """
    for unit, step in (("GB", 1e9), ("MB", 1e6)):
        if size >= step:
            return f"{size / step:.1f} {unit}"
    return f"{size / 1e3:.1f} kB"


def index_text(summary: dict[str, Any]) -> str:
    labels = ", ".join(f"{label} {count}" for label, count in summary["by_label"].items()) or "no class"
    text = (
        f"{summary['name']}: {summary['readable']} slices ({labels}), {summary['patients']} patients known, "
    )
    text += f"{len(summary['errors'])} unreadable, {summary['seconds']:.1f} s"
    others = [
        error for error in summary["errors"] if error["reason"] != NO_FILE
    ]  # these are told once, below
    errors = (f"  {error['path']}: {error['reason']}" for error in others[:20])
    return "\n".join([text, *errors, *summary["columns"], *summary["warnings"]])


def audit_text(report: dict[str, Any]) -> str:
    words = {"bad": "serious", "warn": "look", "note": "note"}
    split = f"split {report['split']}" if report["split"] else "no split yet"
    lines = [f"{report['name']}: {report['figures']['readable']} readable slices, {split}"]
    for finding in report["findings"]:
        lines.append(
            f"  {words[finding['severity']]:7}  {finding['title']} ({finding['code']}, {finding['count']} "
            f"{finding['unit']}): {finding['text']}"
        )
    decided = ", ".join(f"{count} {name}" for name, count in report["decisions"].items() if count)
    return "\n".join([*lines, *([f"Decided: {decided}."] if decided else [])])


def decision_text(answer: dict[str, Any]) -> str:
    lines = [f"{one['verdict']:8}  {one['slice_id']}  {one['path']}" for one in answer["slices"]]
    counts = f"{answer['name']}: {answer['excluded']} slices excluded, {answer['fine']} fine."
    return "\n".join([*lines, counts])


def split_text(made: dict[str, Any]) -> str:
    rows = [
        {"part": part, "slices": made[part]["slices"], "patients": made[part]["patients"]}
        | {"groups": made[part]["groups"]}
        | made[part]["by_label"]
        for part in ("train", "val", "calibration", "test")
        if made.get(part)
    ]
    keys = list(dict.fromkeys(key for row in rows for key in row))
    parts = table([{key: row.get(key, 0) for key in keys} for row in rows])
    return "\n".join([f"{made['name']} (by {made['group_by']}, {made['hash'][:12]})", parts, *made["notes"]])


def estimate(value: dict[str, Any]) -> str:
    if value["value"] is None:
        return f"not known ({value['reason']})"
    if value["low"] is None:
        return f"{value['value']:.3f} ({value['reason']})"
    return f"{value['value']:.3f} ({value['low']:.3f} to {value['high']:.3f})"


def evaluation_text(found: dict[str, Any]) -> str:
    people = f"{found['patients']} patients" if found["patients"] else "patients unknown"
    people += " known, not those of all slices" if found["patients"] and not found["patients_known"] else ""
    lines = [f"{found['run']} on {found['data']}: {found['n']} slices, {people}, {found['groups']} groups"]
    if found["rejected"]:
        lines.append(f"{found['rejected']} of them the input gate would refuse; they are counted here.")
    lines += [f"{key}: {estimate(found[key])}" for key in ("accuracy", "macro_f1")]
    lines += [f"AUC {label}: {estimate(value)}" for label, value in found["auc"].items()]
    if found["conformal"] is not None:
        lines.append(
            f"Conformal sets, promised to hold the right class {found['conformal']['promised']:.0%}:"
        )
        lines += [f"  {label}: {estimate(value)}" for label, value in found["conformal"]["coverage"].items()]
    lines += [found["verdict"]["summary"]]
    lines += [
        f"  {line['status']:9}  {line['claim']}: {line['evidence']}" for line in found["verdict"]["lines"]
    ]
    return "\n".join([*lines, f"{found['notice']}."])


def prediction_text(answer: dict[str, Any]) -> str:
    from pipeline.inference.seen import SENTENCES  # its libraries are loaded by then

    name = _on_one_line(answer["input"])
    if answer.get("frames", 1) > 1 or (answer["status"] == "error" and answer.get("frame")):
        name += f", frame {answer['frame'] + 1}"
    if answer["status"] == "error":
        return f"{name}: {answer['reason']}"
    if answer["status"] == "rejected":
        return f"{name}: no answer ({answer['reason']})"
    kind = "probability" if answer["calibrated"] else "score (uncalibrated)"
    scores = ", ".join(f"{label} {value:.3f}" for label, value in answer["probabilities"].items())
    told = answer["reason"] if answer["withheld"] else f"{answer['label']}; {kind} {scores}."
    said = f"{name}: {_named(answer)}{told} {SENTENCES[answer['seen']]}"
    report = answer.get("map_report")
    return said if report is None else f"{said} {report['sentence']} {report['because']}"


def _named(answer: dict[str, Any]) -> str:
    """Return what comes before why no disease's score is shown."""
    if not answer["withheld"]:
        return ""
    return f"{answer['label']}. " if answer["label"] == NON_INFORMATIVE else "no answer. "


def last_words(synthetic: bool) -> str:
    """Return what stands below answers."""
    return f"{NOTICE}. {SYNTHETIC}." if synthetic else f"{NOTICE}."


def case_text(found: dict[str, Any]) -> str:
    """Say what a model makes of a whole series."""
    from pipeline.inference.case import LEFT_OUT

    out = ", ".join(f"{count} {LEFT_OUT[why]}" for why, count in found["left_out"].items())
    counted = f"{found['used']} of {found['n']} slices count" + (f" (left out: {out})" if out else "")
    if found["label"] is None:
        lines = [f"{_on_one_line(found['series'])}: no answer for the series. {found['reason']}"]
    else:
        means = ", ".join(f"{label} {value:.3f}" for label, value in found["probabilities"].items())
        lines = [
            f"{_on_one_line(found['series'])}: {found['label']}; {counted}; means {means}. {found['rule']}"
        ]
    return "\n".join([*lines, *found["notes"]])


def handed_text(line: dict[str, Any]) -> str:
    """Say what was written of one slice."""
    name = _on_one_line(line["input"])
    if line["status"] == "error":
        return f"{name}: {line['reason']}"
    if line["status"] == "rejected":
        said = f"no answer ({line['reason']})"
    else:
        said = f"{_named(line)}{line['reason'] if line['withheld'] else line['label']}"
    return "\n".join([f"{name}: {said}", *(f"  {kind}: {path}" for kind, path in line["files"].items())])


def reproduced_text(found: dict[str, Any]) -> str:
    """Say whether an answer came out as before."""
    asked = f"Run {found['run']} ({found['run_id'][:8]}), the slice from {found['slice_from']}."
    return "\n".join([found["sentence"], *found["reasons"], asked, f"{found['notice']}."])


def gain_text(found: dict[str, Any]) -> str:
    """Say what averaging gained."""
    auc, ece, loss = found["macro_auc"], found["ece"], found["log_loss"]
    return "\n".join(
        [
            f"{found['run']}, {found['averaging']}, on {found['basis']}:",
            f"mean AUC {estimate(auc['plain'])} -> {estimate(auc['averaged'])}, "
            f"difference {estimate(auc['difference'])}",
            f"log loss {estimate(loss['plain'])} -> {estimate(loss['averaged'])}, "
            f"difference {estimate(loss['difference'])}",
            f"calibration error {estimate(ece['plain'])} -> {estimate(ece['averaged'])}",
            f"{found['notice']}.",
        ]
    )


def plan_text(rows: list[dict[str, Any]]) -> str:
    """Say what the trials of a sweep will cost, before they begin."""
    shown = [
        {
            "architecture": row["architecture"],
            "size": row["image_size"],
            "seed": str(row["seed"]),
            "fold": "" if row["fold"] is None else str(row["fold"]),
            "parameters": f"{row['parameters'] / 1e6:.1f} M",
            "memory": f"{row['memory'] / 2**30:.1f} GiB",
            "time, at most": _time(row["seconds"]),
            "speed": "measured here" if row["measured"] else "estimated",
            "fits": "yes" if row["fits"] else "no: left out",
        }
        for row in rows
    ]
    total = sum(row["seconds"] for row in rows if row["fits"])
    largest = max((row["memory"] for row in rows if row["fits"]), default=0)
    return (
        f"{table(shown)}\nThose that fit: {_time(total)} one after the other, {largest / 2**30:.1f} GiB at "
        "the peak. Estimates."
    )


def sweep_text(found: dict[str, Any]) -> str:
    """Write how a sweep stands as two tables."""

    def number(value: float | None) -> str:
        return "" if value is None else f"{value:.3f}"

    def interval(row: dict[str, Any]) -> str:
        return estimate(row["intervals"]["accuracy"]) if row["intervals"] else number(row["val_accuracy"])

    rows = [
        {key: row[key] for key in ("trial", "name", "status")}
        | {key: _short(row[key]) for key in found["varied"]}
        | {"epochs": row["epochs"], "best": row["best_epoch"], "val AUC": number(row["val_auc"])}
        | {"val accuracy": interval(row), "val loss": number(row["val_loss"])}
        for row in found["trials"]
    ]
    summary = [
        {key: _short(value) for key, value in row.items() if not isinstance(value, dict)}
        | {
            figure: f"{row[figure]['mean']:.3f} ({row[figure]['lowest']:.3f} to {row[figure]['highest']:.3f})"
            for figure in ("val_auc", "val_accuracy")
        }
        for row in found["summary"]
    ]
    status = ", ".join(f"{count} {name}" for name, count in found["status"].items())
    text = f"{found['name']} ({found['id']}): {status}\n{table(rows)}"
    return text + (f"\n\nMean (lowest to highest) of n, on validation:\n{table(summary)}" if summary else "")


def _short(value: Any) -> str:
    """Write a setting that may be a number of seventeen digits.

    >>> _short("0.0012520653814999472"), _short("ResNet50V2"), _short(None), _short("2")
    ('0.001252', 'ResNet50V2', '', '2')
    """
    text = "" if value is None else str(value)
    try:
        return f"{float(text):.4g}" if "." in text else text
    except ValueError:
        return text


def _time(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{max(1, minutes)} min"


def _on_one_line(name: str) -> str:
    """Write what a terminal would obey (line ends, escapes) as \\xNN: file names may hold anything.

    >>> _on_one_line("a\\nb.png")
    'a\\\\x0ab.png'
    """
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", lambda found: f"\\x{ord(found[0]):02x}", name)
