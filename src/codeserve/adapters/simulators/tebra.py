"""Tebra: a FHIR server that is only read, and the SOAP service with CreateEncounter. Like the real one it passes over
members that come out of order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.etree.ElementTree import Element

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from codeserve.adapters import soap, xml
from codeserve.adapters.base import ChargeLine
from codeserve.adapters.simulators.base import Delivery, KeptDraft
from codeserve.adapters.simulators.fhir import FhirSimulator
from codeserve.adapters.tebra import NAMESPACE

SOAP_PATH = "/services/soap/2.1/KareoServices.svc"
LOGIN = {"CustomerKey": "simulated-key", "Password": "simulated-password", "User": "us@practice.example"}
ORDER = (
    "EncounterStatus",
    "Patient",
    "Practice",
    "RenderingProvider",
    "ServiceEndDate",
    "ServiceLines",
    "ServiceLocation",
    "ServiceStartDate",
)


class TebraSimulator(FhirSimulator):
    name = "tebra"

    def __init__(self, **rest: Any) -> None:
        super().__init__(**rest)
        self.encounters: list[Element] = []
        self.refuses = False

    @property
    def soap_url(self) -> str:
        return self.root + SOAP_PATH

    def routes(self) -> list[Route]:
        reading = [Route("/fhir/{kind}/{id}", self._read), Route("/fhir/{kind}", self._search)]
        return [*reading, Route(SOAP_PATH, self._call, methods=["POST"])]

    def label(self, path: str, headers: Mapping[str, str], body: bytes) -> str:
        return path + headers.get("soapaction", "")

    def drafts(self, reference: str) -> list[KeptDraft]:
        """It keeps no reference of ours, so all of them."""
        return [_draft(encounter, reference) for encounter in self.encounters]

    def tasks(self) -> list[str]:
        return []

    def delivery(self, document_id: str) -> Delivery:
        raise NotImplementedError("Tebra sends no webhooks")

    async def _call(self, request: Request) -> Response:
        operation = request.headers["soapaction"].strip('"').rpartition("/")[2]
        asked = xml.find(xml.parse(await request.body()), "Body", operation, "request")
        header = xml.find(asked, "RequestHeader")
        admitted = all(xml.text(header, name) == value for name, value in LOGIN.items())
        members: list[soap.Member] = [
            ("ErrorResponse", [("IsError", str(self.refuses).lower())]),
            ("SecurityResponse", [("Authenticated", str(admitted).lower()), ("Authorized", str(admitted).lower())]),
        ]
        if operation == "CreateEncounter" and admitted and not self.refuses:
            self.encounters.append(_in_order(xml.find(asked, "Encounter")))
            members.append(("EncounterID", str(7000 + len(self.encounters))))
        answer = soap.message(NAMESPACE, f"{operation}Response", [(f"{operation}Result", members)])
        return Response(answer, media_type="text/xml")


def _in_order(encounter: Element | None) -> Element:
    """What WCF reads: a member that stands before one of an earlier place in the schema is lost."""
    kept, place = xml.element("Encounter"), 0
    for member in encounter if encounter is not None else ():
        name = xml.local(member)
        if name in ORDER[place:]:
            place = ORDER.index(name)
            kept.append(member)
    return kept


def _draft(encounter: Element, reference: str) -> KeptDraft:
    lines: list[ChargeLine] = []
    codes: list[str] = []
    for line in xml.children(xml.find(encounter, "ServiceLines"), "ServiceLineReq"):
        own = [found for n in range(1, 5) if (found := xml.text(line, f"DiagnosisCode{n}"))]
        codes += [code for code in own if code not in codes]
        code = xml.text(line, "ProcedureCode")
        modifiers = tuple(found for n in range(1, 5) if (found := xml.text(line, f"ProcedureModifier{n}")))
        pointers = tuple(codes.index(c) + 1 for c in own)
        system = "HCPCS" if code[0].isalpha() else "CPT"
        lines.append(ChargeLine(code, system, modifiers, int(xml.text(line, "Units")), pointers))  # type: ignore[arg-type]
    return KeptDraft(reference, tuple(codes), tuple(lines))
