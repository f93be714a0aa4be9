"""The commands around the database and its keys."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

db_app = typer.Typer(no_args_is_help=True, help="The database that `storage` in the configuration names.")
data_keys_app = typer.Typer(
    no_args_is_help=True, help="The key ring that encrypts what is stored: made 0600, never printed."
)
console = Console()

Config = Annotated[Path, typer.Option("--config", "-c", help="Ray Serve configuration file.")]
DEFAULT = Path("serve_config.yaml")
KeysFile = Annotated[Path, typer.Argument(help="The key ring's file.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do it; without it the command only tells.")]


@db_app.command()
def upgrade(config: Config = DEFAULT) -> None:
    """Bring the database to the revision of this version. Several at once wait for each other.

    Example: `codeserve db upgrade -c serve_config.yaml`
    """
    from codeserve.storage import commands

    commands.upgrade(config, console)


@db_app.command()
def downgrade(
    revision: Annotated[str, typer.Argument(help="A revision, or base for none.")],
    yes: Yes = False,
    config: Config = DEFAULT,
) -> None:
    """Go back to an earlier revision. What came with the later ones is lost, at `base` everything, the audit trail too.

    Example: `codeserve db downgrade 0001 --yes`
    """
    from codeserve.storage import commands

    if not commands.downgrade(config, revision, yes, console):
        raise typer.Exit(1)


@db_app.command()
def status(config: Config = DEFAULT) -> None:
    """Show the revision, the rows of each table, and how many values each key wraps.

    Example: `codeserve db status`
    """
    from codeserve.storage import commands

    commands.status(config, console)


@db_app.command()
def purge(yes: Yes = False, config: Config = DEFAULT) -> None:
    """Remove what is older than `storage.retention` and the text of notes past their time. Run it daily.

    Examples: `codeserve db purge` tells what would go, `codeserve db purge --yes` removes it
    """
    from codeserve.storage import commands

    commands.purge(config, yes, console)


@db_app.command()
def rotate(config: Config = DEFAULT) -> None:
    """Wrap every data key with the ring's active key, while the service runs. It may be stopped and started again.

    Example: `codeserve data-keys add data-keys.json`, restart what serves, `codeserve db rotate`
    """
    from codeserve.storage import commands

    commands.rotate(config, console)


@data_keys_app.command()
def create(file: KeysFile) -> None:
    """Make a ring with one key. Keep a copy where the database's backups are not: without it they cannot be read.

    Example: `codeserve data-keys create data-keys.json`
    """
    from codeserve.storage import keyfile

    console.print(f"{keyfile.create(file)}\tactive", highlight=False)


@data_keys_app.command()
def add(file: KeysFile) -> None:
    """Put a new active key in front; the older ones go on reading.

    Example: `codeserve data-keys add data-keys.json`
    """
    from codeserve.storage import keyfile

    console.print(f"{keyfile.add(file)}\tactive from the next start; then: codeserve db rotate", highlight=False)


@data_keys_app.command("list")
def list_keys(file: KeysFile) -> None:
    """List the ids of the keys and when they were made.

    Example: `codeserve data-keys list data-keys.json`
    """
    from codeserve.storage import keyfile

    for name, made, active in keyfile.listed(file):
        console.print(f"{name}\t{made}\t{'active' if active else ''}", highlight=False)


@data_keys_app.command()
def drop(file: KeysFile, key: Annotated[str, typer.Argument(help="The key's id.")], config: Config = DEFAULT) -> None:
    """Take an old key away. Refused while the database holds a value that it wraps.

    Example: `codeserve data-keys drop data-keys.json 5f2c01aa93d4`
    """
    from codeserve.storage import commands

    commands.drop_key(config, file, key, console)
