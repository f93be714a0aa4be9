from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import LargeBinary, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, IntegrityError, StatementError

from codeserve.errors import StoredDataBroken
from codeserve.storage.engine import Database
from codeserve.storage.sealing import seal, unseal, unseal_json, unseal_text
from codeserve.storage.tables import Base, Charge, Document, Event, Suggestion, WorklistItem
from codeserve.storage.types import Encrypted, Utc
from tests.storage.rows import AT, CODES, NOTE, document, fill, item, suggestion

ZONES = st.integers(-840, 840).map(lambda minutes: timezone(timedelta(minutes=minutes)))
TIMES = st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1), timezones=ZONES)


def test_everything_comes_back_as_it_was_written(database: Database) -> None:
    with database.write() as session:
        fill(session, database.keys)
    with database.read() as session:
        first = session.scalars(select(Document).where(Document.version == "1")).one()
        made = session.scalars(select(Suggestion)).one()
        assert (first.created_at, made.versions) == (AT, {"tagger": "1"})
        assert unseal_text(database.keys, first, "note") == NOTE
        assert unseal_json(database.keys, made, "response") == {"diagnosis_codes": CODES}
        assert session.scalars(select(Document.previous_id).where(Document.version == "2")).one() == first.id


def test_no_note_and_no_code_lies_in_clear(database: Database) -> None:
    with database.write() as session:
        fill(session, database.keys)
    sealed = 0
    with database.read() as session:
        for table in Base.metadata.sorted_tables:
            for row in session.execute(select(table)).mappings():
                told = repr({name: bytes(v) if isinstance(v, memoryview) else v for name, v in row.items()})
                assert "ankle" not in told
                assert "DocumentReference" not in told
                sealed += told.count("CS1")
    assert sealed == 10


def test_a_column_for_encrypted_values_takes_no_other(database: Database) -> None:
    row = document(database.keys)
    row.note = NOTE.encode()
    with pytest.raises(StatementError, match="encrypted values only"), database.write() as session:
        session.add(row)


def test_a_value_that_was_moved_in_the_database_is_not_read(database: Database) -> None:
    with database.write() as session:
        session.add_all([document(database.keys, external_id=name) for name in ("d1", "d2")])
    with database.write() as session:
        one, other = session.scalars(select(Document).order_by(Document.external_id))
        one.note, other.note = other.note, one.note
    with database.read() as session:
        for row in session.scalars(select(Document)):
            with pytest.raises(StoredDataBroken, match=r"documents\.note"):
                unseal(database.keys, row, "note")


def test_an_empty_column_is_none_and_an_empty_text_is_empty(database: Database) -> None:
    row = Document(tenant="north")
    assert unseal(database.keys, row, "note") is None
    seal(database.keys, row, "note", "")
    assert unseal_text(database.keys, row, "note") == ""


def test_no_row_refers_to_one_of_another_tenant(database: Database) -> None:
    north = document(database.keys, "north")
    with database.write() as session:
        session.add(north)
    stray = suggestion(database.keys, north)
    stray.tenant = "south"
    with pytest.raises(IntegrityError), database.write() as session:
        session.add(stray)


@pytest.mark.parametrize("wrong", [{"state": "lost"}, {"state": ""}])
def test_an_unknown_state_is_refused(database: Database, wrong: dict[str, str]) -> None:
    with pytest.raises(IntegrityError), database.write() as session:
        session.add(Event(tenant="north", platform="fhir", external_id="x", kind="k", **wrong))


def test_a_reference_of_a_charge_is_used_once(database: Database) -> None:
    first = document(database.keys)
    with database.write() as session:
        session.add(first)
        session.flush()
        session.add(Charge(tenant="north", document_id=first.id, reference="r1"))
    with pytest.raises(IntegrityError), database.write() as session:
        session.add(Charge(tenant="north", document_id=first.id, reference="r1"))


def test_the_worklist_is_read_in_the_order_of_its_index(database: Database) -> None:
    first = document(database.keys)
    made = suggestion(database.keys, first)
    with database.write() as session:
        for rows in ([first], [made], [item(made, priority=float(n % 7)) for n in range(30)]):
            session.add_all(rows)
            session.flush()
    listed = select(WorklistItem.priority, WorklistItem.id).where(
        WorklistItem.tenant == "north", WorklistItem.state == "open"
    )
    with database.read() as session:
        found = list(session.execute(listed.order_by(WorklistItem.priority.desc(), WorklistItem.id.desc())))
    assert found == sorted(found, reverse=True)
    assert len(found) == 30


@given(TIMES)
def test_a_time_comes_back_in_utc_from_both(moment: datetime) -> None:
    for dialect in (sqlite.dialect(), postgresql.dialect()):
        kept = Utc().process_bind_param(moment, dialect)
        assert Utc().process_result_value(kept, dialect) == moment
        back = Utc().process_result_value(kept, dialect)
        assert back is not None
        assert back.tzinfo is UTC


def test_a_time_without_a_zone_is_refused(database: Database) -> None:
    row = document(database.keys)
    row.created_at = datetime(2026, 1, 1)
    with pytest.raises((StatementError, DBAPIError), match="zone"), database.write() as session:
        session.add(row)


def test_all_bytes_are_encrypted_columns() -> None:
    columns = [column for table in Base.metadata.tables.values() for column in table.columns]
    assert not [c for c in columns if isinstance(c.type, LargeBinary)]
    assert {f"{c.table.name}.{c.name}" for c in columns if isinstance(c.type, Encrypted)} >= {
        "documents.note",
        "documents.encounter",
        "events.payload",
        "suggestions.response",
        "final_codes.codes",
    }
