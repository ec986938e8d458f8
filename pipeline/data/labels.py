"""Labels: from folder names, or from a CSV that a user wrote in Excel."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from pipeline.data.table import COLUMNS, GIVEN
from pipeline.errors import HilumError

POSITIVE, NEGATIVE, NON_INFORMATIVE = "positive", "negative", "non-informative"
KNOWN_LABELS = (POSITIVE, NEGATIVE, NON_INFORMATIVE)

_ALIASES = {
    "positive": POSITIVE,
    "pct": POSITIVE,
    "covid": POSITIVE,
    "covid19": POSITIVE,
    "negative": NEGATIVE,
    "nct": NEGATIVE,
    "normal": NEGATIVE,
    "noncovid": NEGATIVE,
    "noninformative": NON_INFORMATIVE,
    "nict": NON_INFORMATIVE,
}
# Folders that say how a set is divided or stored, not what is on its slices.
_NO_CLASS = frozenset(
    {
        "train",
        "training",
        "val",
        "valid",
        "validation",
        "test",
        "testing",
        "images",
        "image",
        "data",
        "slices",
        "dataset",
    }
)
# Columns that would bring a person's name or dates into the workspace.
_PERSONAL = re.compile(
    r"(^|_)(name|names|surname|firstname|lastname|birth.*|dob|date|dates|.*date|address|phone|email|mrn)(_|$)"
)


class LabelsError(HilumError):
    """A labels CSV that cannot be used: unreadable, without `path`, leading outside, contradicting itself."""


@dataclass(frozen=True)
class CsvLabels:
    """What a labels CSV says. Paths are relative to SOURCE, with `/`.

    Attributes:
        rows: path -> column -> value; `label` is canonical; empty values are left out.
        columns: further columns, in their order.
        dropped: columns that were left out because they look like names or dates of patients.
    """

    rows: dict[str, dict[str, str]] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()


def canonical_label(name: str) -> str:
    """Return the label a folder or CSV value stands for; an unknown one keeps its own name.

    >>> [canonical_label(name) for name in ("pCT", "COVID-19", "Non_COVID", "NiCT", "pneumonia")]
    ['positive', 'positive', 'negative', 'non-informative', 'pneumonia']
    """
    stripped = name.strip()
    return _ALIASES.get(re.sub(r"[\W_]+", "", stripped.lower()), stripped)


def label_from_path(path: str, *, archive: str | None = None) -> str | None:
    """Return the label that a path's folders below SOURCE give, None for a file in SOURCE itself.

    The first folder that names a known class counts, at any depth; else the first that says more than `train`
    or `images`. An archive is a folder of its name without `.zip`, asked last where no known class is named.

    >>> label_from_path("train/nCT/patient 7/a.png"), label_from_path("pneumonia/a.png")
    ('negative', 'pneumonia')
    >>> label_from_path("all.zip/pneumonia/a.png", archive="all.zip")
    'pneumonia'
    >>> label_from_path("pCT.zip/a.png", archive="pCT.zip")
    'positive'
    """
    folders = list(PurePosixPath(path).parts[:-1])
    last = []
    if archive is not None:
        place = len(PurePosixPath(archive).parts) - 1
        folders[place] = re.sub(r"\.zip$", "", folders[place], flags=re.IGNORECASE)
        last = [folders[place]]
    known = [label for label in map(canonical_label, folders) if label in KNOWN_LABELS]
    if known:
        return known[0]
    if archive is not None:
        del folders[place]
    telling = [folder for folder in [*folders, *last] if folder.lower() not in _NO_CLASS]
    return canonical_label(telling[0]) if telling else None


def order_labels(labels: Iterable[str]) -> list[str]:
    """Return the distinct labels: positive, negative, non-informative, then the others by name."""
    found = set(labels)
    return [label for label in KNOWN_LABELS if label in found] + sorted(found - set(KNOWN_LABELS))


def read_labels_csv(path: Path, *, source: Path) -> CsvLabels:
    """Read `path,label[,patient_id,source,...]`; commas, semicolons or tabs, any usual encoding.

    Raises:
        LabelsError: it can't be read, lacks `path`, leads outside `source`, or contradicts itself.
    """
    table, header = _open_table(path)
    personal = tuple(
        name for name in header if name not in ("path", "label") and _PERSONAL.search(_plain(name))
    )
    # A column called like one that is measured stands beside it, not in its place.
    renamed = {
        name: f"csv_{name}" if name in COLUMNS and name not in GIVEN | {"path"} else name for name in header
    }
    kept = [renamed[name] for name in header if name and name not in personal]
    names = [renamed[name] for name in header]
    rows: dict[str, dict[str, str]] = {}
    for line, values in enumerate(table, start=2):
        given = {name: value.strip() for name, value in zip(names, values, strict=False) if value.strip()}
        if "path" not in given:
            continue
        relative = _relative(given.pop("path"), source, path, line)
        row = {name: value for name, value in given.items() if name in kept}
        if "label" in row:
            row["label"] = canonical_label(row["label"])
        earlier = rows.get(relative, {})
        for name, value in row.items():
            if earlier.get(name, value) != value:
                raise LabelsError(
                    f"{path.name}, line {line}: {relative} is given the {name} {value!r} and, before, "
                    f"{earlier[name]!r}. Keep one of them."
                )
        rows[relative] = earlier | row
    further = tuple(name for name in kept if name not in ("path", "label"))
    return CsvLabels(rows, further, personal)


def _open_table(path: Path) -> tuple[list[list[str]], list[str]]:
    try:
        text = _decoded(path.read_bytes())
    except OSError as error:
        raise LabelsError(
            f"The labels file {path} cannot be read ({error.strerror}). Check the path: it names a CSV with "
            "the columns path and label."
        ) from error
    if "\0" in text:
        raise LabelsError(
            f"The labels file {path.name} is no text; it needs `path` and `label` as a CSV. Save the table "
            "as CSV (UTF-8) and name that file."
        )
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error as error:
        raise LabelsError(f"The labels file {path.name} is no CSV table ({error}).") from error
    header = [_plain(name) for name in rows[0]] if rows else []
    if "path" not in header:
        raise LabelsError(
            f"The labels file {path.name} has the columns {', '.join(header) or 'none'}; it needs `path` "
            "(relative to the folder of slices) and `label`."
        )
    return rows[1:], header


def _decoded(raw: bytes) -> str:
    """Return a table's text: UTF-8, what Excel calls Unicode Text (UTF-16), or Windows' Latin."""
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return raw.decode("utf-16", errors="replace")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("cp1252", errors="replace")


def _plain(name: str) -> str:
    return re.sub(r"[\s.-]+", "_", name.strip().lower())


def _relative(given: str, source: Path, csv_path: Path, line: int) -> str:
    """Return `given` relative to `source`, with `/`, its `..` and links resolved if need be."""
    text = given.replace("\\", "/")
    plain = PurePosixPath(text)
    drive = re.match(r"[A-Za-z]:/", text) is not None
    if not plain.is_absolute() and ".." not in plain.parts and not drive:
        return str(plain)
    resolved = Path(source, text).resolve()
    if drive or not resolved.is_relative_to(source.resolve()):
        raise LabelsError(
            f"{csv_path.name}, line {line}: {given!r} lies outside the folder {source}. Paths are relative "
            "to it; move the file there, or index the folder that holds both."
        )
    return resolved.relative_to(source.resolve()).as_posix()
