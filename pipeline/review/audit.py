"""A chain of hashes over everything that was recorded: changing, dropping or inserting a row breaks it.

Each audit row holds the record as canonical JSON, the hash before it, and sha256(previous + that JSON). Who
cuts rows off the end leaves a chain that is whole but shorter: keep the head's hash (it stands in every JSON
export) to notice that.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, insert, select

from pipeline.errors import HilumError
from pipeline.review.schema import RECORDS, audit

FIRST = "0" * 64
SEAL_DIGITS = 12
"""So many digits of a hash are shown to be written down, and are enough to find it again."""


class SealInvalidError(HilumError):
    """A text that is no seal."""


@dataclass(frozen=True)
class ChainReport:
    """Whether the chain holds. `problem` says where not; `head` is the last hash, for keeping elsewhere.

    `seal_row` is the row that an earlier seal was found at (0: before the first), None where none was looked
    for or found.
    """

    rows: int
    head: str
    problem: str | None = None
    seal_row: int | None = None

    @property
    def intact(self) -> bool:
        """Whether nothing was changed."""
        return self.problem is None

    def to_json(self) -> dict[str, Any]:
        """Return the report as exports and the command line give it."""
        fields = {"rows": self.rows, "head": self.head, "intact": self.intact, "problem": self.problem}
        return fields | {"seal_row": self.seal_row}


def read_seal(text: str) -> str:
    """Return a seal that somebody typed: the beginning of a hash, or all of it.

    Raises:
        SealInvalidError: it is none.

    >>> read_seal(" F12885FAFECF ")
    'f12885fafecf'
    """
    seal = "".join(text.split()).lower()
    if not SEAL_DIGITS <= len(seal) <= 64 or set(seal) - set("0123456789abcdef"):
        raise SealInvalidError(
            f"A seal is {SEAL_DIGITS} to 64 digits of 0-9 and a-f, as the Readings tab and the JSON export "
            f"show it; received {text.strip()[:70]!r}."
        )
    return seal


def canonical_json(value: Mapping[str, Any]) -> str:
    """Return JSON that is the same for the same content: sorted keys, no spaces, Unicode as it is.

    >>> canonical_json({"b": 1.0, "a": None})
    '{"a":null,"b":1.0}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def record(connection: Connection, kind: str, row: Mapping[str, Any]) -> None:
    """Insert `row` into its table and chain it, in the caller's writing transaction."""
    connection.execute(insert(RECORDS[kind]).values(**row))
    last = connection.execute(select(audit.c.seq, audit.c.hash).order_by(audit.c.seq.desc()).limit(1)).first()
    seq, previous = (last.seq + 1, last.hash) if last else (1, FIRST)
    content = canonical_json(row)
    values = {
        "seq": seq,
        "kind": kind,
        "record_id": row["id"],
        "recorded_at": row["recorded_at"],
        "record": content,
        "previous": previous,
    }
    connection.execute(insert(audit).values(**values, hash=chain_hash(values)))


def chain_hash(row: Mapping[str, Any]) -> str:
    """Return the hash of an audit row: sha256 of the hash before it and of its own content."""
    content = canonical_json({key: row[key] for key in ("seq", "kind", "record_id", "recorded_at", "record")})
    return hashlib.sha256((row["previous"] + content).encode()).hexdigest()


def verify(connection: Connection, *, expected_head: str | None = None) -> ChainReport:
    """Check every audit row against the one before, and every record against its audit row.

    Args:
        connection: a reading transaction.
        expected_head: a hash from an earlier export, or its first digits; it must still be in the chain.

    Raises:
        SealInvalidError: `expected_head` is no hash.
    """
    seal = read_seal(expected_head) if expected_head is not None else None
    previous, count = FIRST, 0
    seal_row = 0 if seal is not None and FIRST.startswith(seal) else None
    for found in connection.execute(select(audit).order_by(audit.c.seq)).mappings():
        row = dict(found)
        count += 1
        if seal is not None and row["hash"].startswith(seal):
            seal_row = count
        if row["seq"] != count:
            return ChainReport(count, previous, f"Row {count} of the audit is missing.")
        if row["previous"] != previous or row["hash"] != chain_hash(row):
            return ChainReport(count, previous, f"Row {count} of the audit was changed.")
        if (problem := _mismatch(connection, row)) is not None:
            return ChainReport(count, previous, problem)
        previous = row["hash"]
    held = sum(
        connection.execute(select(func.count()).select_from(table)).scalar_one() for table in RECORDS.values()
    )
    if held != count:
        return ChainReport(count, previous, f"There are {held} records and {count} audit rows.")
    if seal is not None and seal_row is None:
        problem = (
            "The entry with this seal is gone: it was taken away or written anew, or the seal is of another "
            "workspace."
        )
        return ChainReport(count, previous, problem)
    return ChainReport(count, previous, seal_row=seal_row)


def _mismatch(connection: Connection, row: dict[str, Any]) -> str | None:
    table = RECORDS.get(row["kind"])
    name = f"The {row['kind'].replace('_', ' ')} {row['record_id']}"
    if table is None:
        return f"{name} is of no kind that is known."
    found = connection.execute(select(table).where(table.c.id == row["record_id"])).mappings().first()
    if found is None:
        return f"{name} was deleted."
    return None if canonical_json(dict(found)) == row["record"] else f"{name} was changed."
