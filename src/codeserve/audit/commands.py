"""What `codeserve audit` does."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from codeserve.artifacts import write_whole
from codeserve.audit import verify as checking
from codeserve.audit.export import Filter, Format, export
from codeserve.storage.commands import current, local_actor
from codeserve.storage.tables import now


def verify(config: Path, tenant: str | None, anchor: Path | None, console: Console) -> bool:
    """Print each fault with its record; whether all trails hold."""
    seen = checking.read_anchor(anchor) if anchor else {}
    with current(config) as (database, _), database.read() as session:
        names = [tenant] if tenant else sorted({*checking.tenants(session), *seen})
        verdicts = [checking.verify(session, database.keys, name, seen.get(name)) for name in names]
    for verdict in verdicts:
        state = "[bold red]does not hold[/]" if verdict.faults else "[green]holds[/]"
        console.print(f"{verdict.tenant}: {verdict.count:,} records, {state}", highlight=False)
        for fault in verdict.faults:
            console.print(f"  {fault.kind}: {fault.told}", highlight=False, soft_wrap=True)
    if not verdicts:
        console.print("There is no record yet.")
    sound = not any(verdict.faults for verdict in verdicts)
    if anchor and sound and tenant is None:
        checking.write_anchor(anchor, verdicts, now())
        console.print(
            f"Anchored in {anchor}. Keep it where the database's administrators cannot write.", highlight=False
        )
    return sound


def export_to(config: Path, tenant: str, target: Path, form: Format, chosen: Filter, console: Console) -> None:
    """The file is whole or not there, and its owner's alone."""
    with current(config) as (database, _):
        lines = (line.rstrip(b"\r\n") for line in export(database, tenant, chosen, form, local_actor()))
        count = 0

        def counted(line: bytes) -> bytes:
            nonlocal count
            count += 1
            return line

        write_whole(target, map(counted, lines))
    console.print(f"{count - (form == 'csv'):,} records in {target}", highlight=False)


def in_utc(moment: datetime | None) -> datetime | None:
    """Dates of the command line are of UTC."""
    return moment.replace(tzinfo=UTC) if moment else None
