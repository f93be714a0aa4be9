"""The trail as CSV or JSON Lines, by encounter, period, actor. An export is recorded itself, before its first line."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import orjson
from sqlalchemy import ColumnElement, and_, func, select

from codeserve.audit.chain import Entry
from codeserve.audit.records import Record
from codeserve.audit.trail import append
from codeserve.storage.engine import Database
from codeserve.storage.tables import AuditRow

Format = Literal["csv", "jsonl"]
COLUMNS = (*Entry.__slots__, "hash")
BATCH = 1000
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Filter:
    """`start` is included, `end` is not."""

    encounter_id: str | None = None
    actor: str | None = None
    start: datetime | None = None
    end: datetime | None = None

    @property
    def told(self) -> dict[str, str]:
        names = ("actor", "start", "end")
        return {name: str(value) for name in names if (value := getattr(self, name)) is not None}


def export(database: Database, tenant: str, chosen: Filter, form: Format, actor: str) -> Iterator[bytes]:
    """Lines, each with its end; `actor`: who exports. The record of the export is in the trail when the first line
    comes, and not in the lines."""
    condition = _condition(tenant, chosen)
    with database.write() as session:
        count = session.scalar(select(func.count()).select_from(AuditRow).where(condition)) or 0
        details = {"format": form, "count": count, "filters": chosen.told}
        record = Record(tenant, actor, "EXPORTED", encounter_id=chosen.encounter_id, details=details)
        own = append(session, database.keys, record).seq
    with database.read() as session:
        query = select(AuditRow.__table__).where(condition, AuditRow.seq < own).order_by(AuditRow.seq)
        rows = session.execute(query.execution_options(yield_per=BATCH)).mappings()
        yield from (_csv if form == "csv" else _jsonl)(dict(row) for row in rows)


def _condition(tenant: str, chosen: Filter) -> ColumnElement[bool]:
    parts = [AuditRow.tenant == tenant]
    if chosen.encounter_id is not None:
        parts.append(AuditRow.encounter_id == chosen.encounter_id)
    if chosen.actor is not None:
        parts.append(AuditRow.actor == chosen.actor)
    if chosen.start is not None:
        parts.append(AuditRow.at >= chosen.start)
    if chosen.end is not None:
        parts.append(AuditRow.at < chosen.end)
    return and_(*parts)


def _jsonl(rows: Iterator[dict[str, Any]]) -> Iterator[bytes]:
    """The two JSON columns are objects here; hashed is their canonical form (audit/chain.py)."""
    for row in rows:
        whole = {name: row[name] for name in COLUMNS}
        whole.update({name: orjson.loads(row[name]) for name in ("versions", "details")})
        yield orjson.dumps(whole) + b"\n"


def _csv(rows: Iterator[dict[str, Any]]) -> Iterator[bytes]:
    yield _row(list(COLUMNS))
    for row in rows:
        yield _row([_cell(row[name]) for name in COLUMNS])


def _cell(value: Any) -> str:
    """A spreadsheet takes some beginnings for a formula; an apostrophe makes it a text."""
    text = "" if value is None else value.isoformat() if isinstance(value, datetime) else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _row(cells: list[str]) -> bytes:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue().encode()
