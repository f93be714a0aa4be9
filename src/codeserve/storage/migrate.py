"""Migrations from Python: they come with the package and need no alembic.ini."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from codeserve.errors import SetupError
from codeserve.storage.engine import reading

_LOCK = 0x636F6465  # any number, the same for all who migrate


def config() -> Config:
    made = Config()
    made.set_main_option("script_location", "codeserve.storage:migrations")
    return made


def upgrade(engine: Engine, revision: str = "head") -> None:
    """To a revision, in one transaction; several at once wait for each other."""
    _run(engine, lambda settings: command.upgrade(settings, revision))


def downgrade(engine: Engine, revision: str) -> None:
    """Back to a revision ("-1" the one before, "base" nothing), with the loss of what came with the later ones."""
    _run(engine, lambda settings: command.downgrade(settings, revision))


def current(engine: Engine) -> str | None:
    """The revision of a database; none for an empty one."""
    with reading(engine).connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def newest() -> str:
    head = ScriptDirectory.from_config(config()).get_current_head()
    assert head is not None
    return head


def require_current(engine: Engine) -> None:
    """Raises SetupError for a database of another revision."""
    have, wanted = current(engine), newest()
    if have != wanted:
        raise SetupError(
            f"the database is at revision {have or 'none'}, and this version needs {wanted}",
            hint="codeserve db upgrade",
        )


def _run(engine: Engine, step: Callable[[Config], None]) -> None:
    settings = config()
    with engine.connect() as connection, _loose_keys(connection), connection.begin():
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        settings.attributes["connection"] = connection
        step(settings)
        if connection.dialect.name == "sqlite" and connection.exec_driver_sql("PRAGMA foreign_key_check").first():
            raise SetupError("the migration would leave rows that refer to nothing; nothing was changed")


@contextmanager
def _loose_keys(connection: Connection) -> Iterator[None]:
    """SQLite changes a table by making it anew, which its foreign keys would take for a removal of the rows."""
    if connection.dialect.name != "sqlite":
        yield
        return
    driver: Any = connection.connection.driver_connection
    driver.execute("PRAGMA foreign_keys=OFF")  # means nothing inside a transaction
    try:
        yield
    finally:
        driver.execute("PRAGMA foreign_keys=ON")
