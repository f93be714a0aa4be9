"""The command line."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from codeserve.config import home, keep_to_home
from codeserve.errors import CodeserveError

app = typer.Typer(
    name="codeserve",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    help="A signed clinical note in; ICD-10-CM, CPT and HCPCS codes with evidence and the E/M level out.",
)
keys_app = typer.Typer(no_args_is_help=True, help="API keys: made once, shown once, stored hashed.")
app.add_typer(keys_app, name="keys")
console = Console()
errors = Console(stderr=True)

ConfigOption = Annotated[Path, typer.Option("--config", "-c", help="Ray Serve configuration file.")]
DEFAULT_CONFIG = Path("serve_config.yaml")


def main() -> None:
    """Run a command; an error of ours is one clear line with what to do next, not a stack trace."""
    keep_to_home(home())
    try:
        app()
    except CodeserveError as error:
        errors.print(f"[bold red]codeserve:[/] {error.detail}", soft_wrap=True)
        if error.hint:
            errors.print(f"  {error.hint}", soft_wrap=True)
        sys.exit(1)
