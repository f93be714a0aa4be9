from __future__ import annotations

import pytest
from sqlalchemy import func, select

from codeserve.audit.verify import verify
from codeserve.errors import SetupError
from codeserve.storage import rotation
from codeserve.storage.crypto import Context, KeyRing, key_id
from codeserve.storage.engine import Database
from codeserve.storage.sealing import seal, unseal_json, unseal_text
from codeserve.storage.tables import AuditRow, Document, FinalCodes
from tests.storage.rows import CODES, NOTE, document, fill

NEW = b"n" * 32


def with_new_key(database: Database, old: bool = True) -> Database:
    """The same database with a new active key, and with the old ones or without."""
    keys = {name: database.keys._keys[name] for name in database.keys.ids} if old else {}
    return Database(str(database.engine.url), KeyRing(key_id(NEW), {**keys, key_id(NEW): NEW}))


def test_after_a_rotation_the_old_key_is_not_needed(database: Database) -> None:
    with database.write() as session:
        for tenant in ("north", "south"):
            fill(session, database.keys, tenant)
    rotating = with_new_key(database)
    before = rotation.keys_in_use(rotating)
    assert before == {database.keys.active: 22}
    done: list[int] = []
    assert rotation.rotate(rotating, "ops", done.append) == sum(done) == 22
    assert rotation.keys_in_use(rotating) == {key_id(NEW): 22}
    assert rotation.rotate(rotating, "ops") == rotation.waiting(rotating) == 0
    only = with_new_key(database, old=False)
    with only.read() as session:
        for first in session.scalars(select(Document)):
            assert unseal_text(only.keys, first, "note") == NOTE
        for final in session.scalars(select(FinalCodes)):
            assert unseal_json(only.keys, final, "codes") == CODES
        for tenant in ("north", "south"):
            assert verify(session, only.keys, tenant).faults == ()
            assert session.scalars(select(AuditRow.action).where(AuditRow.tenant == tenant)).all()[-1] == "KEYS_ROTATED"
    rotating.close()
    only.close()


def test_more_rows_than_a_batch(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotation, "BATCH", 3)
    with database.write() as session:
        session.add_all([document(database.keys, tenant, f"d{n}") for n in range(5) for tenant in ("north", "south")])
    rotating = with_new_key(database)
    assert rotation.rotate(rotating, "ops") == 20
    assert rotation.keys_in_use(rotating) == {key_id(NEW): 22}, "and a head for each of two trails"
    rotating.close()


def test_a_value_that_is_written_meanwhile_is_not_overwritten(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.write() as session:
        session.add(document(database.keys))
    rotating = with_new_key(database)
    rewrap = rotating.keys.rewrap

    def late(sealed: bytes, context: Context) -> bytes:
        if not database.is_sqlite and context.column == "note":  # SQLite's only write lock is held by the rotation
            with database.write() as other:
                seal(database.keys, other.scalars(select(Document)).one(), "note", "a newer text")
        return rewrap(sealed, context)

    monkeypatch.setattr(rotating.keys, "rewrap", late)
    rotation.rotate(rotating, "ops")
    with rotating.read() as session:
        text = unseal_text(rotating.keys, session.scalars(select(Document)).one(), "note")
    assert text == (NOTE if database.is_sqlite else "a newer text")
    rotating.close()


def test_a_ring_without_the_old_key_stops_and_names_it(database: Database) -> None:
    with database.write() as session:
        session.add(document(database.keys))
    only = with_new_key(database, old=False)
    with pytest.raises(SetupError, match=database.keys.active):
        rotation.rotate(only, "ops")
    with only.read() as session:
        assert session.scalar(select(func.count()).select_from(Document)) == 1
    only.close()
