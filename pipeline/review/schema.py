"""The tables of the readings' database. Nothing in them is changed or deleted; a correction is a new row.

first_reads   the reader's own label, the model hidden
opinions      what the model said, as it was shown; one for a first read
final_reads   the label after that, with note and seconds
audit         one row for each row above, chained by hashes
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

METADATA = MetaData()

first_reads = Table(
    "first_reads",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("reader", String(120), nullable=False),
    Column("dataset", String(64), nullable=False),
    Column("slice_id", String(64), nullable=False),
    Column("run", String(64), nullable=False),
    Column("worklist", String(64), nullable=False),
    # A class, or "cannot judge".
    Column("label", String(120), nullable=False),
    # Here and in final_reads: 0 where it is not known.
    Column("seconds", Float, CheckConstraint("seconds >= 0"), nullable=False),
    Column("shown_at", String(32), nullable=False),
    Column("recorded_at", String(32), nullable=False),
    # '' for the read itself, else the id of the row that this one corrects.
    Column("corrects", String(32), nullable=False),
    Column("app_version", String(32), nullable=False),
    # Two tabs of one reader: the second to answer is told so, and a row is corrected once.
    UniqueConstraint("reader", "run", "dataset", "slice_id", "corrects", name="one_first_read"),
)

opinions = Table(
    "opinions",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("first_read", String(32), ForeignKey("first_reads.id"), nullable=False, unique=True),
    Column("status", String(16), nullable=False),
    Column("label", String(120)),
    Column("scores", Text, nullable=False),
    Column("calibrated", Boolean, nullable=False),
    Column("heatmap_method", String(64)),
    Column("reason", Text, nullable=False),
    Column("recorded_at", String(32), nullable=False),
)

final_reads = Table(
    "final_reads",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("first_read", String(32), ForeignKey("first_reads.id"), nullable=False),
    Column("label", String(120), nullable=False),
    Column("note", Text, nullable=False),
    Column("seconds", Float, CheckConstraint("seconds >= 0"), nullable=False),
    # Null where the model gave no opinion, or the reader could not judge.
    Column("agreed", Boolean),
    Column("overrode", Boolean),
    Column("recorded_at", String(32), nullable=False),
    Column("corrects", String(32), nullable=False),
    Column("app_version", String(32), nullable=False),
    UniqueConstraint("first_read", "corrects", name="one_final_read"),
)

audit = Table(
    "audit",
    METADATA,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("kind", String(16), nullable=False),
    Column("record_id", String(32), nullable=False, unique=True),
    Column("recorded_at", String(32), nullable=False),
    Column("record", Text, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False, unique=True),
)

RECORDS = {"first_read": first_reads, "opinion": opinions, "final_read": final_reads}
"""The tables that the audit covers, by the kind that it calls their rows."""
