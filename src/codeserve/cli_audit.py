"""The commands around the audit trail."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from codeserve.cli_storage import DEFAULT, Config, console

audit_app = typer.Typer(no_args_is_help=True, help="The trail of what was suggested, seen and decided.")


class Form(StrEnum):
    CSV = "csv"
    JSONL = "jsonl"


@audit_app.command()
def verify(
    tenant: Annotated[str | None, typer.Option(help="One practice; all of them if not given.")] = None,
    anchor: Annotated[
        Path | None, typer.Option(help="File outside the database: held against what it saw, then brought up to date.")
    ] = None,
    config: Config = DEFAULT,
) -> None:
    """Find changed, rewritten, removed, inserted and moved records. Exits with 1 where a trail does not hold.

    Examples: `codeserve audit verify`, `codeserve audit verify --anchor /media/write-once/anchor.jsonl`
    """
    from codeserve.audit import commands

    if not commands.verify(config, tenant, anchor, console):
        raise typer.Exit(1)


@audit_app.command()
def export(
    target: Annotated[Path, typer.Argument(help="The file to write; it will hold ids of encounters.")],
    tenant: Annotated[str, typer.Option(help="The practice.")] = "default",
    form: Annotated[Form, typer.Option("--format", help="csv, or jsonl with a record a line.")] = Form.JSONL,
    encounter: Annotated[str | None, typer.Option(help="Only this encounter.")] = None,
    start: Annotated[
        datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="From this day on, UTC.")
    ] = None,
    end: Annotated[datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Until before this day.")] = None,
    actor: Annotated[str | None, typer.Option(help="Only what this person or service did.")] = None,
    config: Config = DEFAULT,
) -> None:
    """Write records by encounter, period and actor. The export itself is recorded.

    Examples: `codeserve audit export enc.csv --format csv --encounter E-1001`,
    `codeserve audit export march.jsonl --from 2026-03-01 --to 2026-04-01 --actor ann`
    """
    from codeserve.audit import commands
    from codeserve.audit.export import Filter

    chosen = Filter(encounter, actor, commands.in_utc(start), commands.in_utc(end))
    commands.export_to(config, tenant, target, form.value, chosen, console)


@audit_app.command()
def replay(
    suggestion: Annotated[str, typer.Argument(help="The suggestion's id, as the trail names it.")],
    url: Annotated[str, typer.Option(help="The gateway that codes the note again.")] = "http://127.0.0.1:8000",
    tenant: Annotated[str, typer.Option(help="The practice.")] = "default",
    key: Annotated[str, typer.Option(envvar="CODESERVE_API_KEY", help="API key for the gateway.")] = "",
    note: Annotated[Path | None, typer.Option(help="The note's text, where it is not kept any more.")] = None,
    config: Config = DEFAULT,
) -> None:
    """Code a note as it was coded then: the same answer, or which versions differ and what became of it. Exits with 1
    where the same versions gave another answer.

    Examples: `codeserve audit replay 01939d2e-…`, `codeserve audit replay 01939d2e-… --note note.txt --tenant north`
    """
    from codeserve.audit import commands

    if not commands.replay(config, tenant, suggestion, url, key, note, console):
        raise typer.Exit(1)
