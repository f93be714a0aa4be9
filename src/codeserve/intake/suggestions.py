"""What was suggested about a version, in which mode and with which route, and its record in the trail."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from codeserve.audit.records import Record
from codeserve.audit.suggested import ai_suggested
from codeserve.audit.trail import append
from codeserve.intake import documents
from codeserve.intake.events import WORKER
from codeserve.rollout.decision import AUTO_POST, in_sample, route_under
from codeserve.rollout.modes import ANY, Mode, Policy, normal, policy_of
from codeserve.rollout.suggestion import suggestion_of
from codeserve.storage.crypto import KeyRing
from codeserve.storage.sealing import seal_json
from codeserve.storage.tables import Rollout, Suggestion, WorklistItem

SHADOW = Mode.SHADOW.value


def of(session: Session, tenant: str, document_id: str) -> Suggestion | None:
    """The last one of a version."""
    of_it = select(Suggestion).where(Suggestion.tenant == tenant, Suggestion.document_id == document_id)
    return session.scalars(of_it.order_by(Suggestion.id.desc())).first()


def store(
    session: Session,
    keys: KeyRing,
    tenant: str,
    about: documents.Kept,
    asked: Mapping[str, Any],
    answer: Mapping[str, Any],
) -> str:
    """Once for each version, with its route under the practice's policy; its id."""
    documents.lock(session, tenant, about.id)
    known = of(session, tenant, about.id)
    if known:
        return known.id
    policy = policy_for(session, tenant, about.source["encounter"]["specialty"])
    made = Suggestion(tenant=tenant, document_id=about.id, mode=policy.mode.value, versions=answer["model"]["versions"])
    seal_json(keys, made, "request", {name: value for name, value in asked.items() if name != "text"})
    seal_json(keys, made, "response", answer)
    # The first record locks the practice's trail until the end: two workers cannot both take the last place of a day.
    append(session, keys, ai_suggested(tenant, WORKER, about.id, made.id, made.mode, answer))
    decided = route_under(policy, suggestion_of(made.id, answer), _posted_today(session, policy))
    made.route, made.reasons = decided.route, [reason.text for reason in decided.reasons]
    session.add(made)
    session.flush()
    append(session, keys, _routed(made, policy))
    return made.id


def policy_for(session: Session, tenant: str, specialty: str | None) -> Policy:
    rows = session.scalars(select(Rollout).where(Rollout.tenant == tenant))
    return policy_of(map(_policy, rows), tenant, specialty)


def sampled(policy: Policy, made: Suggestion) -> bool:
    """Whether a coder looks at it for quality control, although it was posted."""
    return made.route == AUTO_POST and in_sample(made.id, policy.quality_share)


def _policy(row: Rollout) -> Policy:
    return Policy(
        tenant=row.tenant,
        specialty=row.specialty,
        mode=Mode(row.mode),
        threshold=row.threshold,
        families=frozenset(row.families),
        maximum_a_day=row.maximum_a_day,
        since=row.approved_at,
    )


def _posted_today(session: Session, policy: Policy) -> int:
    """Since midnight UTC, of this policy's specialty; one that has no item yet counts whatever its specialty is."""
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    same = (WorklistItem.tenant == Suggestion.tenant) & (WorklistItem.suggestion_id == Suggestion.id)
    posted = (
        select(WorklistItem.specialty)
        .select_from(Suggestion)
        .outerjoin(WorklistItem, same)
        .where(Suggestion.tenant == policy.tenant, Suggestion.route == AUTO_POST, Suggestion.created_at >= midnight)
    )
    return sum(
        policy.specialty in (ANY, normal(specialty)) or specialty is None for specialty in session.scalars(posted)
    )


def _routed(made: Suggestion, policy: Policy) -> Record:
    details = {"mode": made.mode, "route": made.route, "reasons": made.reasons, "threshold": policy.threshold}
    named = {"specialty": policy.specialty} if policy.specialty else {}
    return Record(
        made.tenant, WORKER, "ROUTED", document_id=made.document_id, suggestion_id=made.id, details={**details, **named}
    )
