from __future__ import annotations

import threading
from pathlib import Path

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from codeserve.errors import SetupError, StorageUnavailable
from codeserve.storage import engine
from codeserve.storage.engine import Database, database_url
from codeserve.storage.keyfile import load_ring
from codeserve.storage.tables import Event, Watermark


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("mysql://host/db", "mysql"),
        ("postgresql://me:secret@host/db", "password"),
        ("sqlite://", "no file"),
        ("nothing", "not a database URL"),
    ],
)
def test_an_unusable_url_is_refused_and_not_repeated(url: str, told: str) -> None:
    with pytest.raises(SetupError, match=told) as caught:
        database_url(url)
    assert "secret" not in caught.value.detail


def test_a_failure_undoes_the_whole_transaction(database: Database) -> None:
    def fail() -> None:
        with database.write() as session:
            session.add(Watermark(tenant="north", platform="fhir", mark="1"))
            session.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(Watermark)) == 0


def test_a_reader_cannot_write(database: Database) -> None:
    def write() -> None:
        with database.read() as session:
            session.add(Watermark(tenant="north", platform="fhir", mark="1"))

    with pytest.raises(DBAPIError, match=r"(?i)read.?only"):
        write()
    with database.write() as session:  # the connection is as good as new
        session.add(Watermark(tenant="north", platform="fhir", mark="1"))


def test_a_reader_sees_one_moment_while_others_write(database: Database) -> None:
    count = select(func.count()).select_from(Watermark)
    with database.read() as reader:
        assert reader.scalar(count) == 0
        with database.write() as writer:
            writer.add(Watermark(tenant="north", platform="fhir", mark="1"))
        assert reader.scalar(count) == 0
    with database.read() as reader:
        assert reader.scalar(count) == 1


def test_many_writers_that_read_first_lose_nothing(database: Database) -> None:
    with database.write() as session:
        session.add(Watermark(tenant="north", platform="fhir", mark="0"))
    failures: list[BaseException] = []

    def count_up() -> None:
        try:
            for _ in range(10):
                with database.write() as session:
                    found = select(Watermark).with_for_update()
                    row = session.scalars(found).one()
                    row.mark = str(int(row.mark) + 1)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=count_up) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with database.read() as session:
        assert session.scalars(select(Watermark.mark)).one() == "40"


def test_a_second_event_of_the_same_id_is_refused_without_a_word_of_its_values(database: Database) -> None:
    def event() -> Event:
        return Event(tenant="north", platform="fhir", external_id="MRN-4711", kind="note.signed")

    with database.write() as session:
        session.add(event())
    with pytest.raises(IntegrityError) as caught, database.write() as session:
        session.add(event())
    assert "[SQL parameters hidden" in str(caught.value)


def test_sqlite_is_set_up_to_keep_what_it_acknowledged(tmp_path: Path, keys_file: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'new.db'}", load_ring(keys_file))
    with database.read() as session:
        told = {
            name: session.scalar(text(f"PRAGMA {name}")) for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert told == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    database.close()


def test_a_server_that_is_away_and_a_lock_that_is_held_too_long_may_be_tried_again(
    tmp_path: Path, keys_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "BUSY_S", 0)
    away = Database("postgresql://someone@127.0.0.1:1/nothing", load_ring(keys_file))
    held, late = (Database(f"sqlite:///{tmp_path / 'new.db'}", load_ring(keys_file)) for _ in range(2))

    def use(database: Database) -> None:
        with database.write() as session:
            session.execute(text("SELECT 1"))

    with pytest.raises(StorageUnavailable) as caught:
        use(away)
    assert caught.value.retryable
    assert "someone" not in caught.value.detail
    with held.write() as session:
        session.execute(text("SELECT 1"))
        with pytest.raises(StorageUnavailable, match="SQLITE_BUSY"):
            use(late)
    use(late)
    for database in (away, held, late):
        database.close()


def test_a_fault_of_the_program_is_not_called_one_of_the_database(database: Database) -> None:
    def ask() -> None:
        with database.read() as session:
            session.execute(text("SELECT nothing FROM nowhere"))

    with pytest.raises(DBAPIError, match="nowhere"):
        ask()
