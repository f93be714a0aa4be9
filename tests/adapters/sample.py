"""An adapter to start from: the platform "sample" is invented, small, and can everything. docs/adapters.md walks
through it.

Its API: GET notes/ID, GET notes?since=TIME (pages of `results` and `next`), GET and POST charges, GET and POST tasks,
all JSON. Its webhooks are signed: X-Sample-Signature is the HMAC-SHA256 of "TIME.BODY", X-Sample-Time the time in
seconds.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any

from codeserve.adapters.base import (
    Capabilities,
    CoderTask,
    DraftCharge,
    DraftRef,
    SourceDocument,
    SourceEncounter,
    SourcePatient,
    SourceRef,
    WebhookEvent,
)
from codeserve.adapters.errors import CannotTell
from codeserve.adapters.http import Answer, segment
from codeserve.adapters.oauth import OAuth, OAuthClient
from codeserve.adapters.opening import Opening
from codeserve.adapters.rest import Object, Rest, a_date, an_object, required
from codeserve.adapters.shapes import any_shape
from codeserve.adapters.webhooks import check_age, check_signature, header, read_json
from codeserve.errors import BadRequest, NotFound, Unauthorized


class SampleAdapter:
    name = "sample"
    capabilities = Capabilities(
        webhook_proof="hmac", webhook_time=True, find_draft=True, idempotent_post=True, tasks=True
    )

    def __init__(self, rest: Rest, webhook_secret: str) -> None:
        self._rest = rest
        self._secret = webhook_secret

    async def authenticate(self) -> None:
        await self._rest.auth.headers()

    async def close(self) -> None:
        await self._rest.close()

    def verify_webhook(self, headers: Mapping[str, str], body: bytes, now: datetime) -> tuple[WebhookEvent, ...]:
        time = header(headers, "X-Sample-Time")
        check_signature(header(headers, "X-Sample-Signature"), self._secret, time.encode() + b"." + body)
        if not (time.isascii() and time.isdecimal() and len(time) < 12):
            raise Unauthorized("The delivery does not say when it was sent")
        check_age(datetime.fromtimestamp(int(time), UTC), now)
        sent = read_json(body)
        if not isinstance(sent.get("event"), str) or not isinstance(sent.get("note"), str):
            raise BadRequest("The delivery names no event or no note")
        return (WebhookEvent(sent["event"], "signed", sent["note"]),)

    def answer_challenge(self, query: Mapping[str, str]) -> Mapping[str, str]:
        raise NotFound("The platform tries no address")

    @any_shape
    async def fetch(self, document_id: str) -> SourceDocument:
        note = await self._rest.get("fetch note", f"notes/{segment(document_id)}")
        return SourceDocument(
            document_id=document_id,
            version=required(note, "version"),
            state="signed" if note["signed"] is True else "unsigned",
            text=required(note, "text"),
            patient=_patient(note["patient"]),
            encounter=SourceEncounter(required(note, "visit"), a_date(note, "day")),
        )

    async def changed_since(self, mark: str | None) -> AsyncIterator[SourceRef]:
        params = {"since": mark} if mark else {}
        async for note in self._rest.pages("list notes", "notes", params):
            yield SourceRef(required(note, "id"), required(note, "version"), required(note, "changed"))

    @any_shape
    async def find_draft(self, draft: DraftCharge) -> DraftRef | None:
        found = await self._with_reference("charges", draft.reference)
        if len(found) > 1:
            raise CannotTell("sample: several charges carry the reference")
        return DraftRef(required(found[0], "id"), draft.reference) if found else None

    @any_shape
    async def post_draft(self, draft: DraftCharge) -> DraftRef:
        lines = [
            {
                "code": line.code,
                "system": line.system,
                "modifiers": list(line.modifiers),
                "units": line.units,
                "pointers": list(line.diagnosis_pointers),
            }
            for line in draft.lines
        ]
        body = {"reference": draft.reference, "visit": draft.encounter_id, "diagnoses": list(draft.diagnoses)}
        made = await self._rest.write("post draft", "POST", "charges", {**body, "lines": lines}, _id)
        return DraftRef(made, draft.reference)

    @any_shape
    async def push_task(self, task: CoderTask) -> None:
        if not await self._with_reference("tasks", task.reference):
            body = {"reference": task.reference, "title": task.title, "note": task.document_id}
            await self._rest.write("push task", "POST", "tasks", body, _id)

    async def _with_reference(self, kind: str, reference: str) -> list[Object]:
        return [one async for one in self._rest.pages(f"look for {kind}", kind, {"reference": reference})]


def _patient(patient: Mapping[str, Any]) -> SourcePatient:
    given, family = required(patient, "given"), required(patient, "family")
    known = (f"{given} {family}", given, family, required(patient, "number"), required(patient, "phone"))
    return SourcePatient(required(patient, "id"), a_date(patient, "born"), patient["sex"], known)


def _id(answer: Answer) -> str:
    return required(an_object(answer), "id")


def opened(opening: Opening) -> SampleAdapter:
    wire = opening.wire()
    auth = OAuth(wire, OAuthClient.of(opening.platform, opening.credentials), opening.store)
    return SampleAdapter(Rest(wire, auth), opening.webhook_secret)
