"""Recording readings: the order of steps, what is refused, corrections, two tabs, the schema's history."""

import sqlite3
import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from pipeline.review import store as store_module
from pipeline.review.database import ReviewDatabaseError, open_database, reviews_url
from pipeline.review.migrations import MIGRATIONS, Migration, ReviewFormatError, migrate
from pipeline.review.readings import load_readings
from pipeline.review.schema import METADATA
from pipeline.review.store import (
    CANNOT_JUDGE,
    AlreadyReadError,
    Opinion,
    ReadingInvalidError,
    ReadingOrderError,
    ReviewStore,
)

SHOWN = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
OPINION = Opinion("ok", "positive", {"positive": 0.8, "negative": 0.2}, False, "closed-form CAM")


@pytest.fixture
def store(workspace):
    return ReviewStore.of(workspace)


def first(store, slice_id="s1", reader="A. Reader", label="negative", **more):
    return store.record_first_read(
        reader=reader,
        dataset="wards",
        slice_id=slice_id,
        run="r1",
        label=label,
        seconds=4.2,
        shown_at=SHOWN,
        **more,
    )


def whole(store, slice_id="s1", final="positive", **more):
    read = first(store, slice_id, **more)
    store.reveal(read, OPINION)
    store.record_final(read, label=final, note="peripheral", seconds=6.5)
    return read


def test_a_whole_reading_keeps_everything_that_was_seen_and_said(store):
    whole(store, worklist="seed 7")
    row = load_readings(store).iloc[0]
    assert row["reader"] == "A. Reader" and row["worklist"] == "seed 7"
    assert (row["blind_label"], row["blind_seconds"]) == ("negative", 4.2)
    assert (row["model_label"], row["model_calibrated"], row["heatmap_method"]) == (
        "positive", False, "closed-form CAM",
    )  # fmt: skip
    assert row["model_scores"] == '{"positive": 0.8, "negative": 0.2}'
    assert (row["final_label"], row["note"], row["final_seconds"]) == ("positive", "peripheral", 6.5)
    assert (row["agreed"], row["overrode"], row["changed"]) == (True, False, True)
    assert row["shown_at"] == "2026-03-01T09:30:00.000+00:00"
    assert row["first_read_at"] <= row["opinion_at"] <= row["final_at"]


def test_the_version_on_record_is_this_one():
    project = tomllib.loads(Path("pyproject.toml").read_text())
    assert project["project"]["version"] == store_module.APP_VERSION


def test_the_final_label_waits_for_the_models_opinion(store):
    read = first(store)
    assert store.shown_opinion(read) is None
    with pytest.raises(ReadingOrderError, match="not shown yet"):
        store.record_final(read, label="positive", seconds=1)
    with pytest.raises(ReadingOrderError, match="record one before"):
        store.reveal("nobody", OPINION)


def test_the_opinion_stays_as_it_was_first_shown(store):
    read = first(store)
    store.reveal(read, OPINION)
    again = store.reveal(read, Opinion("ok", "negative", {"negative": 1.0}))
    assert again == OPINION == store.shown_opinion(read)


def test_a_model_without_an_answer_is_neither_agreed_with_nor_overridden(store):
    read = first(store)
    store.reveal(read, Opinion("rejected", "positive", {}, reason="A colour picture."))
    store.record_final(read, label="positive", seconds=1)
    row = load_readings(store).iloc[0]
    assert row["agreed"] is None and row["overrode"] is None


def test_a_slice_that_was_not_seen_is_recorded_as_not_judged(store):
    store.record_not_judged(
        reader="A. Reader", dataset="wards", slice_id="s1", run="r1", reason="No file.", shown_at=SHOWN
    )
    row = load_readings(store).iloc[0]
    assert (row["blind_label"], row["final_label"]) == (CANNOT_JUDGE, CANNOT_JUDGE)
    assert (row["model_status"], row["model_label"], row["agreed"]) == ("error", None, None)
    assert store.verify_chain().intact


def test_a_time_that_is_not_known_is_no_figure(store):
    read = first(store)
    store.reveal(read, OPINION)
    store.record_final(read, label="positive", seconds=None)
    assert load_readings(store)["final_seconds"].tolist() == [None]
    assert store.verify_chain().intact


def test_who_cannot_judge_neither_agrees_with_the_model_nor_overrides_it(store):
    whole(store, final=CANNOT_JUDGE)
    row = load_readings(store).iloc[0]
    assert (row["agreed"], row["overrode"], row["changed"]) == (None, None, True)


def test_the_same_slice_is_read_once_by_a_reader_and_a_model(store):
    first(store)
    with pytest.raises(AlreadyReadError, match="another tab"):
        first(store, label="positive")
    first(store, reader="B. Reader")
    assert load_readings(store)["blind_label"].tolist() == ["negative", "negative"]


def test_another_spelling_of_a_name_is_no_other_reader(store):
    first(store, reader="Dr  A")
    with pytest.raises(AlreadyReadError):
        first(store, reader=" dr a")
    first(store, "s2", reader="DR A")
    assert load_readings(store)["reader"].tolist() == ["Dr A", "Dr A"]
    assert store.spelled("dr  B") == "dr B"


