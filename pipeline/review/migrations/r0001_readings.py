"""First reads, opinions, final reads and their audit; the database refuses to change or delete a row."""

from __future__ import annotations

import sqlalchemy as sa
from alembic.operations import Operations

REVISION = "0001"
TABLES = ("first_reads", "opinions", "final_reads", "audit")


def upgrade(op: Operations) -> None:
    """Make the tables and the triggers that keep them append-only."""
    op.create_table(
        "first_reads",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("reader", sa.String(120), nullable=False),
        sa.Column("dataset", sa.String(64), nullable=False),
        sa.Column("slice_id", sa.String(64), nullable=False),
        sa.Column("run", sa.String(64), nullable=False),
        sa.Column("worklist", sa.String(64), nullable=False),
        sa.Column("label", sa.String(120), nullable=False),
        sa.Column("seconds", sa.Float, sa.CheckConstraint("seconds >= 0"), nullable=False),
        sa.Column("shown_at", sa.String(32), nullable=False),
        sa.Column("recorded_at", sa.String(32), nullable=False),
        sa.Column("corrects", sa.String(32), nullable=False),
        sa.Column("app_version", sa.String(32), nullable=False),
        sa.UniqueConstraint("reader", "run", "dataset", "slice_id", "corrects", name="one_first_read"),
    )
    op.create_table(
        "opinions",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("first_read", sa.String(32), sa.ForeignKey("first_reads.id"), nullable=False, unique=True),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("label", sa.String(120)),
        sa.Column("scores", sa.Text, nullable=False),
        sa.Column("calibrated", sa.Boolean, nullable=False),
        sa.Column("heatmap_method", sa.String(64)),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("recorded_at", sa.String(32), nullable=False),
    )
    op.create_table(
        "final_reads",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("first_read", sa.String(32), sa.ForeignKey("first_reads.id"), nullable=False),
        sa.Column("label", sa.String(120), nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("seconds", sa.Float, sa.CheckConstraint("seconds >= 0"), nullable=False),
        sa.Column("agreed", sa.Boolean),
        sa.Column("overrode", sa.Boolean),
        sa.Column("recorded_at", sa.String(32), nullable=False),
        sa.Column("corrects", sa.String(32), nullable=False),
        sa.Column("app_version", sa.String(32), nullable=False),
        sa.UniqueConstraint("first_read", "corrects", name="one_final_read"),
    )
    op.create_table(
        "audit",
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("record_id", sa.String(32), nullable=False, unique=True),
        sa.Column("recorded_at", sa.String(32), nullable=False),
        sa.Column("record", sa.Text, nullable=False),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False, unique=True),
    )
    _forbid_changes(op)


def _forbid_changes(op: Operations) -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION hilum_append_only() RETURNS trigger AS $$ "
            "BEGIN RAISE EXCEPTION 'readings are append-only'; END $$ LANGUAGE plpgsql"
        )
        for table in TABLES:
            op.execute(
                f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
                "FOR EACH STATEMENT EXECUTE FUNCTION hilum_append_only()"
            )
        return
    for table in TABLES:
        for act in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{act.lower()} BEFORE {act} ON {table} "
                "BEGIN SELECT RAISE(ABORT, 'readings are append-only'); END"
            )
