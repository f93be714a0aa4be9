"""What coders decide about a suggestion, and the codes that were submitted in the end; stored with their record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from codeserve.audit.records import Record
from codeserve.audit.trail import append
from codeserve.errors import Conflict, InvalidNote, NotFound
from codeserve.storage.crypto import KeyRing
from codeserve.storage.sealing import seal_json, unseal_json
from codeserve.storage.tables import Decision, FinalCodes, Suggestion, WorklistItem
from codeserve.worklist import queue
from codeserve.worklist.items import CLAIMED, DECIDED, FINAL, OPEN, SHADOW, SUPERSEDED

ACTIONS = {"accept": "ACCEPTED", "edit": "EDITED", "override": "OVERRIDDEN", "reject": "REJECTED"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """About one suggested `code`, or one that was missing (None). `new_code`: what stands in its place. `reason`: one
    of data/api/decision_reasons.tsv; `comment`: the coder's own words, which are encrypted and not in the trail."""

    action: str
    code: str | None
    new_code: str | None
    reason: str | None
    comment: str | None


def item_of(
    session: Session, tenant: str, encounter_id: str, item_id: str | None, hidden: Sequence[str] = (SUPERSEDED, SHADOW)
) -> WorklistItem:
    """The encounter's item; with several notes the one that is named. `hidden`: states that count as not there. Raises
    NotFound and InvalidNote."""
    waiting = select(WorklistItem).where(
        WorklistItem.tenant == tenant,
        WorklistItem.encounter_id == encounter_id,
        WorklistItem.state.not_in(hidden),
    )
    found = [item for item in session.scalars(waiting) if item_id in (None, item.id)]
    if not found:
        raise NotFound("There is no item of this encounter in the worklist")
    if len(found) > 1:
        raise InvalidNote("The encounter has several notes: name the item", field="item_id")
    return found[0]


def decide(
    session: Session,
    keys: KeyRing,
    item: WorklistItem,
    coder: str,
    verdicts: Sequence[Verdict],
    review_s: float,
    at: datetime,
) -> None:
    """Store what a coder decided; the item is decided then. Raises Conflict where somebody else holds it, where a coder
    does not see it or where its codes are final; InvalidNote for a code that was not suggested."""
    if queue.held_by_other(item, coder, at):
        raise Conflict("Another coder holds the item")
    if item.state not in (OPEN, CLAIMED, DECIDED):
        raise Conflict(f"The item is {item.state}")
    made = session.get_one(Suggestion, (item.tenant, item.suggestion_id))
    _require_suggested(verdicts, codes_of(unseal_json(keys, made, "response")))
    for verdict in verdicts:
        _store(session, keys, item, coder, verdict, review_s, at)
    item.state, item.settled_at = DECIDED, at
    item.claimed_by, item.lease_until = coder, None


def submit(
    session: Session, keys: KeyRing, item: WorklistItem, actor: str, codes: Mapping[str, Any], at: datetime
) -> None:
    """Store the codes that were billed; they settle the item, whatever its mode."""
    final = FinalCodes(tenant=item.tenant, item_id=item.id, actor=actor, submitted_at=at)
    seal_json(keys, final, "codes", codes)
    session.add(final)
    item.state, item.settled_at = FINAL, at
    item.claimed_by, item.lease_until = None, None
    coded = [{"code": code} for code in codes["diagnosis_codes"]] + list(codes["procedures"])
    append(session, keys, record(item, actor, "FINAL_CODES", {"final_codes": coded}))


def codes_of(answer: Mapping[str, Any]) -> set[str]:
    """All that a coder can decide about."""
    em = answer["em"]
    lines = [*answer["diagnosis_codes"], *answer["procedure_codes"], *([em, *em["also"]] if em else [])]
    return {line["code"] for line in lines}


def of_item(session: Session, item: WorklistItem) -> tuple[list[Decision], FinalCodes | None]:
    """All decisions in their order, and the codes that were submitted last."""
    decisions = select(Decision).where(Decision.tenant == item.tenant, Decision.item_id == item.id)
    final = select(FinalCodes).where(FinalCodes.tenant == item.tenant, FinalCodes.item_id == item.id)
    return (
        list(session.scalars(decisions.order_by(Decision.id))),
        session.scalars(final.order_by(FinalCodes.id.desc())).first(),
    )


def _require_suggested(verdicts: Iterable[Verdict], suggested: set[str]) -> None:
    for number, verdict in enumerate(verdicts):
        if verdict.code is not None and verdict.code not in suggested:
            raise InvalidNote("This code was not suggested", field=f"decisions.{number}.code")


def _store(
    session: Session,
    keys: KeyRing,
    item: WorklistItem,
    coder: str,
    verdict: Verdict,
    review_s: float,
    at: datetime,
) -> None:
    row = Decision(tenant=item.tenant, item_id=item.id, coder=coder, action=verdict.action, review_s=review_s, at=at)
    row.line, row.code_before, row.code_after = verdict.code, verdict.code, verdict.new_code
    seal_json(keys, row, "reason", {"reason": verdict.reason, "comment": verdict.comment})
    session.add(row)
    details = {"line": verdict.code, "code_before": verdict.code, "code_after": verdict.new_code}
    told = {"reason": verdict.reason, "review_s": review_s}
    known = {name: value for name, value in {**details, **told}.items() if value is not None}
    append(session, keys, record(item, coder, ACTIONS[verdict.action], known))


def record(item: WorklistItem, actor: str, action: str, details: Mapping[str, Any]) -> Record:
    """Of the trail, about an item."""
    return Record(
        item.tenant,
        actor,
        action,
        encounter_id=item.encounter_id,
        document_id=item.document_id,
        suggestion_id=item.suggestion_id,
        item_id=item.id,
        details=details,
    )
