"""Opening the readings' database: SQLite in the workspace, or PostgreSQL by HILUM_REVIEWS_URL.

SQLite runs in WAL mode with synchronous=FULL: a reading that was confirmed survives a power cut. Writers
queue (BEGIN IMMEDIATE, half a minute of patience), so two tabs, or a page and a script, can write at once.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.pool import NullPool

from pipeline.errors import HilumError
from pipeline.review.migrations import migrate
from pipeline.workspace import Workspace

URL_VARIABLE = "HILUM_REVIEWS_URL"
PATIENCE_SECONDS = 30
_LOCK = 0x48494C55  # any number that nothing else of this database's users takes


class ReviewDatabaseError(HilumError):
    """The readings' database cannot be reached, written, or understood."""


def reviews_url(workspace: Workspace) -> str:
    """Return where the readings of a workspace are kept: HILUM_REVIEWS_URL, else its own SQLite file."""
    return os.environ.get(URL_VARIABLE) or f"sqlite:///{workspace.reviews_db}"


@lru_cache(maxsize=8)
def open_database(url: str) -> Engine:
    """Open the database at `url` and bring it to this version's tables.

    Raises:
        ReviewDatabaseError: with the way out.
    """
    try:
        parsed = make_url(url)
        engine = create_engine(parsed, poolclass=NullPool) if _is_sqlite(url) else create_engine(parsed)
    except ArgumentError as error:
        raise ReviewDatabaseError(
            f"{URL_VARIABLE} is no database address. Write it as "
            "postgresql+psycopg://user:password@host/database, or leave it out for a file in the workspace."
        ) from error
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        raise ReviewDatabaseError(
            f"{URL_VARIABLE} needs a driver that is not installed ({error}). For PostgreSQL: "
            "pip install -r requirements-postgres.txt, and begin the address with postgresql+psycopg://."
        ) from error
    if _is_sqlite(url):
        _prepare_sqlite(engine)
    with writing(engine) as connection:
        migrate(connection)
    return engine


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Open the one transaction that writes now; others wait. It is on disk when the block ends.

    Raises:
        ReviewDatabaseError: it cannot be written.
    """
    with _explained(engine), engine.connect() as connection:
        connection.execution_options(hilum_writes=True)
        with connection.begin():
            if engine.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Open a transaction that only reads and waits for nobody.

    Raises:
        ReviewDatabaseError: it cannot be read.
    """
    with _explained(engine), engine.connect() as connection, connection.begin():
        yield connection


@contextmanager
def _explained(engine: Engine) -> Iterator[None]:
    """Say what a database's own error means. Broken constraints pass: the store knows what they mean."""
    try:
        yield
    except DBAPIError as error:
        cause = str(error.orig)
        if type(error).__name__ == "IntegrityError" or "append-only" in cause:
            raise
        place = engine.url.render_as_string(hide_password=True)
        advice = "Check that its disk has room and that the file may be written."
        if not _is_sqlite(str(engine.url)):
            advice = f"Check that the server runs and that {URL_VARIABLE} names it."
        if "not a database" in cause or "malformed" in cause:
            advice = "Restore it from a backup; the CSV export of its readings is one."
        raise ReviewDatabaseError(f"The readings in {place} cannot be used ({cause}). {advice}") from error


def _is_sqlite(url: str) -> bool:
    return url.startswith("sqlite")


def _prepare_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def connected(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # transactions begin where we say, not where the driver guesses
        connection.execute(f"PRAGMA busy_timeout={PATIENCE_SECONDS * 1000}")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        writes = connection.get_execution_options().get("hilum_writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
