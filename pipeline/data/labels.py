"""Labels: from folder names, or from a CSV that a user wrote in Excel."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from pipeline.data.label_columns import LabelColumns, sort_columns
from pipeline.data.pseudonyms import pseudonym
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
NO_CLASS = frozenset(
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
NO_FILE = "The labels file names it, and it is not in the folder, to which paths are relative."
RULES = 2  # of what folders and a CSV say: a greater one makes tables again, without reading the files
_HEAD = 1 << 16  # bytes: enough of a CSV for its header


class LabelsError(HilumError):
    """A labels CSV that cannot be used: unreadable, without `path`, leading outside, contradicting itself."""


@dataclass(frozen=True)
class CsvLabels:
    """What a labels CSV says. Paths are relative to SOURCE, with `/`.

    Attributes:
        rows: path -> column -> value; `label` is canonical; empty values are left out.
        header: what its columns are taken for.
        by_name: how many rows were put under the path of the file that has their file's name.
    """

    rows: dict[str, dict[str, str]] = field(default_factory=dict)
    header: LabelColumns = LabelColumns()
    by_name: int = 0

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns beside path and label, in their order."""
        return tuple(name for name in self.header.names if name not in ("", "path", "label"))


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
    telling = [folder for folder in [*folders, *last] if folder.lower() not in NO_CLASS]
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
    rows: dict[str, dict[str, str]] = {}
    for line, values in enumerate(table, start=2):
        row = {
            name: value.strip()
            for name, value in zip(header.names, values, strict=False)
            if name and value.strip()
        }
        if "path" not in row:
            continue
        relative = _relative(row.pop("path"), source, path, line)
        if "label" in row:
            row["label"] = canonical_label(row["label"])
        earlier = rows.get(relative, {})
        for name, value in row.items():
            if earlier.get(name, value) != value:
                given = f"the {name} {value!r} and, before, {earlier[name]!r}"
                if name == "patient_id" and header.may_name_patients:
                    given = "two patients"  # not named: what is said here is kept
                raise LabelsError(f"{path.name}, line {line}: {relative} is given {given}. Keep one of them.")
        rows[relative] = earlier | row
    return CsvLabels(rows, header)


def without_names(labels: CsvLabels, *, key: bytes) -> CsvLabels:
    """Return the labels with a keyed pseudonym for each patient who seems to be given by name.

    That is a value without a digit, in a column that is not called an id (`patient`, `subject`).
    """
    if not labels.header.may_name_patients:
        return labels
    return replace(labels, rows={path: _without_name(row, key) for path, row in labels.rows.items()})


def _without_name(row: dict[str, str], key: bytes) -> dict[str, str]:
    given = row.get("patient_id", "")
    if not given or any(letter.isdigit() for letter in given):
        return row
    hidden = pseudonym(given, key=key, kind="patient")
    known = {"patient_id": hidden} if hidden is not None else {}
    return {name: value for name, value in row.items() if name != "patient_id"} | known


def read_header(path: Path) -> LabelColumns:
    """Return what the columns of a labels CSV are taken for, without reading its rows.

    Raises:
        LabelsError: it can't be read or lacks `path`.
    """
    return _open_table(path, most=_HEAD)[1]


def _open_table(path: Path, *, most: int = -1) -> tuple[list[list[str]], LabelColumns]:
    """Return the rows of a CSV, of its first `most` bytes, and its header."""
    try:
        with path.open("rb") as file:
            raw = file.read(most)
        text = _decoded(raw[: raw.rfind(b"\n")] if len(raw) == most else raw)
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
    header = sort_columns(rows[0] if rows else [])
    if "path" not in header.names:
        raise LabelsError(
            f"The labels file {path.name} has the columns {', '.join(header.written) or 'none'}; it needs "
            "`path` (relative to the folder of slices) and `label`."
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
