"""The database: SQLite or PostgreSQL behind one URL, transactions that read or write, the key ring beside it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from codeserve.errors import SetupError, StorageUnavailable
from codeserve.storage.crypto import KeyRing

BUSY_S = 30  # how long a writer of SQLite waits for another one
CONNECT_S = 10
READS = "codeserve_reads"
_DRIVERS = {"sqlite": "sqlite+pysqlite", "postgresql": "postgresql+psycopg"}


class Database:
    """Open from any thread; in asyncio code through `asyncio.to_thread`. `keys` opens the encrypted columns."""

    def __init__(self, url: str, keys: KeyRing) -> None:
        self.engine = make_engine(url)
        self.keys = keys
        self.closed = threading.Event()

    @contextmanager
    def write(self) -> Iterator[Session]:
        """One transaction: committed at the end, undone by an exception. On SQLite it holds the only write lock.
        Raises StorageUnavailable where the database does not answer, as `read` does."""
        with _unavailable(), Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def read(self) -> Iterator[Session]:
        """One consistent view of the data; whatever writes in it fails."""
        with _unavailable(), Session(reading(self.engine), expire_on_commit=False) as session, session.begin():
            yield session

    @property
    def is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    def close(self) -> None:
        self.closed.set()
        self.engine.dispose()


@contextmanager
def _unavailable() -> Iterator[None]:
    """A fault that time may mend becomes an error of ours; one of the program's own stays what it is."""
    try:
        yield
    except OperationalError as error:
        kind = getattr(error.orig, "sqlite_errorname", "") or type(error.orig).__name__
        if kind in ("SQLITE_ERROR", "SQLITE_READONLY"):
            raise
        raise StorageUnavailable(f"The database does not answer ({kind})") from None
    except PoolTimeout:
        raise StorageUnavailable("Too many transactions at once") from None


def database_url(text: str) -> URL:
    """With the driver that we use. Raises SetupError for another database, and for a URL that holds a password."""
    try:
        url = make_url(text)
    except ArgumentError:
        raise SetupError("storage.url is not a database URL", hint="sqlite:///codeserve.db or postgresql://…") from None
    kind = url.get_backend_name()
    if kind not in _DRIVERS:
        raise SetupError(f"storage.url names {kind}; there are SQLite and PostgreSQL")
    if url.password is not None:
        raise SetupError("storage.url holds a password", hint="set PGPASSWORD or PGPASSFILE instead")
    if kind == "sqlite" and not url.database:
        raise SetupError("storage.url names no file", hint="sqlite:///codeserve.db")
    return url.set(drivername=_DRIVERS[kind])


def make_engine(url: str) -> Engine:
    """Raises SetupError for an unusable URL; connects only when used."""
    target = database_url(url)
    if target.get_backend_name() == "sqlite":
        engine = create_engine(target, connect_args={"timeout": BUSY_S}, hide_parameters=True)
        event.listen(engine, "connect", _configure_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    return create_engine(target, connect_args={"connect_timeout": CONNECT_S}, pool_pre_ping=True, hide_parameters=True)


def reading(engine: Engine) -> Engine:
    """The same engine for transactions that only read, in one snapshot."""
    if engine.dialect.name == "sqlite":
        return engine.execution_options(**{READS: True})
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def _configure_sqlite(connection: Any, _: Any) -> None:
    """An event that was acknowledged must outlast a power failure, so every commit reaches the disk (FULL)."""
    connection.isolation_level = None  # the driver would begin late and by itself; _begin_sqlite does
    cursor = connection.cursor()
    for pragma in (f"busy_timeout={BUSY_S * 1000}", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    """A writer takes the lock at once: one that began by reading could not wait for it later."""
    reads = connection.get_execution_options().get(READS, False)
    connection.exec_driver_sql(f"PRAGMA query_only={'ON' if reads else 'OFF'}")
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")
