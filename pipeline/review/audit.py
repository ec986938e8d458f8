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

from pipeline.review.schema import RECORDS, audit

FIRST = "0" * 64


@dataclass(frozen=True)
class ChainReport:
    """Whether the chain holds. `problem` says where not; `head` is the last hash, for keeping elsewhere."""

    rows: int
    head: str
    problem: str | None = None

    @property
    def intact(self) -> bool:
        """Whether nothing was changed."""
        return self.problem is None


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
        expected_head: a hash from an earlier export; it must still be in the chain.
    """
    previous, seen, count = FIRST, set(), 0
    for found in connection.execute(select(audit).order_by(audit.c.seq)).mappings():
        row = dict(found)
        count += 1
        seen.add(row["hash"])
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
    if expected_head is not None and expected_head not in seen:
        return ChainReport(count, previous, "The end of the chain that an export names is gone.")
    return ChainReport(count, previous)


def _mismatch(connection: Connection, row: dict[str, Any]) -> str | None:
    table = RECORDS.get(row["kind"])
    name = f"The {row['kind'].replace('_', ' ')} {row['record_id']}"
    if table is None:
        return f"{name} is of no kind that is known."
    found = connection.execute(select(table).where(table.c.id == row["record_id"])).mappings().first()
    if found is None:
        return f"{name} was deleted."
    return None if canonical_json(dict(found)) == row["record"] else f"{name} was changed."
