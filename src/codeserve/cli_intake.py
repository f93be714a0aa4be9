"""The commands around events of platforms: the worker, and what it could not do."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

intake_app = typer.Typer(no_args_is_help=True, help="Events that were given up, and charges that nobody can tell of.")
console = Console()

Config = Annotated[Path, typer.Option("--config", "-c", help="Ray Serve configuration file.")]
DEFAULT = Path("serve_config.yaml")


def worker(config: Config = DEFAULT) -> None:
    """Code the notes that platforms announce and write draft charges back, until Ctrl-C or SIGTERM.

    A process of its own, without models: it asks the gateway that `worker.gateway` names. Whatever kills it, the next
    start goes on where it was.

    Example: `codeserve worker -c serve_config.yaml`
    """
    from codeserve.intake.command import run_worker

    run_worker(config)


@intake_app.command()
def dead(config: Config = DEFAULT) -> None:
    """List the events that were given up, and why.

    Example: `codeserve intake dead`
    """
    from codeserve.intake.command import show_dead

    show_dead(config, console)


@intake_app.command()
def uncertain(config: Config = DEFAULT) -> None:
    """List the draft charges that may or may not be in the platform, which cannot be asked. Look there for the
    reference, then `settle` what is there and `replay` what is not.

    Example: `codeserve intake uncertain`
    """
    from codeserve.intake.command import show_uncertain

    show_uncertain(config, console)


@intake_app.command()
def replay(
    row_id: Annotated[str, typer.Argument(metavar="ID", help="Of `dead` or of `uncertain`.")], config: Config = DEFAULT
) -> None:
    """Do a dead event once more, or post an uncertain charge that is not in the platform.

    Example: `codeserve intake replay 019a5b3e-7d21-7c44-8f00-1b2c3d4e5f60`
    """
    from codeserve.intake import command

    command.replay(config, row_id, console)


@intake_app.command()
def settle(
    charge_id: Annotated[str, typer.Argument(metavar="ID", help="Of `uncertain`.")],
    platform_id: Annotated[str, typer.Argument(help="Under which the platform keeps the draft.")],
    config: Config = DEFAULT,
) -> None:
    """Say that an uncertain charge is in the platform.

    Example: `codeserve intake settle 019a5b3e-7d21-7c44-8f00-1b2c3d4e5f60 claim-4711`
    """
    from codeserve.intake import command

    command.settle(config, charge_id, platform_id, console)
