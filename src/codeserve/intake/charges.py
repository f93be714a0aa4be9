"""Draft charges in the database: what may be posted, what was, and what nobody can tell."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from codeserve.adapters.base import DraftCharge
from codeserve.audit.records import Record
from codeserve.audit.trail import append
from codeserve.intake import documents, suggestions
from codeserve.intake.events import WORKER
from codeserve.intake.mapping import draft_of
from codeserve.storage.crypto import KeyRing
from codeserve.storage.sealing import unseal_json
from codeserve.storage.tables import Charge

POSTED, UNCERTAIN, FAILED = "posted", "uncertain", "failed"
ACTIONS = {POSTED: "DRAFT_POSTED", UNCERTAIN: "DRAFT_UNCERTAIN", FAILED: "DRAFT_FAILED"}
SETTLED = (POSTED, UNCERTAIN)
SHADOWED = "no draft charge: shadow mode"
REPLACED = "no draft charge: a later version of the note is there"


def of(session: Session, tenant: str, document_id: str) -> Charge | None:
    return session.scalars(select(Charge).where(Charge.tenant == tenant, Charge.document_id == document_id)).first()


def reference(document_id: str) -> str:
    """Of the draft charge of a version; the platform keeps it."""
    return f"cs-{document_id}"


def prepare(session: Session, keys: KeyRing, tenant: str, about: documents.Kept) -> tuple[Charge, DraftCharge] | str:
    """The charge of a version and what to post, or why there is none."""
    documents.lock(session, tenant, about.id)
    made = suggestions.of(session, tenant, about.id)
    assert made is not None  # the step before
    if made.mode == suggestions.SHADOW:
        return SHADOWED
    if documents.replaced(session, tenant, about.id):
        return REPLACED
    draft = draft_of(reference(about.id), about.external_id, about.source, unseal_json(keys, made, "response"))
    if isinstance(draft, str):
        return draft
    charge = of(session, tenant, about.id)
    if charge is None:
        charge = Charge(tenant=tenant, document_id=about.id, suggestion_id=made.id, reference=draft.reference)
        charge.state, charge.attempts = "pending", 0
        session.add(charge)
    return charge, draft


def note_attempt(session: Session, tenant: str, charge_id: str) -> None:
    """From now on it may be in the platform: whoever comes next looks for it first."""
    charge = session.get_one(Charge, (tenant, charge_id))
    charge.attempts += 1


def settle(
    session: Session,
    keys: KeyRing,
    tenant: str,
    charge_id: str,
    state: str,
    *,
    platform_id: str | None = None,
    error: str = "",
    actor: str = WORKER,
) -> str:
    """Posted, uncertain or failed, and so in the trail; the state."""
    charge = session.get_one(Charge, (tenant, charge_id), with_for_update=True)
    if charge.state in SETTLED and actor == WORKER:
        return charge.state
    charge.state, charge.platform_id, charge.last_error = state, platform_id, error or None
    details = {"reference": charge.reference}
    details |= {name: value for name, value in (("platform_id", platform_id), ("error", error)) if value}
    append(
        session,
        keys,
        Record(
            tenant,
            actor,
            ACTIONS[state],
            document_id=charge.document_id,
            suggestion_id=charge.suggestion_id,
            details=details,
        ),
    )
    return state
