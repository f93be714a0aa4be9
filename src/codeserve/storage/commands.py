"""What the commands around the database do."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from sqlalchemy import func, select

from codeserve.commands import load
from codeserve.config import StorageSettings
from codeserve.errors import SetupError
from codeserve.storage import keyfile, migrate, retention, rotation
from codeserve.storage.engine import Database
from codeserve.storage.opening import connect
from codeserve.storage.tables import Base, now


def settings_of(config: Path) -> StorageSettings:
    """Raises SetupError where the configuration stores nothing."""
    storage = load(config).storage
    if storage is None:
        raise SetupError(
            f"{config} has no storage section, so nothing is stored",
            hint="add `storage: {url: sqlite:///codeserve.db, keys_file: data-keys.json}` under args",
        )
    return storage


@contextmanager
def opened(settings: StorageSettings) -> Iterator[Database]:
    database = connect(settings)
    try:
        yield database
    finally:
        database.close()


@contextmanager
def current(config: Path) -> Iterator[tuple[Database, StorageSettings]]:
    """The database of a configuration, of this version's revision."""
    settings = settings_of(config)
    with opened(settings) as database:
        migrate.require_current(database.engine)
        yield database, settings


def local_actor() -> str:
    """Who sits at the machine, for the audit trail."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):  # a container's user that has no name
        return f"cli:{os.getuid()}"


def upgrade(config: Path, console: Console) -> None:
    with opened(settings_of(config)) as database:
        before = migrate.current(database.engine)
        migrate.upgrade(database.engine)
        console.print(f"revision {before or 'none'} → {migrate.newest()}", highlight=False)


def downgrade(config: Path, revision: str, yes: bool, console: Console) -> bool:
    """Whether it was done."""
    with opened(settings_of(config)) as database:
        before = migrate.current(database.engine)
        if not yes:
            console.print(
                f"revision {before or 'none'} → {revision}: what came with the later ones is lost, with its data."
            )
            console.print("Nothing was changed; --yes does it. Make a backup first.")
            return False
        migrate.downgrade(database.engine, revision)
        console.print(f"revision {before or 'none'} → {revision}", highlight=False)
        return True


def status(config: Path, console: Console) -> None:
    settings = settings_of(config)
    with opened(settings) as database:
        have, newest = migrate.current(database.engine), migrate.newest()
        state = "current" if have == newest else f"newest is {newest}: codeserve db upgrade"
        console.print(f"{database.engine.dialect.name}, revision {have or 'none'} ({state})", highlight=False)
        if have != newest:
            return
        table = Table("table", "rows", "kept for")
        with database.read() as session:
            for one in Base.metadata.sorted_tables:
                rows = session.scalar(select(func.count()).select_from(one))
                table.add_row(one.name, f"{rows:,}", _period(settings, one.name))
        console.print(table)
        keys = Table("key", "values that it wraps")
        in_use = rotation.keys_in_use(database)
        for name in sorted({*database.keys.ids, *in_use}):
            told = "active" if name == database.keys.active else "" if name in database.keys.ids else "[red]missing[/]"
            keys.add_row(f"{name} {told}", f"{in_use[name]:,}")
        console.print(keys)


def _period(settings: StorageSettings, table: str) -> str:
    whole = {rule.part[0]: rule.name for rule in retention.RULES if rule.part}  # goes with which
    days = getattr(settings.retention, whole.get(table, table), None)
    return f"{days} days" if days else "ever"


def purge(config: Path, yes: bool, console: Console) -> None:
    with current(config) as (database, settings):
        at = now()
        if yes:
            amounts = retention.purge(database, settings.retention, at, local_actor())
        else:
            with database.read() as session:
                amounts = retention.due(session, settings.retention, at)
        table = Table("tenant", "what", "removed" if yes else "old enough")
        for tenant, of in sorted(amounts.items()):
            for what, number in of.items():
                table.add_row(tenant, what, f"{number:,}")
        console.print(table if amounts else "Nothing is old enough.")
        if not yes and amounts:
            console.print("Nothing was removed; --yes does it. Rows that something kept refers to stay.")


def rotate(config: Path, console: Console) -> None:
    with current(config) as (database, _):
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console) as bar:
            task = bar.add_task("values", total=rotation.waiting(database))
            number = rotation.rotate(database, local_actor(), lambda more: bar.advance(task, more))
        console.print(f"{number:,} values are now under the key {database.keys.active}", highlight=False)


def drop_key(config: Path, file: Path, key: str, console: Console) -> None:
    """Raises SetupError where the database still needs the key."""
    with current(config) as (database, settings):
        if settings.keys_file.resolve() != file.resolve():
            raise SetupError(f"{config} uses another key ring than {file.name}")
        if number := rotation.keys_in_use(database)[key]:
            raise SetupError(f"{number:,} stored values need the key {key}", hint="codeserve db rotate")
    keyfile.drop(file, key)
    console.print(f"{key} is gone from {file.name}", highlight=False)
