"""Events in the database: what a platform announced, until it is done or dead. The row is the job's outbox: once it is
committed the worker will find it, so an acknowledged event cannot be lost."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from codeserve.adapters.base import SourceRef, WebhookEvent
from codeserve.audit.records import Record
from codeserve.audit.trail import append
from codeserve.errors import NotFound
from codeserve.storage.crypto import KeyRing
from codeserve.storage.sealing import seal
from codeserve.storage.tables import Charge, Document, Event, now

WORKER = "worker"  # who acts, in the trail
PULLED = "pulled"


def announce(session: Session, keys: KeyRing, tenant: str, platform: str, told: WebhookEvent, delivery: bytes) -> bool:
    """Store one event of a verified delivery; whether it is new."""
    event = Event(tenant=tenant, platform=platform, external_id=told.event_id, kind=told.kind)
    event.external_document_id, event.document_version = told.document_id, told.version
    seal(keys, event, "payload", delivery)
    return _add(session, keys, event)


def found(session: Session, keys: KeyRing, tenant: str, platform: str, ref: SourceRef) -> bool:
    """Store what a scheduled pull found; whether it is new."""
    event = Event(tenant=tenant, platform=platform, external_id=f"{ref.document_id}/{ref.version}", kind=PULLED)
    event.external_document_id, event.document_version = ref.document_id, ref.version
    return _add(session, keys, event)


def _add(session: Session, keys: KeyRing, event: Event) -> bool:
    known = select(Event.id).where(
        Event.platform == event.platform, Event.tenant == event.tenant, Event.external_id == event.external_id
    )
    if session.scalars(known).first():
        return False
    try:
        with session.begin_nested():
            session.add(event)
    except IntegrityError:  # another replica was told at the same moment
        return False
    version = {"version": event.document_version} if event.document_version else {}
    details = {"event": event.id, "platform": event.platform, **version}
    append(session, keys, Record(event.tenant, event.platform, "EVENT_RECEIVED", details=details))
    return True


def waiting(session: Session, states: Sequence[str], limit: int) -> list[Event]:
    """The oldest events of these states, of all tenants."""
    return list(session.scalars(select(Event).where(Event.state.in_(states)).order_by(Event.received_at).limit(limit)))


def started(session: Session, tenant: str, event_id: str) -> None:
    """A workflow has it now."""
    session.execute(
        update(Event)
        .where(Event.tenant == tenant, Event.id == event_id, Event.state == "received")
        .values(state="running")
    )


def settle(session: Session, keys: KeyRing, tenant: str, event_id: str, dead: str) -> None:
    """`dead`: why it was given up; empty where it was done."""
    event = session.get_one(Event, (tenant, event_id))
    if event.settled_at is not None:
        return
    event.state, event.last_error = ("dead", dead) if dead else ("done", None)
    event.settled_at = now()
    if dead:
        details = {"event": event.id, "error": dead, "platform": event.platform}
        append(session, keys, Record(tenant, WORKER, "EVENT_DEAD", details=details))


def dead(session: Session) -> list[Event]:
    return list(session.scalars(select(Event).where(Event.state == "dead").order_by(Event.received_at)))


def uncertain(session: Session) -> list[Charge]:
    return list(session.scalars(select(Charge).where(Charge.state == "uncertain").order_by(Charge.created_at)))


def replay(session: Session, keys: KeyRing, row_id: str, actor: str) -> Event:
    """A dead event once more, or an uncertain charge of which somebody has seen that it is not in the platform. Raises
    NotFound."""
    event = session.scalars(select(Event).where(Event.id == row_id, Event.state == "dead")).first()
    if event is None:
        event = _of_charge(session, row_id)
    event.state, event.attempts = "received", event.attempts + 1
    event.last_error, event.settled_at = None, None
    details = {"event": event.id, "platform": event.platform}
    append(session, keys, Record(event.tenant, actor, "EVENT_REPLAYED", details=details))
    return event


def _of_charge(session: Session, row_id: str) -> Event:
    charge = uncertain_charge(session, row_id)
    charge.state, charge.attempts, charge.last_error = "pending", 0, None
    document = session.get_one(Document, (charge.tenant, charge.document_id))
    announced = select(Event).where(
        Event.tenant == document.tenant,
        Event.platform == document.platform,
        Event.external_document_id == document.external_id,
    )
    event = session.scalars(announced.order_by(Event.id.desc())).first()
    if event is None:
        raise NotFound("The event of this charge was purged", hint="announce the note again")
    return event


def uncertain_charge(session: Session, row_id: str) -> Charge:
    charge = session.scalars(select(Charge).where(Charge.id == row_id, Charge.state == "uncertain")).first()
    if charge is None:
        raise NotFound("There is no dead event and no uncertain charge of this id")
    return charge
