from __future__ import annotations

import threading
import time
from datetime import timedelta

import pytest
from sqlalchemy import select

from codeserve.errors import SetupError
from codeserve.storage import nodes
from codeserve.storage.engine import Database
from codeserve.storage.tables import Node
from tests.storage.rows import AT

LATER = AT + timedelta(seconds=nodes.STALE_S + 1)


def test_sqlite_serves_one_machine_and_postgresql_many(database: Database) -> None:
    nodes.join(database, "one", AT)
    nodes.join(database, "one", AT)  # its gateway and its worker
    if not database.is_sqlite:
        nodes.join(database, "other", AT)
        return
    with pytest.raises(SetupError, match="another machine"):
        nodes.join(database, "other", AT)
    nodes.join(database, "other", LATER)  # the first has not been heard of
    with pytest.raises(SetupError, match="another machine"):
        nodes.join(database, "one", LATER)


def test_one_that_serves_is_heard_of_again_and_again_until_it_closes(sqlite: Database) -> None:
    machine = nodes.this_machine()
    nodes.join(sqlite, machine, AT)
    beating = threading.Thread(target=nodes.beat, args=(sqlite, machine, 0.01))
    beating.start()
    try:
        deadline = time.monotonic() + 60
        while seen(sqlite) == AT and time.monotonic() < deadline:
            time.sleep(0.01)
        assert seen(sqlite) != AT
    finally:
        sqlite.close()
        beating.join(60)
    assert not beating.is_alive()


def test_a_beat_that_fails_is_told_and_tried_again(sqlite: Database, caplog: pytest.LogCaptureFixture) -> None:
    nodes.join(sqlite, "another", nodes.now())
    beating = threading.Thread(target=nodes.beat, args=(sqlite, "this", 0.01))
    beating.start()
    deadline = time.monotonic() + 60
    while len(caplog.records) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    sqlite.close()
    beating.join(60)
    assert "another machine" in caplog.text
    assert len(caplog.records) >= 2


def seen(database: Database) -> object:
    with database.read() as session:
        return session.scalars(select(Node.seen_at)).one()
