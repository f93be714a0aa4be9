"""One row of each table, linked as the service links them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from codeserve.audit.records import Record
from codeserve.audit.trail import append
from codeserve.storage.crypto import KeyRing
from codeserve.storage.sealing import seal, seal_json
from codeserve.storage.tables import (
    Base,
    Charge,
    Decision,
    Document,
    Event,
    FinalCodes,
    Job,
    JobLine,
    Node,
    Rollout,
    Suggestion,
    Watermark,
    WorklistItem,
)

AT = datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=UTC)
NOTE = "Sprained her left ankle — très douloureux."
CODES = [{"code": "S93.402A", "units": 1}]


def document(keys: KeyRing, tenant: str = "north", external_id: str = "d1", version: str = "1") -> Document:
    row = Document(tenant=tenant, platform="fhir", external_id=external_id, version=version, note_sha256="0" * 64)
    row.created_at, row.expires_at = AT, AT + timedelta(days=3)
    seal(keys, row, "note", NOTE)
    seal_json(keys, row, "encounter", {"encounter_id": "e1"})
    return row


def suggestion(keys: KeyRing, about: Document) -> Suggestion:
    row = Suggestion(tenant=about.tenant, document_id=about.id, versions={"tagger": "1"}, mode="assisted")
    row.route, row.created_at = "review", AT
    seal_json(keys, row, "request", {"document_id": "d1"})
    seal_json(keys, row, "response", {"diagnosis_codes": CODES})
    return row


def item(made: Suggestion, **values: object) -> WorklistItem:
    ids = {"tenant": made.tenant, "document_id": made.document_id, "suggestion_id": made.id}
    return WorklistItem(**ids, encounter_id="e1", reasons=["low confidence"], created_at=AT, **values)


def one_of_each(keys: KeyRing, tenant: str = "north") -> list[list[Base]]:
    """In the order that foreign keys ask for: a list for each flush."""
    event = Event(tenant=tenant, platform="fhir", external_id="x1", kind="note.signed", received_at=AT)
    seal_json(keys, event, "payload", {"resource": "DocumentReference"})
    first = document(keys, tenant)
    amended = document(keys, tenant, version="2")
    amended.previous_id = first.id
    made = suggestion(keys, first)
    charge = Charge(tenant=tenant, document_id=first.id, suggestion_id=made.id, reference=f"cs-{first.id}")
    waiting = item(made)
    decision = Decision(tenant=tenant, item_id=waiting.id, coder="ann", action="edit", code_before="S93.402A", at=AT)
    seal(keys, decision, "reason", "the note says right")
    final = FinalCodes(tenant=tenant, item_id=waiting.id, actor="ann", submitted_at=AT)
    seal_json(keys, final, "codes", CODES)
    job = Job(tenant=tenant, created_by="platform", created_at=AT)
    line = JobLine(tenant=tenant, job_id=job.id, line=1)
    seal_json(keys, line, "request", {"document_id": "d1"})
    rollout = Rollout(tenant=tenant, specialty="cardiology", mode="shadow", threshold=0.95, families=["E11"])
    rollout.maximum_a_day, rollout.figures = 100, {"match_rate": 0.97}
    mark = Watermark(tenant=tenant, platform="fhir", mark="2026-03-01", updated_at=AT)
    free: list[Base] = [event, first, job, rollout, mark, Node(name=f"host-{tenant}", seen_at=AT)]
    return [free, [amended, made, line], [charge, waiting], [decision, final]]


def fill(session: Session, keys: KeyRing, tenant: str = "north") -> None:
    """A row of each table, two documents; ten sealed values and a signed head."""
    for rows in one_of_each(keys, tenant):
        session.add_all(rows)
        session.flush()
    append(session, keys, Record(tenant, "system", "VIEWED", details={"what": "item"}), AT)
