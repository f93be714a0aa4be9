"""A FHIR R4 server: read, search with pages, conditional create, and notifications of the Subscriptions Backport."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from codeserve.adapters.base import ChargeLine
from codeserve.adapters.simulators.base import Delivery, KeptDraft, NoteOnFile, Simulator

Resource = dict[str, Any]
KINDS = (
    "DocumentReference",
    "Encounter",
    "Patient",
    "Coverage",
    "Practitioner",
    "Binary",
    "Claim",
    "ChargeItem",
    "Task",
)
LONG = 2000  # a longer note is a Binary of its own


class FhirSimulator(Simulator):
    name = "fhir"
    base = "/fhir/"

    def __init__(self, **rest: Any) -> None:
        super().__init__(**rest)
        self.kept: dict[str, dict[str, Resource]] = {kind: {} for kind in KINDS}
        self.creates = {"Claim", "ChargeItem", "Task"}
        self._numbers: dict[str, int] = {}

    def routes(self) -> list[Route]:
        return [
            Route("/fhir/metadata", self._metadata),
            Route("/fhir/{kind}/{id}", self._read),
            Route("/fhir/{kind}", self._search),
            Route("/fhir/{kind}", self._create, methods=["POST"]),
        ]

    def sign(self, note: NoteOnFile) -> str:
        patient = self._keep("Patient", _patient(note))
        practitioner = self._keep("Practitioner", {"name": [{"family": "Okonjo"}]})
        encounter = self._keep("Encounter", _encounter(note, patient, practitioner))
        self._keep("Coverage", _coverage(patient))
        return self._document(note.text, patient, encounter)

    def amend(self, document_id: str, text: str) -> str:
        old = self.kept["DocumentReference"][document_id]
        old["status"] = "superseded"
        self._touch(old)
        patient, encounter = old["subject"]["reference"], old["context"]["encounter"][0]["reference"]
        target = {"reference": f"DocumentReference/{document_id}"}
        more = {"docStatus": "amended", "relatesTo": [{"code": "replaces", "target": target}]}
        return self._document(text, patient.split("/")[1], encounter.split("/")[1], more)

    def drafts(self, reference: str) -> list[KeptDraft]:
        claims = (c for c in self.kept["Claim"].values() if c["identifier"][0]["value"] == reference)
        return [_draft(claim, reference) for claim in claims]

    def tasks(self) -> list[str]:
        return [task["identifier"][0]["value"] for task in self.kept["Task"].values()]

    def delivery(self, document_id: str) -> Delivery:
        number = self._numbers.setdefault(document_id, len(self._numbers) + 1)
        body = orjson.dumps(_notification(self.base_url, document_id, number))
        secret = {"Authorization": f"Bearer {self.webhook_secret}", "Content-Type": "application/fhir+json"}
        return Delivery(secret, body)

    def _document(self, text: str, patient: str, encounter: str, more: Mapping[str, Any] | None = None) -> str:
        data = base64.b64encode(text.encode()).decode()
        attachment = {"contentType": "text/plain; charset=utf-8", "data": data}
        if len(text) > LONG:
            binary = self._keep("Binary", {"contentType": "text/plain; charset=utf-8", "data": data})
            attachment = {"contentType": "text/plain; charset=utf-8", "url": f"Binary/{binary}"}
        loinc = {"system": "http://loinc.org", "code": "11506-3"}
        return self._keep(
            "DocumentReference",
            {
                "status": "current",
                "docStatus": "final",
                "type": {"coding": [loinc]},
                "subject": {"reference": f"Patient/{patient}"},
                "date": "2026-03-02T09:30:00-05:00",
                "content": [{"attachment": attachment}],
                "context": {"encounter": [{"reference": f"Encounter/{encounter}"}]},
                **(more or {}),
            },
        )

    def _keep(self, kind: str, resource: Mapping[str, Any]) -> str:
        kept = self.kept[kind]
        resource_id = f"{kind.lower()}-{len(kept) + 1}"
        kept[resource_id] = {"resourceType": kind, "id": resource_id, **resource, "meta": {"versionId": "0"}}
        self._touch(kept[resource_id])
        return resource_id

    def _touch(self, resource: Resource) -> None:
        version = int(resource["meta"]["versionId"]) + 1
        resource["meta"] = {"versionId": str(version), "lastUpdated": self.tick().isoformat()}

    async def _metadata(self, request: Request) -> Response:
        reads = [{"code": "read"}, {"code": "search-type"}]
        creates = [*reads, {"code": "create"}]
        resources = [{"type": kind, "interaction": creates if kind in self.creates else reads} for kind in KINDS]
        statement = {"resourceType": "CapabilityStatement", "rest": [{"mode": "server", "resource": resources}]}
        return _resource(statement)

    async def _read(self, request: Request) -> Response:
        if not self.tokens.good(request.headers):
            return _outcome(401, "login")
        found = self.kept.get(request.path_params["kind"], {}).get(request.path_params["id"])
        return _resource(found) if found else _outcome(404, "not-found")

    async def _search(self, request: Request) -> Response:
        if not self.tokens.good(request.headers):
            return _outcome(401, "login")
        kind, asked = request.path_params["kind"], dict(request.query_params)
        found = [r for r in self.kept.get(kind, {}).values() if _fits(r, asked)]
        found.sort(key=lambda r: r["meta"]["lastUpdated"])
        start, count = int(asked.get("_offset", 0)), int(asked.get("_count", 20))
        links = [{"relation": "self", "url": str(request.url)}]
        if start + count < len(found):
            following = urlencode({**asked, "_offset": start + count})
            links.append({"relation": "next", "url": f"{self.base_url}{kind}?{following}"})
        entries = [{"resource": r, "search": {"mode": "match"}} for r in found[start : start + count]]
        return _resource({"resourceType": "Bundle", "type": "searchset", "link": links, "entry": entries})

    async def _create(self, request: Request) -> Response:
        if not self.tokens.good(request.headers):
            return _outcome(401, "login")
        kind, sent = request.path_params["kind"], orjson.loads(await request.body())
        if kind not in self.creates:
            return _outcome(405, "not-supported")
        condition = dict(parse_qsl(request.headers.get("if-none-exist", "")))
        there = [r for r in self.kept[kind].values() if condition and _fits(r, condition)]
        if len(there) > 1:
            return _outcome(412, "multiple-matches")
        if there:
            return _resource(there[0])
        made = self.kept[kind][self._keep(kind, sent)]
        return _resource(made, 201, {"Location": f"{self.base_url}{kind}/{made['id']}/_history/1"})


def _fits(resource: Resource, asked: Mapping[str, str]) -> bool:
    checks = {
        "status": lambda v: resource.get("status") == v,
        "identifier": lambda v: any(
            f"{i['system']}|{i['value']}" in v.split(",") for i in resource.get("identifier", ())
        ),
        "beneficiary": lambda v: resource.get("beneficiary", {}).get("reference") == v,
        "_lastUpdated": lambda v: resource["meta"]["lastUpdated"] >= v.removeprefix("ge"),
    }
    return all(checks[key](value) for key, value in asked.items() if key in checks)


def _patient(note: NoteOnFile) -> Resource:
    return {
        "name": [{"family": note.family, "given": [note.given]}],
        "birthDate": note.birth_date,
        "gender": note.sex,
        "identifier": [{"system": "urn:simulated:mrn", "value": note.record_number}],
        "telecom": [{"system": "phone", "value": note.phone}],
        "address": [{"line": [note.street], "city": "Fernhollow"}],
    }


def _encounter(note: NoteOnFile, patient: str, practitioner: str) -> Resource:
    act = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
    return {
        "status": "finished",
        "class": {"system": act, "code": "AMB"},
        "subject": {"reference": f"Patient/{patient}"},
        "participant": [{"individual": {"reference": f"Practitioner/{practitioner}"}}],
        "period": {"start": f"{note.date_of_service}T09:00:00-05:00", "end": f"{note.date_of_service}T09:25:00-05:00"},
    }


def _coverage(patient: str) -> Resource:
    return {
        "status": "active",
        "beneficiary": {"reference": f"Patient/{patient}"},
        "payor": [{"display": "Medicare"}],
    }


def _notification(base_url: str, document_id: str, number: int) -> Resource:
    focus = {"name": "focus", "valueReference": {"reference": f"{base_url}DocumentReference/{document_id}"}}
    event = [{"name": "event-number", "valueString": str(number)}, focus]
    status = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "subscription", "valueReference": {"reference": f"{base_url}Subscription/signed-notes"}},
            {"name": "status", "valueCode": "active"},
            {"name": "type", "valueCode": "event-notification"},
            {"name": "notification-event", "part": event},
        ],
    }
    return {
        "resourceType": "Bundle",
        "type": "history",
        "timestamp": datetime.now(UTC).isoformat(),
        "entry": [{"resource": status}],
    }


def _draft(claim: Resource, reference: str) -> KeptDraft:
    def code(concept: Resource) -> str:
        return str(concept["coding"][0]["code"])

    lines = tuple(
        ChargeLine(
            code(item["productOrService"]),
            "CPT" if "cpt" in item["productOrService"]["coding"][0]["system"] else "HCPCS",
            tuple(code(m) for m in item.get("modifier", ())),
            int(item["quantity"]["value"]),
            tuple(item["diagnosisSequence"]),
        )
        for item in claim["item"]
    )
    return KeptDraft(reference, tuple(code(d["diagnosisCodeableConcept"]) for d in claim["diagnosis"]), lines)


def _resource(resource: Resource, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(orjson.dumps(resource), status, headers=headers, media_type="application/fhir+json")


def _outcome(status: int, code: str) -> Response:
    issue = {"severity": "error", "code": code}
    return _resource({"resourceType": "OperationOutcome", "issue": [issue]}, status)
