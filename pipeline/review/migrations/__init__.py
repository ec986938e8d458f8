"""The database's history as an ordered list. A release may add a step at the end; it never edits one.

The revision is kept in Alembic's own table, and the steps use Alembic's operations, so its tools work on the
database too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text

from pipeline.errors import HilumError
from pipeline.review.migrations import r0001_readings


class ReviewFormatError(HilumError):
    """The readings' database was written by a newer Hilum."""


@dataclass(frozen=True)
class Migration:
    """One step: its revision and what it does."""

    revision: str
    upgrade: Callable[[Operations], None]


MIGRATIONS = (Migration(r0001_readings.REVISION, r0001_readings.upgrade),)


def migrate(connection: Connection, *, steps: tuple[Migration, ...] = MIGRATIONS) -> None:
    """Bring the database to the newest revision, within the connection's transaction.

    Raises:
        ReviewFormatError: a newer Hilum wrote it.
    """
    context = MigrationContext.configure(connection)
    known = [step.revision for step in steps]
    current = context.get_current_revision()
    if current is not None and current not in known:
        raise ReviewFormatError(
            f"The readings were written by a newer Hilum (revision {current}; this one knows up to "
            f"{known[-1]}). Use that Hilum, or another workspace."
        )
    if current is None:
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)"))
        connection.execute(text("INSERT INTO alembic_version VALUES ('')"))
    done = known.index(current) + 1 if current is not None else 0
    operations = Operations(context)
    for step in steps[done:]:
        step.upgrade(operations)
        connection.execute(text("UPDATE alembic_version SET version_num = :new"), {"new": step.revision})
