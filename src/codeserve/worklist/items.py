"""Items of the coders' queue in the database: how they come into it and leave it again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from codeserve.storage.tables import Document, Suggestion, WorklistItem, now
from codeserve.worklist.priority import rank

OPEN, CLAIMED, DECIDED, FINAL = "open", "claimed", "decided", "final"
SHADOW, SUPERSEDED = "shadow", "superseded"
UNSETTLED = (OPEN, CLAIMED, SHADOW)


def of_document(session: Session, tenant: str, document_id: str) -> WorklistItem | None:
    of_it = select(WorklistItem).where(WorklistItem.tenant == tenant, WorklistItem.document_id == document_id)
    return session.scalars(of_it).first()


def enlist(
    session: Session,
    about: Suggestion,
    answer: Mapping[str, Any],
    *,
    specialty: str | None,
    draft_problem: str,
    amended: str,
) -> WorklistItem:
    """The item of a suggestion's document, made once. In shadow mode no coder sees it."""
    known = of_document(session, about.tenant, about.document_id)
    if known:
        return known
    ranked = rank(answer, draft_problem=draft_problem, amended=amended)
    item = WorklistItem(tenant=about.tenant, document_id=about.document_id, suggestion_id=about.id)
    item.encounter_id, item.specialty = answer["encounter_id"], specialty
    item.state = SHADOW if about.mode == "shadow" else OPEN
    item.priority, item.reasons = ranked.priority, list(ranked.reasons)
    item.findings, item.lowest_confidence = ranked.findings, ranked.lowest_confidence
    item.expected_amount = ranked.expected_amount
    session.add(item)
    return item


def supersede(session: Session, tenant: str, document_id: str) -> None:
    """A version that is not to be coded any more leaves the queue."""
    old = update(WorklistItem).where(
        WorklistItem.tenant == tenant, WorklistItem.document_id == document_id, WorklistItem.state.in_(UNSETTLED)
    )
    session.execute(old.values(state=SUPERSEDED, settled_at=now()))


def withdraw(session: Session, tenant: str, platform: str, external_id: str) -> None:
    """A note that is no longer signed: all its versions leave the queue."""
    versions = select(Document.id).where(
        Document.tenant == tenant, Document.platform == platform, Document.external_id == external_id
    )
    for document_id in session.scalars(versions):
        supersede(session, tenant, document_id)
