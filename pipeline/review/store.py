"""Recording readings, in the order that makes them worth something: own label, then the model, then the end.

    store = ReviewStore.of(workspace)
    first = store.record_first_read(reader="A. Reader", dataset="wards", slice_id=..., run=..., label=...,
                                    seconds=4.2, shown_at=...)
    store.reveal(first, Opinion(...))
    store.record_final(first, label=..., note="", seconds=6.0)

Corrections are further rows that name the row they correct; what was first said stays.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, Table, func, select
from sqlalchemy.exc import IntegrityError

from pipeline.errors import HilumError
from pipeline.review import audit
from pipeline.review.audit import ChainReport
from pipeline.review.database import open_database, reading, reviews_url, writing
from pipeline.review.schema import final_reads, first_reads, opinions
from pipeline.workspace import Workspace

APP_VERSION = "0.1.0"
MAX_NOTE = 4000
CANNOT_JUDGE = "cannot judge"
"""In place of a label: the reader said that the slice cannot be judged. It counts in no statistic."""


class AlreadyReadError(HilumError):
    """This was recorded already: in another tab, or by pressing twice."""


class ReadingOrderError(HilumError):
    """A step before its turn: a final label before the model's opinion was shown."""


class ReadingInvalidError(HilumError):
    """A reading that lacks its reader or label, or whose note is too long."""


@dataclass(frozen=True)
class Opinion:
    """What the model said, as it was shown to the reader.

    Attributes:
        status: `ok`, `rejected` where the model gave no answer, or `error`.
        label: the called class, None where there is no answer.
        scores: by class, in [0, 1].
        calibrated: whether they were shown as probabilities, not as scores.
        heatmap_method: which map was shown, None where none was.
        reason: why there is no answer.
    """

    status: str
    label: str | None
    scores: Mapping[str, float] = field(default_factory=dict)
    calibrated: bool = False
    heatmap_method: str | None = None
    reason: str = ""


