from __future__ import annotations

import asyncio
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


def test_one_that_stays_is_heard_of_again_and_again(sqlite: Database) -> None:
    nodes.join(sqlite, nodes.this_machine(), AT)

    async def watch() -> None:
        beat = asyncio.create_task(nodes.stay(sqlite, nodes.this_machine(), 0.01))
        try:
            async with asyncio.timeout(60):
                while await asyncio.to_thread(seen, sqlite) == AT:
                    await asyncio.sleep(0.01)
        finally:
            beat.cancel()

    asyncio.run(watch())


def seen(database: Database) -> object:
    with database.read() as session:
        return session.scalars(select(Node.seen_at)).one()
