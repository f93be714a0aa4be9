"""Writing: a record is appended inside the caller's transaction, so what is done and what is told of it stand or fall
together.

A tenant has one chain. Its head is locked until the transaction ends, so writers of one tenant take turns; append last,
and keep the transaction short.
"""

from __future__ import annotations

import hmac
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from codeserve.audit.chain import FIRST, Entry, Head, canonical, digest
from codeserve.audit.records import Record, require
from codeserve.errors import StoredDataBroken
from codeserve.storage.crypto import KeyRing
from codeserve.storage.tables import AuditHead, AuditRow, now

_OPEN = text(
    "INSERT INTO audit_heads (tenant, count, hash, key_id, mac) VALUES (:tenant, 0, :hash, :key_id, :mac)"
    " ON CONFLICT (tenant) DO NOTHING"
)


def append(session: Session, keys: KeyRing, record: Record, at: datetime | None = None) -> AuditRow:
    """Raises InvalidRecord for one that lacks a field, StoredDataBroken where the trail was tampered with."""
    require(record)
    head = _locked_head(session, keys, record.tenant)
    entry = Entry(
        tenant=record.tenant,
        seq=head.count + 1,
        at=at or now(),
        actor=record.actor,
        action=record.action,
        encounter_id=record.encounter_id,
        document_id=record.document_id,
        suggestion_id=record.suggestion_id,
        item_id=record.item_id,
        note_sha256=record.note_sha256,
        versions=canonical(dict(record.versions)),
        details=canonical(dict(record.details)),
        previous=head.hash,
    )
    row = AuditRow(hash=digest(entry), **{name: getattr(entry, name) for name in Entry.__slots__})
    session.add(row)
    _sign(head, keys, Head(record.tenant, entry.seq, row.hash))
    session.flush()
    return row


def head_of(row: AuditHead | None, keys: KeyRing) -> Head | None:
    """What the stored head says; None where there is none or its signature is wrong. Raises SetupError where the ring
    lacks its key."""
    if row is None:
        return None
    head = Head(row.tenant, row.count, row.hash)
    return head if hmac.compare_digest(keys.mac(head.message, row.key_id).hex(), row.mac) else None


def sign_again(session: Session, keys: KeyRing) -> int:
    """Sign every head with the active key; how many. Raises StoredDataBroken for one that was tampered with."""
    old = select(AuditHead).where(AuditHead.key_id != keys.active).order_by(AuditHead.tenant)
    rows = session.scalars(old.with_for_update()).all()
    for row in rows:
        _sign(row, keys, _trusted(row, keys))
    return len(rows)


def _locked_head(session: Session, keys: KeyRing, tenant: str) -> AuditHead:
    found = session.get(AuditHead, tenant, with_for_update=True, populate_existing=True)
    if found is None:
        start = Head(tenant, 0, FIRST)
        mac = keys.mac(start.message).hex()
        session.execute(_OPEN, {"tenant": tenant, "hash": FIRST, "key_id": keys.active, "mac": mac})
        found = session.get_one(AuditHead, tenant, with_for_update=True, populate_existing=True)
    if _trusted(found, keys).count == 0 and _has_records(session, tenant):
        raise StoredDataBroken("the head of an audit trail was removed", hint="codeserve audit verify")
    return found


def _has_records(session: Session, tenant: str) -> bool:
    return session.scalars(select(AuditRow.seq).where(AuditRow.tenant == tenant).limit(1)).first() is not None


def _trusted(row: AuditHead, keys: KeyRing) -> Head:
    head = head_of(row, keys)
    if head is None:
        raise StoredDataBroken("the head of an audit trail was changed", hint="codeserve audit verify")
    return head


def _sign(row: AuditHead, keys: KeyRing, head: Head) -> None:
    row.count, row.hash, row.key_id, row.mac = head.count, head.hash, keys.active, keys.mac(head.message).hex()
