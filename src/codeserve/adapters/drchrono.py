"""DrChrono (EverHealth), REST API v4 "Hunt Valley": locked clinical notes in, billing line items and tasks out.

Source: DrChrono's OpenAPI document (app.drchrono.com/openapi-schema) and its reference (app.drchrono.com/api-docs).
Documented: OAuth 2 with refresh tokens, the objects and filters used here, webhooks with their verification. Not
documented, so taken with care: whether `since` of clinical notes sees a lock; which id a clinical note has (it is
found by patient, day and appointment instead); whether a redelivered webhook keeps its delivery id. It knows no
idempotency key and no draft charge: line items stand unbilled in the appointment until a biller releases it. 500
requests an hour, without Retry-After.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from codeserve.adapters.base import (
    Capabilities,
    ChargeLine,
    CoderTask,
    DraftCharge,
    DraftRef,
    SourceDocument,
    SourceEncounter,
    SourceRef,
    WebhookEvent,
)
from codeserve.adapters.drchrono_note import patient_of, text_of_note
from codeserve.adapters.errors import Malformed, NotThere, Refused
from codeserve.adapters.http import segment, together
from codeserve.adapters.oauth import OAuth, OAuthClient
from codeserve.adapters.opening import Opening
from codeserve.adapters.rest import Object, Rest, a_date, a_text, an_object, nothing, required
from codeserve.adapters.shapes import any_shape
from codeserve.adapters.webhooks import check_secret, header, read_json, sign
from codeserve.errors import BadRequest, NotFound

EVENTS = {"CLINICAL_NOTE_LOCK": "signed", "CLINICAL_NOTE_UNLOCK": "unsigned", "PING": "ping"}
PRIORITIES = {"routine": "20", "urgent": "40"}  # medium, urgent


@dataclass(frozen=True, slots=True)
class DrChronoOptions:
    """`task_group` and `task_status`: ids of the practice's own, from /api/task_... ; without them no tasks are pushed.
    `first`: from which day on documents are pulled before there is a mark, for the platform wants one."""

    task_group: int = 0
    task_status: int = 0
    first: str = "2000-01-01"


class DrChronoAdapter:
    """A document is the clinical note of an appointment, and has the appointment's id."""

    name = "drchrono"

    def __init__(self, rest: Rest, webhook_secret: str, options: DrChronoOptions = DrChronoOptions()) -> None:
        self._rest = rest
        self._secret = webhook_secret
        self._options = options
        self._fields: dict[str, list[Object]] = {}
        self.capabilities = Capabilities(
            webhook_proof="shared secret",
            find_draft=True,
            idempotent_post=True,
            tasks=bool(options.task_group and options.task_status),
        )

    async def authenticate(self) -> None:
        await self._rest.auth.headers()

    async def close(self) -> None:
        await self._rest.close()

    def verify_webhook(self, headers: Mapping[str, str], body: bytes, now: datetime) -> tuple[WebhookEvent, ...]:
        """The header named signature holds the secret itself, not one over the body, and no time: the body is believed
        for its id only."""
        check_secret(header(headers, "X-drchrono-signature"), self._secret)
        delivery, name = header(headers, "X-drchrono-delivery"), header(headers, "X-drchrono-event")
        sent = read_json(body)
        if not delivery or not name or not isinstance(sent.get("object", {}), dict):
            raise BadRequest("The delivery has no id, no event or no object")
        kind = EVENTS.get(name, "other")
        note = a_text(sent.get("object", {}), "appointment") if kind in ("signed", "unsigned") else ""
        if kind in ("signed", "unsigned") and not note:
            raise BadRequest("The delivery names no appointment")
        return (WebhookEvent(delivery, kind, note or None),)  # type: ignore[arg-type]

    def answer_challenge(self, query: Mapping[str, str]) -> Mapping[str, str]:
        """ "Webhooks verification": the HMAC-SHA256 of `msg`, keyed with the secret."""
        if "msg" not in query or not self._secret:
            raise NotFound("There is nothing to verify")
        return {"secret_token": sign(self._secret, query["msg"].encode())}

    @any_shape
    async def fetch(self, document_id: str) -> SourceDocument:
        appointment = await self._rest.get("fetch visit", f"api/appointments/{segment(document_id)}")
        patient_id, status = required(appointment, "patient"), appointment.get("clinical_note") or {}
        patient, note = await together(
            self._rest.get("fetch patient", f"api/patients/{segment(patient_id)}"),
            self._note(document_id, patient_id, appointment),
        )
        fields = await self._field_types(note)
        return SourceDocument(
            document_id=document_id,
            version=required(status, "updated_at"),
            state="signed" if status.get("locked") is True else "unsigned",
            text=text_of_note(note, fields),
            patient=patient_of(patient),
            encounter=SourceEncounter(
                encounter_id=document_id,
                date_of_service=a_date(appointment, "scheduled_time"),
                payer=a_text(appointment, "primary_insurer_name")[:100] or None,
                provider_id=a_text(appointment, "doctor") or None,
                existing_codes=tuple(c for c in appointment.get("icd10_codes") or () if isinstance(c, str)),
            ),
        )

    async def changed_since(self, mark: str | None) -> AsyncIterator[SourceRef]:
        """The list tells no times, so each note's appointment is asked; they come in no order, so they are sorted."""
        found: dict[str, SourceRef] = {}
        params = {"since": mark or self._options.first}
        async for note in self._rest.pages("list notes", "api/clinical_notes", params):
            visit = required(note, "appointment")
            appointment = await self._rest.get("fetch visit", f"api/appointments/{segment(visit)}")
            status = appointment.get("clinical_note")
            if isinstance(status, dict) and status.get("locked") is True:
                updated = required(status, "updated_at")
                found[visit] = SourceRef(visit, updated, updated)
        for ref in sorted(found.values(), key=lambda r: r.mark):
            yield ref

    @any_shape
    async def find_draft(self, draft: DraftCharge) -> DraftRef | None:
        """Our reference stands in a billing note of the appointment, which is written when all lines are there."""
        visit = _visit(draft)
        async for note in self._rest.pages("look for draft", "api/claim_billing_notes", {"appointment": visit}):
            if _marks(note, draft.reference):
                return DraftRef(visit, draft.reference)
        return None

    @any_shape
    async def post_draft(self, draft: DraftCharge) -> DraftRef:
        """Diagnoses into the appointment, the lines that it lacks, then the billing note: each may be done twice."""
        visit = _visit(draft)
        appointment = await self._rest.get("fetch visit", f"api/appointments/{segment(visit)}")
        await self._add_diagnoses(visit, appointment, draft.diagnoses)
        lacking = Counter(_key(line) for line in draft.lines)
        async for item in self._rest.pages("look for lines", "api/line_items", {"appointment": visit}):
            lacking[_key_of(item)] -= 1
        for line in draft.lines:
            if lacking[_key(line)] > 0:
                lacking[_key(line)] -= 1
                await self._rest.write("post line", "POST", "api/line_items", _line(line, draft), an_object)
        if await self.find_draft(draft) is None:
            body = {"appointment": int(visit), "text": f"Draft charge {draft.reference}, to be reviewed by a coder"}
            await self._rest.write("post billing note", "POST", "api/claim_billing_notes", body, an_object)
        return DraftRef(visit, draft.reference)

    @any_shape
    async def push_task(self, task: CoderTask) -> None:
        options = self._options
        if not self.capabilities.tasks:
            raise Refused("drchrono: push task: no task_group and task_status are set")
        params = {"assignee_group": str(options.task_group)}
        async for known in self._rest.pages("look for task", "api/tasks", params):
            if a_text(known, "title").endswith(f"[{task.reference}]"):
                return
        body = {
            "title": f"{task.title} [{task.reference}]",
            "status": options.task_status,
            "assignee_group": options.task_group,
            "priority": PRIORITIES[task.priority],
            "associated_items": [{"type": "Appointment", "value": int(task.document_id)}],
            "notes": [{"text": task.reason}],
        }
        await self._rest.write("push task", "POST", "api/tasks", body, an_object)

    async def _note(self, visit: str, patient_id: str, appointment: Object) -> Object:
        day = a_date(appointment, "scheduled_time")
        params = {"patient": patient_id, "verbose": "true"} | ({"date": day.isoformat()} if day else {})
        async for note in self._rest.pages("fetch note", "api/clinical_notes", params):
            if a_text(note, "appointment") == visit and note.get("archived") is not True:
                return note
        raise NotThere("drchrono: fetch note: the appointment has none")

    async def _field_types(self, note: Object) -> list[Object]:
        """What the note's values mean, by template. A template's fields are asked once."""
        sections = [s for s in note.get("clinical_note_sections") or () if isinstance(s, dict)]
        templates = {a_text(s, "clinical_note_template") for s in sections} - {""}
        for template in sorted(templates - set(self._fields)):
            params = {"clinical_note_template": template}
            pages = self._rest.pages("fetch note fields", "api/clinical_note_field_types", params)
            self._fields[template] = [field async for field in pages]
        return [field for template in templates for field in self._fields[template]]

    async def _add_diagnoses(self, visit: str, appointment: Object, codes: Sequence[str]) -> None:
        """What a person entered stays, in its order."""
        there = [c for c in appointment.get("icd10_codes") or () if isinstance(c, str)]
        more = [code for code in codes if code not in there]
        if more:
            url, body = f"api/appointments/{segment(visit)}", {"icd10_codes": [*there, *more]}
            await self._rest.write("post diagnoses", "PATCH", url, body, nothing, again=True)


