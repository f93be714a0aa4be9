"""The queue as coders see it: a page of it in the order of its priority, and who holds which item for how long."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Select, literal, or_, select, tuple_, update
from sqlalchemy.orm import Session

from codeserve.errors import Conflict, NotFound
from codeserve.storage.tables import WorklistItem
from codeserve.worklist.cursor import Place
from codeserve.worklist.items import CLAIMED, OPEN, SHADOW


@dataclass(frozen=True, slots=True)
class Filters:
    """None: not asked for. `state`: an item whose claim has run out is open. `min_amount` in US cents."""

    state: str = OPEN
    specialty: str | None = None
    encounter_id: str | None = None
    claimed_by: str | None = None
    max_confidence: float | None = None
    min_findings: int | None = None
    min_amount: int | None = None


def page(
    session: Session, tenant: str, wanted: Filters, after: Place | None, limit: int, at: datetime
) -> list[WorklistItem]:
    """The first `limit` items behind a place, highest priority first, the newest of equals first.

    Open ones and those with a claim that has run out are read apart, so that each is read in the order of its index.
    """
    if wanted.state == OPEN:
        expired = _chosen(tenant, wanted, CLAIMED, after, limit).where(WorklistItem.lease_until <= at)
        both = [_chosen(tenant, wanted, OPEN, after, limit), expired]
    else:
        running = WorklistItem.lease_until > at if wanted.state == CLAIMED else None
        one = _chosen(tenant, wanted, wanted.state, after, limit)
        both = [one if running is None else one.where(running)]
    found = [item for query in both for item in session.scalars(query)]
    return sorted(found, key=lambda item: (item.priority, item.id), reverse=True)[:limit]


def _chosen(tenant: str, wanted: Filters, state: str, after: Place | None, limit: int) -> Select[tuple[WorklistItem]]:
    item = WorklistItem
    query = select(item).where(item.tenant == tenant, item.state == state)
    for column, value in (
        (item.specialty, wanted.specialty),
        (item.encounter_id, wanted.encounter_id),
        (item.claimed_by, wanted.claimed_by),
    ):
        query = query if value is None else query.where(column == value)
    if wanted.max_confidence is not None:
        query = query.where(item.lowest_confidence <= wanted.max_confidence)
    if wanted.min_findings is not None:
        query = query.where(item.findings >= wanted.min_findings)
    if wanted.min_amount is not None:
        query = query.where(item.expected_amount >= wanted.min_amount)
    if after is not None:
        query = query.where(tuple_(item.priority, item.id) < tuple_(literal(after[0]), literal(after[1])))
    return query.order_by(item.priority.desc(), item.id.desc()).limit(limit)


def of_tenant(session: Session, tenant: str, item_id: str) -> WorklistItem:
    """Raises NotFound, also for what no coder is to see."""
    item = session.get(WorklistItem, (tenant, item_id))
    if item is None or item.state == SHADOW:
        raise NotFound("There is no such item in the worklist")
    return item


def claim(session: Session, tenant: str, item_id: str, coder: str, lease: timedelta, at: datetime) -> WorklistItem:
    """Hold an item, or hold it longer. Raises Conflict where somebody else holds it or it waits for nobody."""
    item = WorklistItem
    free = or_(item.state == OPEN, (item.state == CLAIMED) & or_(item.lease_until <= at, item.claimed_by == coder))
    taken = session.scalars(
        update(item)
        .where(item.tenant == tenant, item.id == item_id, free)
        .values(state=CLAIMED, claimed_by=coder, lease_until=at + lease)
        .returning(item.id)
        .execution_options(synchronize_session=False)
    ).first()
    found = of_tenant(session, tenant, item_id)
    if taken is None:
        raise Conflict("Another coder holds the item" if found.state == CLAIMED else f"The item is {found.state}")
    session.refresh(found)
    return found


def release(session: Session, tenant: str, item_id: str, coder: str | None) -> tuple[WorklistItem, str]:
    """Give an item back; `coder` None: whoever holds it. The item, and who held it. Raises Conflict where that coder
    does not hold it."""
    item = of_tenant(session, tenant, item_id)
    if item.state != CLAIMED or (coder is not None and item.claimed_by != coder):
        raise Conflict("You do not hold the item")
    holder = str(item.claimed_by)
    item.state, item.claimed_by, item.lease_until = OPEN, None, None
    return item, holder


def held_by_other(item: WorklistItem, coder: str, at: datetime) -> bool:
    return item.state == CLAIMED and item.claimed_by != coder and item.lease_until is not None and item.lease_until > at