def test_corrections_add_rows_and_keep_what_was_said(store):
    read = whole(store, final="positive")
    store.correct_final(read, label="negative", note="vessel", seconds=3)
    store.correct_final(read, label="non-informative", note="", seconds=2)
    store.correct_first_read(read, label="positive")
    with pytest.raises(AlreadyReadError, match="corrected already"):
        store.correct_first_read(read, label="negative")
    row = load_readings(store).iloc[0]
    assert (row["blind_label"], row["blind_corrected_to"]) == ("negative", "positive")
    assert (row["final_label"], row["corrections"]) == ("non-informative", 3)
    rows = store.rows()
    assert [r["label"] for r in rows["final_reads"]] == ["positive", "negative", "non-informative"]
    assert len(load_readings(store)) == 1


def test_there_must_be_something_to_correct(store):
    with pytest.raises(ReadingOrderError, match="nothing|no final label"):
        store.correct_final(first(store), label="positive", seconds=1)


@pytest.mark.parametrize(
    ("change", "advice"), [({"reader": "  "}, "its reader"), ({"label": ""}, "its label")]
)
def test_a_reading_without_reader_or_label_is_refused(store, change, advice):
    with pytest.raises(ReadingInvalidError, match=advice):
        first(store, **change)


def test_a_note_may_be_long_but_not_endless(store):
    read = first(store)
    store.reveal(read, OPINION)
    with pytest.raises(ReadingInvalidError, match="4,000 are the most"):
        store.record_final(read, label="positive", note="x" * 4001, seconds=1)


def test_many_writers_at_once_lose_nothing_and_break_no_chain(workspace):
    """Eight threads with connections of their own, and every reading twice: as from two tabs."""
    url = reviews_url(workspace)
    ReviewStore(url)

    def read(number):
        try:
            whole(ReviewStore(url), f"s{number // 2}")
            return 1
        except AlreadyReadError:
            return 0

    with ThreadPoolExecutor(8) as pool:
        made = sum(pool.map(read, range(40)))
    assert made == 20
    store = ReviewStore(url)
    assert load_readings(store)["final_label"].tolist() == ["positive"] * 20
    assert store.verify_chain().intact and store.verify_chain().rows == 60


def test_processes_open_a_new_database_together(workspace):
    """Four processes find no database and make it at the same moment: one does, the others wait."""
    code = (
        "import sys; from datetime import UTC, datetime; from pipeline.review.store import ReviewStore; "
        "ReviewStore(sys.argv[1]).record_first_read(reader=sys.argv[2], dataset='d', slice_id='s', run='r', "
        "label='x', seconds=1, shown_at=datetime.now(UTC))"
    )
    url = reviews_url(workspace)
    started = [
        subprocess.Popen([sys.executable, "-c", code, url, f"reader {n}"], stderr=subprocess.PIPE, text=True)
        for n in range(4)
    ]
    assert [process.communicate()[1] for process in started] == [""] * 4
    store = ReviewStore(url)
    assert len(load_readings(store)) == 4 and store.verify_chain().intact


def test_sqlite_writes_through_to_the_disk(workspace, store):
    with open_database(reviews_url(workspace)).connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


@pytest.mark.parametrize(
    "act", ["UPDATE first_reads SET label = 'x'", "DELETE FROM audit", "DELETE FROM opinions"]
)
def test_the_database_itself_refuses_changes(workspace, store, act):
    whole(store)
    with sqlite3.connect(workspace.reviews_db) as connection:
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            connection.execute(act)


def test_the_migrations_make_the_tables_that_the_code_uses(tmp_path):
    engine = open_database(f"sqlite:///{tmp_path / 'r.db'}")
    with engine.connect() as connection:
        found = compare_metadata(MigrationContext.configure(connection), METADATA)
        assert found == []


def test_a_step_added_later_keeps_the_readings(tmp_path):
    url = f"sqlite:///{tmp_path / 'r.db'}"
    whole(ReviewStore(url))
    later = (*MIGRATIONS, Migration("0002", lambda op: op.add_column("audit", sa.Column("more", sa.Text))))
    with open_database(url).connect() as connection, connection.begin():
        migrate(connection, steps=later)
        migrate(connection, steps=later)  # a second time does nothing
        assert MigrationContext.configure(connection).get_current_revision() == "0002"
        assert connection.exec_driver_sql("SELECT count(*) FROM audit WHERE more IS NULL").scalar() == 3
    with open_database(url).connect() as connection, connection.begin():
        with pytest.raises(ReviewFormatError, match="newer Hilum"):
            migrate(connection)


def test_databases_that_cannot_be_used_say_why(tmp_path, monkeypatch, workspace):
    with pytest.raises(ReviewDatabaseError, match="no database address"):
        open_database("nonsense")
    with pytest.raises(ReviewDatabaseError, match="driver"):
        open_database("postgresql+psycopg://someone:secret@localhost/x")
    (tmp_path / "text.db").write_text("this is no database, it is a text of some length" * 50)
    with pytest.raises(ReviewDatabaseError, match="backup"):
        open_database(f"sqlite:///{tmp_path / 'text.db'}")
    monkeypatch.setenv("HILUM_REVIEWS_URL", "sqlite:////elsewhere/r.db")
    assert reviews_url(workspace) == "sqlite:////elsewhere/r.db"
    with pytest.raises(ReviewDatabaseError, match="cannot be used"):
        ReviewStore.of(workspace)