def _visit(draft: DraftCharge) -> str:
    visit = draft.encounter_id or draft.document_id
    if not visit.isdecimal():
        raise Malformed("drchrono: the draft names no appointment")
    return visit


def _marks(note: Object, reference: str) -> bool:
    return f"Draft charge {reference}," in a_text(note, "text")


def _key(line: ChargeLine) -> tuple[str, tuple[str, ...], float]:
    return line.code, tuple(line.modifiers), float(line.units)


def _key_of(item: Mapping[str, Any]) -> tuple[str, tuple[str, ...], float]:
    modifiers = tuple(m for m in item.get("modifiers") or () if isinstance(m, str) and m)
    quantity = item.get("quantity")
    return a_text(item, "code"), modifiers, float(quantity) if isinstance(quantity, int | float) else 1.0


def _line(line: ChargeLine, draft: DraftCharge) -> Object:
    """Pointers are the codes themselves: the appointment may hold others before ours."""
    return {
        "appointment": int(_visit(draft)),
        "code": line.code,
        "procedure_type": "C" if line.system == "CPT" else "H",
        "modifiers": list(line.modifiers),
        "quantity": line.units,
        "units": "UN",
        "diagnosis_pointers": [draft.diagnoses[p - 1] for p in line.diagnosis_pointers],
    }


def opened(opening: Opening) -> DrChronoAdapter:
    """Credentials as `oauth.OAuthClient` names them; the refresh token comes from the practice's consent. DrChrono's
    token address is /o/token/."""
    wire = opening.wire()
    client = OAuthClient.of(opening.platform, opening.credentials)
    rest = Rest(wire, OAuth(wire, client, opening.store), results=("results", "data"))
    return DrChronoAdapter(rest, opening.webhook_secret, opening.chosen(DrChronoOptions))
