"""What the worker's commands do. No Ray: the configuration is read as plain YAML."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import yaml
from rich.console import Console
from rich.table import Table

from codeserve.api import logs
from codeserve.config import AppSettings, StorageSettings, home, load_settings
from codeserve.errors import SetupError
from codeserve.intake import charges, events
from codeserve.intake.gateway import Gateway
from codeserve.intake.platforms import open_platforms
from codeserve.storage.engine import Database
from codeserve.storage.opening import open_database


def read_settings(config: Path) -> tuple[AppSettings, StorageSettings]:
    """Raises SetupError for a file that cannot be read, and for one that stores nothing."""
    try:
        settings = load_settings(yaml.safe_load(config.read_text())["applications"][0].get("args", {}))
    except FileNotFoundError:
        raise SetupError(f"there is no configuration file {config}", hint="give --config FILE") from None
    except (yaml.YAMLError, LookupError, TypeError):
        raise SetupError(f"{config} is no Ray Serve configuration", hint="codeserve check says what is wrong") from None
    if settings.storage is None:
        raise SetupError(f"{config} has no storage section, so there is nothing to work on", hint="docs/workflow.md")
    return settings, settings.storage


def run_worker(config: Path) -> None:
    """Until SIGTERM or SIGINT."""
    from codeserve.intake.batches import Batches
    from codeserve.intake.steps import Steps
    from codeserve.intake.worker import work

    logs.configure()
    settings, storage = read_settings(config)

    async def run() -> None:
        database = open_database(storage)
        platforms = open_platforms(settings.platforms, os.environ, home() / "platforms")
        gateway = Gateway(settings.worker.gateway, os.environ.get(settings.worker.key_env), settings.worker.timeout_s)
        try:
            steps = Steps(database, platforms, gateway, timedelta(hours=storage.note_hours))
            await work(steps, Batches(database, gateway, settings.worker.concurrency), settings.worker)
        finally:
            await gateway.close()
            await platforms.close()
            database.close()

    asyncio.run(run())


def show_dead(config: Path, console: Console) -> None:
    table = Table("id", "tenant", "platform", "received", "attempt", "given up because")
    with _database(config) as database, database.read() as session:
        for event in events.dead(session):
            received = event.received_at.isoformat(timespec="seconds")
            table.add_row(
                event.id, event.tenant, event.platform, received, str(event.attempts + 1), event.last_error or ""
            )
    _print(table, "No event was given up.", console)


def show_uncertain(config: Path, console: Console) -> None:
    table = Table("id", "tenant", "reference in the platform", "since", "attempts")
    with _database(config) as database, database.read() as session:
        for charge in events.uncertain(session):
            since = charge.updated_at.isoformat(timespec="seconds")
            table.add_row(charge.id, charge.tenant, charge.reference, since, str(charge.attempts))
    _print(table, "No charge is uncertain.", console)


def replay(config: Path, row_id: str, console: Console) -> None:
    """A dead event, or an uncertain charge that is not in the platform."""
    from codeserve.storage.commands import local_actor

    with _database(config) as database, database.write() as session:
        event = events.replay(session, database.keys, row_id, local_actor())
    console.print(f"{event.id} is waiting for a worker", highlight=False)


def settle(config: Path, charge_id: str, platform_id: str, console: Console) -> None:
    """An uncertain charge that somebody found in the platform."""
    from codeserve.storage.commands import local_actor

    with _database(config) as database, database.write() as session:
        charge = events.uncertain_charge(session, charge_id)
        keys, actor = database.keys, local_actor()
        charges.settle(session, keys, charge.tenant, charge.id, charges.POSTED, platform_id=platform_id, actor=actor)
    console.print(f"{charge.reference} is posted", highlight=False)


@contextmanager
def _database(config: Path) -> Iterator[Database]:
    database = open_database(read_settings(config)[1])
    try:
        yield database
    finally:
        database.close()


def _print(table: Table, nothing: str, console: Console) -> None:
    console.print(table if table.row_count else nothing, highlight=False)
