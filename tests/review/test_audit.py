"""The audit's chain: whole after honest work, broken by every kind of tampering."""

import sqlite3

import pytest

from pipeline.review.audit import FIRST, SealInvalidError, chain_hash
from pipeline.review.store import ReviewStore
from tests.review.test_store import whole

DROP = "DROP TRIGGER {0}_no_update; DROP TRIGGER {0}_no_delete;"


@pytest.fixture
def store(workspace):
    store = ReviewStore.of(workspace)
    for number in range(3):
        whole(store, f"s{number}")
    return store


def _tamper(workspace, *statements):
    """Do what someone with the file and a SQL shell can do."""
    with sqlite3.connect(workspace.reviews_db) as connection:
        for table in ("first_reads", "opinions", "final_reads", "audit"):
            connection.executescript(DROP.format(table))
        for statement in statements:
            connection.execute(statement)


def test_honest_work_leaves_a_whole_chain(store):
    found = store.verify_chain()
    assert found.intact and found.rows == 9 and found.head != FIRST


def test_an_empty_database_is_whole(workspace):
    found = ReviewStore.of(workspace).verify_chain()
    assert (found.intact, found.rows, found.head) == (True, 0, FIRST)


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("UPDATE final_reads SET label = 'negative' WHERE rowid = 2", "final read .* was changed"),
        ("UPDATE first_reads SET seconds = 1.0", "first read .* was changed"),
        ("DELETE FROM opinions WHERE rowid = 1", "opinion .* was deleted"),
        ("UPDATE audit SET record = replace(record, 'positive', 'none') WHERE seq = 6", "Row 6 .* changed"),
        ("DELETE FROM audit WHERE seq = 4", "Row 4 .* missing"),
        ("INSERT INTO final_reads SELECT 'x', first_read, label, note, seconds, agreed, overrode, "
         "recorded_at, 'y', app_version FROM final_reads LIMIT 1", "10 records and 9 audit rows"),
    ],
)  # fmt: skip
def test_tampering_is_found(workspace, store, statement, problem):
    _tamper(workspace, statement)
    found = store.verify_chain()
    assert not found.intact
    with pytest.raises(AssertionError, match=problem):
        raise AssertionError(found.problem)


def test_a_cut_end_is_found_with_the_head_of_an_export(workspace, store):
    head = store.verify_chain().head
    _tamper(
        workspace,
        "DELETE FROM final_reads WHERE id = (SELECT record_id FROM audit WHERE seq = 9)",
        "DELETE FROM audit WHERE seq = 9",
    )
    assert store.verify_chain().intact  # alone it cannot tell
    assert "is gone" in store.verify_chain(expected_head=head).problem
    assert "is gone" in store.verify_chain(expected_head=head[:12]).problem


def test_a_seal_is_found_by_its_first_digits(store):
    head = store.verify_chain().head
    whole(store, "s9")
    found = store.verify_chain(expected_head=f" {head[:12].upper()} ")
    assert found.intact and (found.rows, found.seal_row) == (12, 9)
    assert store.verify_chain(expected_head=FIRST).seal_row == 0
    with pytest.raises(SealInvalidError, match="12 to 64 digits"):
        store.verify_chain(expected_head="f1")


def test_the_hash_covers_the_whole_row():
    row = {
        "seq": 1,
        "kind": "opinion",
        "record_id": "a",
        "recorded_at": "t",
        "record": "{}",
        "previous": FIRST,
    }
    hashes = {chain_hash(row)} | {chain_hash(row | {key: "other"}) for key in row}
    assert len(hashes) == 7
