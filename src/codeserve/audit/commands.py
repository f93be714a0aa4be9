"""What `codeserve audit` does."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from codeserve.artifacts import write_whole
from codeserve.audit import verify as checking
from codeserve.audit.export import Filter, Format, export
from codeserve.audit.replay import replay as again
from codeserve.client import Client, GatewayError
from codeserve.client.models import ExtractRequest
from codeserve.errors import InvalidNote, StageFailed
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


def _read(note: Path) -> str:
    """With the ends of its lines as they are: its hash depends on them."""
    try:
        return note.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidNote(f"{note} cannot be read ({type(error).__name__})") from None


def replay(config: Path, tenant: str, suggestion: str, url: str, key: str, note: Path | None, console: Console) -> bool:
    """Print what differs; whether the answer is the same or its difference explained. Raises StageFailed."""
    text = _read(note) if note else None

    async def code(request: dict[str, Any]) -> dict[str, Any]:
        async with Client(url, key) as client:
            answer = await client.extract_codes(ExtractRequest.model_validate(request), priority="batch")
        return answer.model_dump(mode="json")

    with current(config) as (database, _):
        try:
            found = asyncio.run(again(database, tenant, suggestion, code, local_actor(), text))
        except GatewayError as error:
            raise StageFailed(f"the gateway did not code the note: {error}") from None
    console.print(f"[bold]{found.verdict}[/]")
    for line in found.told:
        console.print(f"  {line}", highlight=False, soft_wrap=True, markup=False)
    return found.verdict != "unexplained"
