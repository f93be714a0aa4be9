from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from codeserve.config import StorageSettings
from codeserve.errors import SetupError
from codeserve.storage import keyfile, nodes
from codeserve.storage.engine import Database
from codeserve.storage.opening import connect, open_database
from codeserve.storage.sealing import unseal_text
from codeserve.storage.tables import Document
from tests.command_line import run, stored_config
from tests.conftest import ROOT
from tests.storage.rows import NOTE, fill


@pytest.fixture
def config(tmp_path: Path, empty_url: str, keys_file: Path) -> Path:
    return stored_config(tmp_path, empty_url, keys_file)


def test_from_nothing_to_a_rotated_key(config: Path, empty_url: str, keys_file: Path) -> None:
    old = keyfile.load_ring(keys_file).active
    assert "revision none (newest is" in run("db", "status", "-c", config).stdout
    assert "none → " in run("db", "upgrade", "-c", config).stdout
    database = Database(empty_url, keyfile.load_ring(keys_file))
    with database.write() as session:
        fill(session, database.keys)
    told = run("db", "status", "-c", config).stdout
    assert "(current)" in told
    assert f"{old} active" in told
    new = run("data-keys", "add", keys_file).stdout.split()[0]
    refused = run("data-keys", "drop", keys_file, old, "-c", config)
    assert isinstance(refused.exception, SetupError)
    assert "11 stored values" in str(refused.exception)
    assert f"11 values are now under the key {new}" in run("db", "rotate", "-c", config).stdout
    assert run("data-keys", "drop", keys_file, old, "-c", config).exit_code == 0
    assert [line.split()[0] for line in run("data-keys", "list", keys_file).stdout.splitlines()] == [new]
    fresh = Database(empty_url, keyfile.load_ring(keys_file))
    with fresh.read() as session:
        assert unseal_text(fresh.keys, session.scalars(select(Document)).first() or Document(), "note") == NOTE
    fresh.close()
    database.close()


def test_a_purge_and_a_downgrade_only_tell_until_they_are_meant(config: Path, empty_url: str, keys_file: Path) -> None:
    run("db", "upgrade", "-c", config)
    database = Database(empty_url, keyfile.load_ring(keys_file))
    with database.write() as session:
        fill(session, database.keys)
    told = run("db", "purge", "-c", config).stdout
    assert "Nothing was removed" in told
    assert "notes" in told
    with database.read() as session:
        assert all(row.note for row in session.scalars(select(Document)))
    assert "removed" in run("db", "purge", "--yes", "-c", config).stdout
    with database.read() as session:
        assert not any(row.note for row in session.scalars(select(Document)))
    database.close()
    told = run("db", "downgrade", "base", "-c", config)
    assert (told.exit_code, "Nothing was changed" in told.stdout) == (1, True)
    assert "(current)" in run("db", "status", "-c", config).stdout
    assert run("db", "downgrade", "base", "--yes", "-c", config).exit_code == 0
    refused = run("db", "purge", "-c", config)
    assert isinstance(refused.exception, SetupError)
    assert refused.exception.hint == "codeserve db upgrade"


def test_without_a_storage_section_the_commands_say_how_to_write_one() -> None:
    refused = run("db", "status", "-c", ROOT / "serve_config.yaml")
    assert isinstance(refused.exception, SetupError)
    assert "storage:" in refused.exception.hint


def test_a_service_opens_only_what_is_current_and_on_sqlite_its_own(
    empty_url: str, keys_file: Path, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = StorageSettings(url=empty_url, keys_file=keys_file)
    with pytest.raises(SetupError, match="revision none"):
        open_database(settings)
    run("db", "upgrade", "-c", config)
    open_database(settings).close()
    monkeypatch.setattr(nodes, "this_machine", lambda: "another")
    if empty_url.startswith("sqlite"):
        with pytest.raises(SetupError, match="another machine"):
            open_database(settings)
    else:
        open_database(settings).close()


def test_a_server_that_is_not_there_is_told_without_its_address(keys_file: Path) -> None:
    settings = StorageSettings(url="postgresql://someone@127.0.0.1:1/nothing", keys_file=keys_file)
    with pytest.raises(SetupError, match="does not answer") as caught:
        connect(settings)
    assert "someone" not in caught.value.detail