class ReviewStore:
    """The readings of one workspace. Any number of processes may write at once."""

    def __init__(self, url: str) -> None:
        self._engine: Engine = open_database(url)

    @classmethod
    def of(cls, workspace: Workspace) -> ReviewStore:
        """Open the readings of a workspace: its SQLite file, or the server that HILUM_REVIEWS_URL names."""
        return cls(reviews_url(workspace))

    def spelled(self, reader: str) -> str:
        """Return a reader's name as it was first written: other case and spaces make no other reader."""
        name = " ".join(reader.split())
        query = select(first_reads.c.reader).group_by(first_reads.c.reader)
        with reading(self._engine) as connection:
            known = list(connection.execute(query.order_by(func.min(first_reads.c.recorded_at))).scalars())
        if name in known:
            return name
        return next((one for one in known if one.casefold() == name.casefold()), name)

    def record_first_read(
        self,
        *,
        reader: str,
        dataset: str,
        slice_id: str,
        run: str,
        label: str,
        seconds: float | None,
        shown_at: datetime,
        worklist: str = "",
    ) -> str:
        """Record the reader's own label, given without the model; return the reading's id.

        Args:
            reader: who reads; kept as the name was first spelled.
            dataset, slice_id: what is read.
            run: the model whose opinion will be shown next.
            label: the reader's label.
            seconds: for which the slice was on the screen before the label; None where that is not known.
            shown_at: when the slice appeared.
            worklist: the list it came from.

        Raises:
            AlreadyReadError: this reader has read this slice with this model.
            ReadingInvalidError: no reader or no label.
        """
        row = {
            "id": _new_id(),
            "reader": self.spelled(_named(reader, "reader")),
            "dataset": dataset,
            "slice_id": slice_id,
            "run": run,
            "worklist": worklist,
            "label": _named(label, "label"),
            "seconds": _seconds(seconds),
            "shown_at": _iso(shown_at),
            "recorded_at": _iso(),
            "corrects": "",
            "app_version": APP_VERSION,
        }
        return self._write(
            "first_read", row, f"{reader} has read this slice already, perhaps in another tab."
        )

    def reveal(self, first_read: str, opinion: Opinion) -> Opinion:
        """Record that the model's opinion is shown now; return it as it was first shown.

        Showing it again (a second tab, a reloaded page) records nothing.
        """
        with writing(self._engine) as connection:
            self._first(connection, first_read)
            shown = _one(connection, opinions, first_read)
            if shown is not None:
                return _opinion(shown)
            row = {
                "id": _new_id(),
                "first_read": first_read,
                "status": opinion.status,
                "label": opinion.label,
                "scores": json.dumps({key: float(value) for key, value in opinion.scores.items()}),
                "calibrated": opinion.calibrated,
                "heatmap_method": opinion.heatmap_method,
                "reason": opinion.reason,
                "recorded_at": _iso(),
            }
            audit.record(connection, "opinion", row)
        return opinion

    def record_not_judged(
        self,
        *,
        reader: str,
        dataset: str,
        slice_id: str,
        run: str,
        reason: str,
        shown_at: datetime,
        worklist: str = "",
    ) -> str:
        """Record at once that a slice which could not be shown was not judged; return the reading's id.

        Nobody saw the slice, so the model is not asked: its opinion is on record as missing, with `reason`.

        Raises:
            AlreadyReadError: this reader has read this slice with this model.
        """
        first = self.record_first_read(
            reader=reader,
            dataset=dataset,
            slice_id=slice_id,
            run=run,
            label=CANNOT_JUDGE,
            seconds=None,
            shown_at=shown_at,
            worklist=worklist,
        )
        self.reveal(first, Opinion("error", None, reason=reason))
        self.record_final(first, label=CANNOT_JUDGE, seconds=None)
        return first

    def shown_opinion(self, first_read: str) -> Opinion | None:
        """Return the model's opinion as it was shown in this reading, None while it is hidden."""
        with reading(self._engine) as connection:
            shown = _one(connection, opinions, first_read)
        return _opinion(shown) if shown is not None else None

    def record_final(self, first_read: str, *, label: str, note: str = "", seconds: float | None) -> str:
        """Record the label after the model's opinion; return the row's id.

        Raises:
            ReadingOrderError: the opinion was not shown yet.
            AlreadyReadError: the reading has its final label; `correct_final` changes it.
        """
        return self._final(first_read, label=label, note=note, seconds=seconds, corrects="")

    def correct_final(self, first_read: str, *, label: str, note: str = "", seconds: float | None) -> str:
        """Record another final label in place of the last one, which stays on record.

        Raises:
            ReadingOrderError: there is no final label to correct.
        """
        with reading(self._engine) as connection:
            last = _last(connection, first_read)
        if last is None:
            raise ReadingOrderError("There is no final label to correct yet; give one first.")
        return self._final(first_read, label=label, note=note, seconds=seconds, corrects=last)

    def correct_first_read(self, first_read: str, *, label: str) -> str:
        """Record that the reader meant another label than the one that was pressed, and return the row's id.

        The first one stays. If the model's opinion was shown in between, the reading no longer counts as
        blind.

        Raises:
            AlreadyReadError: it was corrected already.
        """
        with reading(self._engine) as connection:
            original = dict(self._first(connection, first_read))
        row = original | {
            "id": _new_id(),
            "label": _named(label, "label"),
            "seconds": _seconds(None),
            "recorded_at": _iso(),
            "corrects": first_read,
            "app_version": APP_VERSION,
        }
        return self._write("first_read", row, "This first read was corrected already.")

    def verify_chain(self, *, expected_head: str | None = None) -> ChainReport:
        """Check that no record was changed, dropped or slipped in; see `audit.verify`."""
        with reading(self._engine) as connection:
            return audit.verify(connection, expected_head=expected_head)

    def rows(self) -> dict[str, list[dict[str, Any]]]:
        """Return all rows of all tables, oldest first, as one moment saw them."""
        with reading(self._engine) as connection:
            return {
                table.name: [
                    dict(row)
                    for row in connection.execute(
                        select(table).order_by(table.c.recorded_at, table.c.id)
                    ).mappings()
                ]
                for table in (first_reads, opinions, final_reads)
            }

    def _final(self, first_read: str, *, label: str, note: str, seconds: float | None, corrects: str) -> str:
        if len(note) > MAX_NOTE:
            raise ReadingInvalidError(f"The note has {len(note):,} letters; {MAX_NOTE:,} are the most.")
        with reading(self._engine) as connection:
            self._first(connection, first_read)
            shown = _one(connection, opinions, first_read)
        if shown is None:
            raise ReadingOrderError("The model's opinion was not shown yet: the final label comes after it.")
        answered = shown["label"] is not None and shown["status"] == "ok" and label != CANNOT_JUDGE
        row = {
            "id": _new_id(),
            "first_read": first_read,
            "label": _named(label, "label"),
            "note": note,
            "seconds": _seconds(seconds),
            "agreed": label == shown["label"] if answered else None,
            "overrode": label != shown["label"] if answered else None,
            "recorded_at": _iso(),
            "corrects": corrects,
            "app_version": APP_VERSION,
        }
        return self._write("final_read", row, "This reading has its final label already.")

    def _write(self, kind: str, row: dict[str, Any], already: str) -> str:
        try:
            with writing(self._engine) as connection:
                audit.record(connection, kind, row)
        except IntegrityError as error:
            raise AlreadyReadError(f"{already} Nothing was recorded twice; go on with the next.") from error
        return str(row["id"])

    def _first(self, connection: Connection, first_read: str) -> Mapping[str, Any]:
        found = (
            connection.execute(select(first_reads).where(first_reads.c.id == first_read)).mappings().first()
        )
        if found is None:
            raise ReadingOrderError(f"There is no first read {first_read!r}; record one before.")
        return dict(found)


def _one(connection: Connection, table: Table, first_read: str) -> Mapping[str, Any] | None:
    found = connection.execute(select(table).where(table.c.first_read == first_read)).mappings().first()
    return dict(found) if found is not None else None


def _last(connection: Connection, first_read: str) -> str | None:
    """Return the id of the final read that no other corrects."""
    rows = (
        connection.execute(select(final_reads).where(final_reads.c.first_read == first_read)).mappings().all()
    )
    corrected = {row["corrects"] for row in rows}
    return next((row["id"] for row in rows if row["id"] not in corrected), None)


def _opinion(row: Mapping[str, Any]) -> Opinion:
    names = ("status", "label", "calibrated", "heatmap_method", "reason")
    return Opinion(**{name: row[name] for name in names}, scores=json.loads(row["scores"]))


def _named(value: str, what: str) -> str:
    text = " ".join(value.split())
    if not text or len(text) > 120:
        raise ReadingInvalidError(
            f"A reading needs its {what}, of 1 to 120 letters; received {value[:40]!r}."
        )
    return text


def _seconds(value: float | None) -> float:
    """Return what is kept of a time: 0 where it is not known, which no reading takes."""
    return 0.0 if value is None else round(max(0.001, float(value)), 3)


def _iso(moment: datetime | None = None) -> str:
    return (moment or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="milliseconds")


def _new_id() -> str:
    return secrets.token_hex(16)
