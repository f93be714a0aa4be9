"""Databases for tests: SQLite files, and one PostgreSQL cluster a session, in a folder of its own and without fsync.

A test that takes `database` runs on both, on an empty database of the newest revision.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from codeserve.storage import keyfile
from codeserve.storage.engine import Database, make_engine
from codeserve.storage.migrate import upgrade

LEAVE_OUT = "CODESERVE_WITHOUT_POSTGRESQL"
BACKENDS = ("sqlite", "postgresql")
START_S = 120


class Cluster:
    """A PostgreSQL server on a loopback port. It stops when the tests end, even when they are killed."""

    def __init__(self, port: int) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="codeserve-postgresql-"))
        self._root = os.getuid() == 0  # the server refuses to run as root
        if self._root:
            shutil.chown(self._folder, "postgres", "postgres")
        self.port = port
        data = str(self._folder / "data")
        self._run([_program("initdb"), "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"])
        settings = ("fsync=off", "listen_addresses=127.0.0.1", f"unix_socket_directories={self._folder}")
        options = [word for one in (*settings, "max_connections=200") for word in ("-c", one)]
        self._log = (self._folder / "log").open("wb")
        self._server = subprocess.Popen(
            ["setpriv", "--pdeathsig", "INT", _program("postgres"), "-D", data, "-p", str(port), *options],
            stdout=self._log,
            stderr=subprocess.STDOUT,
            cwd=self._folder,
            **self._as_user(),
        )
        self._wait()

    def url(self, name: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{name}"

    def sql(self, statement: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement)  # type: ignore[call-overload]

    def stop(self) -> None:
        self._server.send_signal(signal.SIGINT)  # fast: sessions are ended
        self._server.wait(timeout=60)
        self._log.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _as_user(self) -> dict[str, str]:
        return {"user": "postgres", "group": "postgres"} if self._root else {}

    def _run(self, command: list[str]) -> None:
        done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=self._folder, **self._as_user())
        assert done.returncode == 0, done.stderr

    def _wait(self) -> None:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self._server.poll() is None:
            try:
                self.sql("SELECT 1")
                return
            except psycopg.OperationalError:
                time.sleep(0.1)
        raise RuntimeError(f"PostgreSQL did not start:\n{(self._folder / 'log').read_text()[-2000:]}")


def _program(name: str) -> str:
    """Debian keeps the server's programs out of PATH."""
    found = [shutil.which(name), *sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)]
    path = next((str(one) for one in found if one), None)
    assert path, f"{name} of PostgreSQL is missing: `make postgresql` installs it, {LEAVE_OUT}=1 leaves its tests out"
    return path


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Cluster]:
    from tests.conftest import free_port

    if os.environ.get(LEAVE_OUT):
        pytest.skip(f"{LEAVE_OUT} is set")
    cluster = Cluster(free_port())
    yield cluster
    cluster.stop()


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file of the newest revision, to copy."""
    path = tmp_path_factory.mktemp("sqlite") / "empty.db"
    engine = make_engine(f"sqlite:///{path}")
    upgrade(engine)
    engine.dispose()
    return path


@pytest.fixture(scope="session")
def template(postgresql: Cluster) -> str:
    """A PostgreSQL database of the newest revision, to copy."""
    postgresql.sql("CREATE DATABASE template_codeserve")
    engine = make_engine(postgresql.url("template_codeserve"))
    upgrade(engine)
    engine.dispose()
    return "template_codeserve"


@pytest.fixture(params=BACKENDS)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without tables, on each of both."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'test.db'}"
    else:
        yield from _created(request.getfixturevalue("postgresql"), "template0")


@pytest.fixture(params=BACKENDS)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database of the newest revision, on each of both."""
    if request.param == "sqlite":
        path = shutil.copy(request.getfixturevalue("migrated"), tmp_path / "test.db")
        yield f"sqlite:///{path}"
    else:
        yield from _created(request.getfixturevalue("postgresql"), request.getfixturevalue("template"))


def _created(cluster: Cluster, template: str) -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex}"
    cluster.sql(f"CREATE DATABASE {name} TEMPLATE {template}")
    yield cluster.url(name)
    cluster.sql(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def keys_file(tmp_path: Path) -> Path:
    path = tmp_path / "data-keys.json"
    keyfile.create(path)
    return path


@pytest.fixture
def database(database_url: str, keys_file: Path) -> Iterator[Database]:
    opened = Database(database_url, keyfile.load_ring(keys_file))
    yield opened
    opened.close()


@pytest.fixture
def sqlite(migrated: Path, keys_file: Path, tmp_path: Path) -> Iterator[Database]:
    """Where one of the two is enough."""
    path = shutil.copy(migrated, tmp_path / "one.db")
    opened = Database(f"sqlite:///{path}", keyfile.load_ring(keys_file))
    yield opened
    opened.close()
