"""Versions of notes in the database."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from codeserve.adapters.base import SourceDocument
from codeserve.intake.mapping import kept
from codeserve.storage.crypto import KeyRing
from codeserve.storage.sealing import seal, seal_json, unseal_json, unseal_text
from codeserve.storage.tables import Document


@dataclass(frozen=True, slots=True)
class Kept:
    """A stored version: our id, the platform's, the note (None once it has expired) and all else of the source."""

    id: str
    external_id: str
    previous_id: str | None
    note_sha256: str
    note: str | None
    source: Mapping[str, Any]


def keep(
    session: Session, keys: KeyRing, tenant: str, platform: str, source: SourceDocument, expires_at: datetime
) -> str:
    """Store a version of a note, once; its id. One that is known gets its expired note back."""
    known = select(Document).where(
        Document.tenant == tenant,
        Document.platform == platform,
        Document.external_id == source.document_id,
        Document.version == source.version,
    )
    row = session.scalars(known).first()
    if row is None:
        row = Document(tenant=tenant, platform=platform, external_id=source.document_id, version=source.version)
        row.previous_id = _previous(session, tenant, platform, source)
        row.note_sha256 = hashlib.sha256(source.text.encode()).hexdigest()
        seal_json(keys, row, "encounter", kept(source))
        session.add(row)
    if row.note is None:
        seal(keys, row, "note", source.text)
    row.expires_at = expires_at
    session.flush()
    return row.id


def _previous(session: Session, tenant: str, platform: str, source: SourceDocument) -> str | None:
    """The version that this one replaces: of the document that the platform names, or of this very document."""
    names = [name for name in (source.document_id, source.amended_from) if name]
    of_either = select(Document.id).where(
        Document.tenant == tenant, Document.platform == platform, Document.external_id.in_(names)
    )
    return session.scalars(of_either.order_by(Document.id.desc())).first()


def read(session: Session, keys: KeyRing, tenant: str, document_id: str, at: datetime) -> Kept:
    row = session.get_one(Document, (tenant, document_id))
    fresh = row.expires_at is None or row.expires_at > at
    note = unseal_text(keys, row, "note") if fresh else None
    source = unseal_json(keys, row, "encounter")
    return Kept(row.id, row.external_id, row.previous_id, row.note_sha256, note, source)


def lock(session: Session, tenant: str, document_id: str) -> None:
    """One at a time works on what belongs to a document. (On SQLite a writer is alone anyway.)"""
    session.execute(select(Document.id).where(Document.tenant == tenant, Document.id == document_id).with_for_update())


def replaced(session: Session, tenant: str, document_id: str) -> bool:
    """Whether a later version of the note is there."""
    later = select(Document.id).where(Document.tenant == tenant, Document.previous_id == document_id)
    return session.scalars(later).first() is not None
