"""Reading a trail to see that it holds. The head's signature needs the key ring; the chain itself needs nothing.

Whoever can write to the database and kept an old signed head could put it back together with the rows of that time. So
what was seen is also kept outside: an anchor file, which a later verification is held against.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import orjson
from sqlalchemy import select
from sqlalchemy.orm import Session

from codeserve.artifacts import write_whole
from codeserve.audit.chain import Entry, Head, Link, holds
from codeserve.audit.faults import Fault, diagnose
from codeserve.audit.trail import head_of
from codeserve.errors import SetupError
from codeserve.storage.crypto import KeyRing
from codeserve.storage.tables import AuditHead, AuditRow

BATCH = 1000


@dataclass(frozen=True, slots=True)
class Verdict:
    """Of one tenant's trail. `count`: the records that are there; no `faults`: it holds."""

    tenant: str
    count: int
    head: Head | None
    faults: tuple[Fault, ...]


def tenants(session: Session) -> list[str]:
    """All that have a head or a record."""
    return sorted({*session.scalars(select(AuditHead.tenant)), *session.scalars(select(AuditRow.tenant).distinct())})


def verify(session: Session, keys: KeyRing, tenant: str, anchor: Head | None = None) -> Verdict:
    """In one snapshot (Database.read). Raises SetupError where the ring lacks the head's key."""
    row = session.get(AuditHead, tenant)
    head = head_of(row, keys)
    sound, count = holds(links(session, tenant), head)
    faults: list[Fault] = []
    if row is None and count:
        faults.append(Fault("head", count, count, "the head of the trail was removed"))
    elif row is not None and head is None:
        faults.append(Fault("head", count, count, "the head of the trail was changed: its signature is wrong"))
    if not sound:
        faults += diagnose(list(links(session, tenant)), head)
    faults += _since(session, tenant, anchor)
    if not sound and not faults:
        raise AssertionError("a trail does not hold, and no fault was found")
    return Verdict(tenant, count, head, tuple(faults))


def links(session: Session, tenant: str) -> Iterator[Link]:
    """The records in order, some at a time."""
    query = select(AuditRow.__table__).where(AuditRow.tenant == tenant).order_by(AuditRow.seq)
    for row in session.execute(query.execution_options(yield_per=BATCH)).mappings():
        yield Entry(**{name: row[name] for name in Entry.__slots__}), row["hash"]


def _since(session: Session, tenant: str, anchor: Head | None) -> Iterator[Fault]:
    """What an anchor saw must still be there."""
    if anchor is None or anchor.count == 0:
        return
    row = session.get(AuditRow, (tenant, anchor.count))
    if row is None:
        yield Fault("removed", anchor.count, anchor.count, f"record {anchor.count} was removed: the anchor saw it")
    elif row.hash != anchor.hash:
        told = f"record {anchor.count} is not the one that the anchor saw: it, or with it some before, was rewritten"
        yield Fault("rewritten", anchor.count, anchor.count, told)


def read_anchor(path: Path) -> dict[str, Head]:
    """By tenant; none where there is no file. Raises SetupError for another file."""
    if not path.exists():
        return {}
    try:
        lines = [orjson.loads(line) for line in path.read_bytes().splitlines()]
        return {one["tenant"]: Head(one["tenant"], one["count"], one["hash"]) for one in lines}
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise SetupError(f"{path.name} is not an anchor file") from None


def write_anchor(path: Path, verdicts: list[Verdict], at: datetime) -> None:
    """Only heads that hold are kept."""
    heads = [verdict.head for verdict in verdicts if verdict.head is not None and not verdict.faults]
    write_whole(path, (orjson.dumps({**asdict(head), "at": at}) for head in heads))
