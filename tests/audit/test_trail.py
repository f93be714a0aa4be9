from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy import delete, func, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from codeserve.audit.chain import FIRST
from codeserve.audit.records import kinds
from codeserve.audit.trail import append
from codeserve.audit.verify import tenants, verify
from codeserve.errors import InvalidRecord, StoredDataBroken
from codeserve.storage.crypto import KeyRing, key_id
from codeserve.storage.engine import Database
from codeserve.storage.tables import AuditHead, AuditRow, Watermark
from tests.audit import writer
from tests.audit.examples import record
from tests.conftest import ROOT


def write(database: Database, number: int = 5, tenant: str = "north") -> None:
    for _ in range(number):
        with database.write() as session:
            append(session, database.keys, record("ACCEPTED", tenant))


def faults(database: Database, tenant: str = "north") -> list[tuple[str, int, int]]:
    with database.read() as session:
        return [(one.kind, one.first, one.last) for one in verify(session, database.keys, tenant).faults]


def tamper(database: Database, *statements: str) -> None:
    """As somebody who may do anything to the database, but lacks the key ring."""
    with database.write() as session:
        if database.is_sqlite:
            for name in ("update", "delete", "replace"):
                session.execute(text(f"DROP TRIGGER IF EXISTS audit_no_{name}"))
        else:
            session.execute(text("ALTER TABLE audit DISABLE TRIGGER USER"))
        for statement in statements:
            session.execute(text(statement))


def test_every_kind_of_record_is_chained_and_the_trail_holds(database: Database) -> None:
    for action in kinds():
        with database.write() as session:
            append(session, database.keys, record(action))
    with database.read() as session:
        rows = session.scalars(select(AuditRow).order_by(AuditRow.seq)).all()
        verdict = verify(session, database.keys, "north")
    assert [row.seq for row in rows] == list(range(1, len(kinds()) + 1))
    assert [row.previous for row in rows] == [FIRST, *(row.hash for row in rows[:-1])]
    assert (verdict.faults, verdict.count) == ((), len(kinds()))


def test_a_record_stands_and_falls_with_what_it_tells_of(database: Database) -> None:
    write(database, 1)

    def fail() -> None:
        with database.write() as session:
            session.add(Watermark(tenant="north", platform="fhir", mark="1"))
            append(session, database.keys, record("EDITED"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with pytest.raises(InvalidRecord), database.write() as session:
        append(session, database.keys, record("EDITED", details={}))
    write(database, 1)
    assert faults(database) == []
    with database.read() as session:
        assert session.scalars(select(AuditRow.action)).all() == ["ACCEPTED", "ACCEPTED"]
        assert session.scalars(select(Watermark)).all() == []


def test_the_database_refuses_to_change_or_remove_a_record(database: Database) -> None:
    write(database, 2)
    row = "tenant, seq, at, actor, action, versions, details, previous, hash"
    again = f"INTO audit ({row}) SELECT {row} FROM audit"
    attempts = [update(AuditRow).values(actor="other"), delete(AuditRow), delete(AuditRow).where(AuditRow.seq == 2)]
    attempts += [text(f"INSERT OR REPLACE {again}") if database.is_sqlite else text("TRUNCATE audit")]
    for attempt in attempts:
        with pytest.raises((DBAPIError, IntegrityError), match="append-only"), database.write() as session:
            session.execute(attempt)
    assert faults(database) == []


TAMPERED = {
    "a changed field": (["UPDATE audit SET actor = 'bob' WHERE seq = 3"], [("changed", 3, 3)]),
    "a changed reason": (["UPDATE audit SET details = '{}' WHERE seq = 5"], [("changed", 5, 5)]),
    "a record in the middle": (["DELETE FROM audit WHERE seq = 3"], [("removed", 3, 3)]),
    "the first": (["DELETE FROM audit WHERE seq = 1"], [("removed", 1, 1)]),
    "the end": (["DELETE FROM audit WHERE seq > 3"], [("removed", 4, 5)]),
    "all": (["DELETE FROM audit"], [("removed", 1, 5)]),
    "two exchanged": (
        [
            "UPDATE audit SET seq = 99 WHERE seq = 2",
            "UPDATE audit SET seq = 2 WHERE seq = 4",
            "UPDATE audit SET seq = 4 WHERE seq = 99",
        ],
        [("moved", 2, 2), ("moved", 4, 4)],
    ),
    "one put in at the end": (
        [
            "INSERT INTO audit (tenant, seq, at, actor, action, versions, details, previous, hash) "
            "SELECT tenant, 6, at, actor, action, versions, details, hash, hash FROM audit WHERE seq = 5"
        ],
        [("inserted", 6, 6)],
    ),
    "the end, with the head's count": (
        [
            "DELETE FROM audit WHERE seq = 5",
            "UPDATE audit_heads SET count = 4, hash = (SELECT hash FROM audit WHERE seq = 4)",
        ],
        [("head", 4, 4)],
    ),
    "the head": (["DELETE FROM audit_heads"], [("head", 5, 5)]),
    "the signature": (["UPDATE audit_heads SET mac = hash"], [("head", 5, 5)]),
}


@pytest.mark.parametrize("case", TAMPERED)
def test_verification_says_what_was_done_to_which_record(database: Database, case: str) -> None:
    write(database)
    write(database, 2, "south")
    statements, expected = TAMPERED[case]
    tamper(database, *(statement + _of_north(statement) for statement in statements))
    assert faults(database) == expected
    assert faults(database, "south") == []


def _of_north(statement: str) -> str:
    return f"{' AND' if ' WHERE ' in statement and 'audit_heads SET' not in statement else ' WHERE'} tenant = 'north'"


@pytest.mark.parametrize("statement", ["DELETE FROM audit_heads", "UPDATE audit_heads SET count = 1, mac = hash"])
def test_no_record_is_appended_to_a_trail_whose_head_was_tampered_with(database: Database, statement: str) -> None:
    write(database)
    tamper(database, statement)
    with pytest.raises(StoredDataBroken, match="head"):
        write(database, 1)


def test_a_head_that_is_signed_with_another_key_is_not_taken(database: Database) -> None:
    write(database)
    forger = KeyRing(key_id(b"f" * 32), {key_id(b"f" * 32): b"f" * 32})
    with database.write() as session:
        head = session.get_one(AuditHead, "north")
        head.mac = forger.mac(b"anything", forger.active).hex()
    assert faults(database) == [("head", 5, 5)]


def test_threads_that_write_at_once_make_one_chain(database: Database) -> None:
    failures: list[BaseException] = []

    def work(tenant: str) -> None:
        try:
            write(database, 10, tenant)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(tenant,)) for tenant in ("north", "south") * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with database.read() as session:
        assert tenants(session) == ["north", "south"]
        for tenant in tenants(session):
            verdict = verify(session, database.keys, tenant)
            assert (verdict.count, verdict.faults) == (30, ())


def test_processes_that_write_at_once_make_one_chain(database: Database, database_url: str, keys_file: Path) -> None:
    command = [sys.executable, writer.__file__, database_url, str(keys_file), "north", "20"]
    processes = [subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE) for _ in range(3)]
    ended = [process.communicate(timeout=300)[1].decode() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], ended
    assert faults(database) == []
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(AuditRow)) == 60
