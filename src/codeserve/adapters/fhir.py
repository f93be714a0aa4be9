"""Any server of FHIR R4: DocumentReference, Encounter and Patient in; Claim (a draft), ChargeItem and Task out.

Sources: hl7.org/fhir/R4 (http.html: search, paging by Bundle.link "next", conditional create; subscription.html), SMART
Backend Services (hl7.org/fhir/smart-app-launch) for tokens, the Subscriptions R5 Backport guide for notifications.
What a server does beyond reading differs: many certified ones offer no Claim, ChargeItem or Task; its
CapabilityStatement says.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import orjson
from fhir.resources.R4B.coverage import Coverage
from fhir.resources.R4B.documentreference import DocumentReference
from fhir.resources.R4B.encounter import Encounter
from fhir.resources.R4B.patient import Patient
from fhir.resources.R4B.practitioner import Practitioner

from codeserve.adapters import fhir_read as read
from codeserve.adapters import fhir_webhooks, fhir_write
from codeserve.adapters.base import (
    Capabilities,
    CoderTask,
    DraftCharge,
    DraftRef,
    SourceDocument,
    SourceRef,
    WebhookEvent,
)
from codeserve.adapters.errors import CannotTell, Malformed
from codeserve.adapters.fhir_answers import a_bundle, an_object, the_made_id
from codeserve.adapters.http import Answer, Ask, Auth, Wire, segment, together
from codeserve.adapters.oauth import OAuth, OAuthClient
from codeserve.adapters.opening import Opening, zone_of
from codeserve.adapters.shapes import any_shape
from codeserve.errors import NotFound

JSON = "application/fhir+json"
MOST_PAGES = 10_000
MOST_ADDENDA = 10


@dataclass(frozen=True, slots=True)
class FhirOptions:
    """`reference_system`: whose identifiers our references are. `page`: documents a page of a search. `charge_items`:
    also write a ChargeItem for each line. `coverage`: read the patient's Coverage, for the payer and the Claim.
    `time_zone`: of the practice, as "America/Denver", where the server writes its times in UTC; else a time's own
    counts.
    """

    reference_system: str = "urn:codeserve:reference"
    page: int = 50
    charge_items: bool = True
    coverage: bool = True
    time_zone: str = ""


class FhirAdapter:
    name = "fhir"
    capabilities = Capabilities(
        webhook_proof="shared secret", webhook_time=True, find_draft=True, idempotent_post=True, tasks=True
    )

    def __init__(self, wire: Wire, auth: Auth, webhook_secret: str = "", options: FhirOptions = FhirOptions()) -> None:
        self._wire = wire
        self._auth = auth
        self._secret = webhook_secret
        self._options = options
        self._zone = zone_of(options.time_zone)

    async def authenticate(self) -> None:
        await self._auth.headers()

    def verify_webhook(self, headers: Mapping[str, str], body: bytes, now: datetime) -> tuple[WebhookEvent, ...]:
        return fhir_webhooks.verified(headers, body, now, self._secret)

    def answer_challenge(self, query: Mapping[str, str]) -> Mapping[str, str]:
        raise NotFound("FHIR servers try an address with a POST")

    async def close(self) -> None:
        await self._auth.close()
        await self._wire.close()

    @any_shape
    async def fetch(self, document_id: str) -> SourceDocument:
        document = await self._read(DocumentReference, document_id, "fetch note")
        patient_id = _id_of(document.subject, "Patient")
        encounter_id = next((_id_of(r, "Encounter") for r in _encounters(document)), None)
        if patient_id is None:
            raise Malformed("fhir: the document names no patient")
        text, patient, encounter, coverage = await together(
            self._text(document),
            self._read(Patient, patient_id, "fetch patient"),
            self._encounter(encounter_id),
            self._coverage(patient_id),
        )
        return SourceDocument(
            document_id=document.id or document_id,
            version=_version(document.meta),
            state=read.state_of(document),
            text=text,
            patient=read.patient_of(patient),
            encounter=read.encounter_of(document, encounter, coverage, self._zone),
            signed_at=document.date if isinstance(document.date, datetime) else None,
            amended_from=next((target for _, target in _relations(document)), None),
        )

    async def changed_since(self, mark: str | None) -> AsyncIterator[SourceRef]:
        params = {"status": "current", "_sort": "_lastUpdated", "_count": str(self._options.page)}
        if mark:
            params["_lastUpdated"] = f"ge{mark}"
        async for resource in self._search("DocumentReference", params, "list notes"):
            meta = resource.get("meta")
            told = meta if isinstance(meta, dict) else {}
            if not isinstance(resource.get("id"), str) or not isinstance(told.get("lastUpdated"), str):
                raise Malformed("fhir: a document of a search has no id or no time")
            yield SourceRef(resource["id"], str(told.get("versionId") or ""), told["lastUpdated"])

    @any_shape
    async def find_draft(self, draft: DraftCharge) -> DraftRef | None:
        found = await self._find("Claim", [draft.reference], "look for draft")
        if len(found) > 1:
            raise CannotTell("fhir: several claims carry the reference")
        return DraftRef(found[0]["id"], draft.reference) if found else None

    @any_shape
    async def post_draft(self, draft: DraftCharge) -> DraftRef:
        """ChargeItems first and the Claim last: where the Claim is, all of it is."""
        system, now = self._options.reference_system, datetime.now(UTC)
        coverage = await self._coverage(draft.patient_id)
        if self._options.charge_items:
            items = fhir_write.charge_items(draft, system)
            there = await self._find("ChargeItem", [i["identifier"][0]["value"] for i in items], "look for lines")
            known = {i.get("value") for item in there for i in item.get("identifier") or ()}
            for item in items:
                if item["identifier"][0]["value"] not in known:
                    await self._create(item, "post line")
        made = fhir_write.claim(draft, system, coverage.id if coverage else None, now)
        return DraftRef(await self._create(made, "post draft"), draft.reference)

    @any_shape
    async def push_task(self, task: CoderTask) -> None:
        if not await self._find("Task", [task.reference], "look for task"):
            await self._create(fhir_write.task(task, self._options.reference_system, datetime.now(UTC)), "push task")

    @any_shape
    async def creates(self, kind: str) -> bool:
        """Whether the server's CapabilityStatement offers to create resources of a kind."""
        statement = await self._get("read capabilities", "metadata", an_object)
        offered = [
            interaction.get("code")
            for rest in statement.get("rest") or ()
            for resource in rest.get("resource") or ()
            if resource.get("type") == kind
            for interaction in resource.get("interaction") or ()
        ]
        return "create" in offered

    async def practitioner_name(self, reference: str) -> tuple[str, str] | None:
        """Given and family name of a referenced Practitioner; None where it names no person."""
        found = re.search(r"(?:^|/)Practitioner/([A-Za-z0-9.-]{1,64})", reference)
        if found is None:
            return None
        practitioner = await self._read(Practitioner, found[1], "fetch provider")
        names = [name for name in practitioner.name or () if name.family]
        return (" ".join(g for g in names[0].given or () if g), names[0].family or "") if names else None

    async def _read(self, model: type[read.Model], resource_id: str, operation: str) -> read.Model:
        def resource(answer: Answer) -> Any:
            found = an_object(answer)
            if found.get("resourceType") != model.__name__:
                raise Malformed("fhir: another resource than was asked for")
            return found

        url = f"{model.__name__}/{segment(resource_id)}"
        return read.parsed(model, await self._get(operation, url, resource))

    async def _get(self, operation: str, url: str, how: Any, params: Mapping[str, str] | None = None) -> Any:
        ask: Ask[Any] = Ask(operation, "GET", url, how, params=params, headers={"Accept": JSON})
        return await self._wire.send(ask, self._auth)

    async def _encounter(self, encounter_id: str | None) -> Encounter | None:
        return await self._read(Encounter, encounter_id, "fetch encounter") if encounter_id else None

    async def _coverage(self, patient_id: str) -> Coverage | None:
        if not self._options.coverage:
            return None
        params = {"beneficiary": f"Patient/{patient_id}", "status": "active"}
        async for resource in self._search("Coverage", params, "fetch coverage"):
            return read.parsed(Coverage, resource)
        return None

    async def _text(self, document: DocumentReference, addenda: int = 0) -> str:
        """The note. An addendum alone is not one: what it adds to comes first."""
        attachment = read.attachment_of(document)
        data = attachment.data
        if data is None:
            data = await self._binary(attachment.url)
        text = read.decoded(data, attachment.contentType, attachment.hash)
        before = next((target for code, target in _relations(document) if code == "appends"), None)
        if before is None:
            return text
        if addenda == MOST_ADDENDA:
            raise Malformed("fhir: addenda without end")
        original = await self._read(DocumentReference, before, "fetch original note")
        return f"{await self._text(original, addenda + 1)}\n\nADDENDUM:\n{text}"

    async def _binary(self, url: str) -> bytes:
        """Of the Binary resource as such, which every server has; its data is base64."""

        def data(answer: Answer) -> bytes:
            found = an_object(answer)
            if not isinstance(found.get("data"), str):
                raise Malformed("fhir: a Binary without data")
            return read.from_base64(found["data"])

        found: bytes = await self._get("fetch attachment", url, data)
        return found

    async def _search(self, kind: str, params: Mapping[str, str], operation: str) -> AsyncIterator[dict[str, Any]]:
        """Resources of all pages. The pages are followed as the server links them, never made up."""
        url, seen = kind, set[str]()
        for _ in range(MOST_PAGES):
            bundle = await self._get(operation, url, a_bundle, params if url == kind else None)
            for resource in bundle["resources"]:
                if resource.get("resourceType") == kind:
                    yield resource
            url = bundle["next"]
            if url is None:
                return
            if url in seen:
                break
            seen.add(url)
        raise Malformed("fhir: the pages of a search go round")

    async def _find(self, kind: str, references: Sequence[str], operation: str) -> list[dict[str, Any]]:
        wanted = ",".join(f"{self._options.reference_system}|{reference}" for reference in references)
        return [resource async for resource in self._search(kind, {"identifier": wanted}, operation)]

    async def _create(self, resource: Mapping[str, Any], operation: str) -> str:
        """A conditional create; its id. A server that ignores the condition makes one all the same, so it counts as a
        write that must not be repeated blindly."""
        kind, own = resource["resourceType"], resource["identifier"][0]
        headers = {
            "Content-Type": JSON,
            "Accept": JSON,
            "Prefer": "return=representation",
            "If-None-Exist": f"identifier={quote(own['system'], safe=':/')}|{quote(own['value'], safe='')}",
        }
        body = orjson.dumps(resource)
        ask = Ask(operation, "POST", kind, lambda a: the_made_id(a, kind), headers=headers, body=body, writing=True)
        return await self._wire.send(ask, self._auth)


