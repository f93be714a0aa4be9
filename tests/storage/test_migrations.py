from __future__ import annotations

import threading
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import CheckConstraint, Engine, MetaData, inspect, select

from codeserve.errors import SetupError
from codeserve.storage import migrate
from codeserve.storage.crypto import KeyRing, key_id
from codeserve.storage.engine import Database
from codeserve.storage.tables import Base
from tests.storage.rows import fill

KEY = b"k" * 32
KEYS = KeyRing(key_id(KEY), {key_id(KEY): KEY})
TABLES = Base.metadata.sorted_tables
REVISIONS = [script.revision for script in ScriptDirectory.from_config(migrate.config()).walk_revisions()][::-1]


def contents(engine: Engine) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table but Alembic's, as the database gives them."""
    found = MetaData()
    found.reflect(engine)
    with engine.connect() as connection:
        return {
            table.name: sorted((tuple(row) for row in connection.execute(select(table))), key=repr)
            for table in found.sorted_tables
            if table.name != "alembic_version"
        }


def test_the_migrations_make_what_the_code_declares(empty_url: str) -> None:
    database = Database(empty_url, KEYS)
    migrate.upgrade(database.engine)
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, Base.metadata) == []
    declared = {t.name: {c.name for c in t.constraints if isinstance(c, CheckConstraint)} for t in TABLES}
    inspector = inspect(database.engine)
    made = {t.name: {c["name"] for c in inspector.get_check_constraints(t.name)} for t in TABLES}
    assert made == declared
    assert migrate.current(database.engine) == migrate.newest() == REVISIONS[-1]
    database.close()


def test_up_and_down_again_step_by_step_keeps_the_data_of_the_tables_that_stay(empty_url: str) -> None:
    database = Database(empty_url, KEYS)
    engine = database.engine
    migrate.upgrade(engine)
    with database.write() as session:
        fill(session, KEYS, "north")
        fill(session, KEYS, "south")
    before = contents(engine)
    assert set(before) == set(Base.metadata.tables)
    assert all(before.values()), "every table has rows"
    for revision in reversed(REVISIONS[:-1]):
        migrate.downgrade(engine, revision)
        assert migrate.current(engine) == revision
        kept = contents(engine)
        assert kept == {name: before[name] for name in kept}
    for revision in REVISIONS[1:]:
        migrate.upgrade(engine, revision)
    assert contents(engine) == before
    migrate.downgrade(engine, "base")
    assert contents(engine) == {}
    migrate.upgrade(engine)
    assert set(inspect(engine).get_table_names()) == {*Base.metadata.tables, "alembic_version"}
    database.close()


def test_a_database_of_another_revision_is_refused_with_the_command_to_run(empty_url: str) -> None:
    database = Database(empty_url, KEYS)
    with pytest.raises(SetupError, match="revision none") as caught:
        migrate.require_current(database.engine)
    assert caught.value.hint == "codeserve db upgrade"
    migrate.upgrade(database.engine, REVISIONS[0])
    with pytest.raises(SetupError, match=REVISIONS[0]):
        migrate.require_current(database.engine)
    migrate.upgrade(database.engine)
    migrate.require_current(database.engine)
    database.close()


def test_several_that_start_at_once_upgrade_once(empty_url: str) -> None:
    failures: list[BaseException] = []

    def start() -> None:
        database = Database(empty_url, KEYS)
        try:
            migrate.upgrade(database.engine)
        except BaseException as error:  # told below, in the test's own thread
            failures.append(error)
        finally:
            database.close()

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