def _version(meta: Any) -> str:
    if meta is None or not (meta.versionId or meta.lastUpdated):
        raise Malformed("fhir: the document has no version")
    return meta.versionId or meta.lastUpdated.isoformat()


def _id_of(reference: Any, kind: str) -> str | None:
    """The id in a reference to a resource of this server, relative or absolute."""
    found = re.search(rf"(?:^|/){kind}/([A-Za-z0-9.-]{{1,64}})", (reference.reference or "") if reference else "")
    return found[1] if found else None


def _encounters(document: DocumentReference) -> Sequence[Any]:
    return (document.context.encounter if document.context else None) or ()


def _relations(document: DocumentReference) -> list[tuple[str, str]]:
    """What it replaces, adds to or was made from, as (code, document id)."""
    found = [(relation.code, _id_of(relation.target, "DocumentReference")) for relation in document.relatesTo or ()]
    return [(code, target) for code, target in found if target and code in ("replaces", "appends", "transforms")]


def opened(opening: Opening) -> FhirAdapter:
    """Credentials as `oauth.OAuthClient` names them."""
    wire = opening.wire()
    client = OAuthClient.of(opening.platform, opening.credentials)
    return FhirAdapter(wire, OAuth(wire, client, opening.store), opening.webhook_secret, opening.chosen(FhirOptions))
