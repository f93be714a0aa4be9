"""Tebra (Kareo and PatientPop): notes from its certified FHIR API, draft encounters into its SOAP API 2.1.

Sources: Tebra's FHIR API User Guide (read-only FHIR R4, US Core, SMART client credentials) and its help page "Get
Started: Tebra SOAP APIs" (customer key, user and password in each request; nothing is pushed to others). The SOAP
Technical Guide and the WSDL are behind a login: names and order of CreateEncounter's members are those that public
integrations send, and were not tried against Tebra. Not verified: that a FHIR Patient id is the PatientID of the SOAP
API (`patient_prefix` cuts one off), which status values there are besides Draft and Approved, whether a price may be
left out. No documented call finds an encounter by a reference of ours, so a lost answer is for a person.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import TypeVar
from xml.etree.ElementTree import Element

from codeserve.adapters import soap, xml
from codeserve.adapters.base import Capabilities, ChargeLine, DraftCharge, DraftRef
from codeserve.adapters.errors import CannotTell, CredentialsRefused, Malformed, Refused
from codeserve.adapters.fhir import FhirAdapter, FhirOptions
from codeserve.adapters.fhir_reading import ReadsFhir
from codeserve.adapters.http import Answer, Ask, Wire
from codeserve.adapters.oauth import OAuth, OAuthClient
from codeserve.adapters.opening import Opening
from codeserve.adapters.soap import Member
from codeserve.errors import SetupError

NAMESPACE = "http://www.kareo.com/api/schemas/"
ACTION = NAMESPACE + "KareoServices/"
LOGIN = ("customer_key", "user", "password")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TebraOptions:
    """`fhir_url`: base address of the practice's FHIR API. `practice_id`, `location_id`: of the SOAP API, where
    encounters belong. `status`: of an encounter that is written. `time_zone`: as of FhirOptions."""

    fhir_url: str = ""
    practice_id: str = ""
    location_id: str = ""
    patient_prefix: str = ""
    status: str = "Draft"
    time_zone: str = ""


@dataclass(frozen=True, slots=True)
class Login:
    customer_key: str = field(repr=False)
    user: str
    password: str = field(repr=False)


class TebraAdapter(ReadsFhir):
    name = "tebra"
    capabilities = Capabilities()

    def __init__(self, fhir: FhirAdapter, wire: Wire, login: Login, options: TebraOptions) -> None:
        super().__init__(fhir)
        self._wire = wire
        self._login = login
        self._options = options

    async def authenticate(self) -> None:
        await self._fhir.authenticate()
        await self._call("GetPractices", [], lambda result: None)

    async def find_draft(self, draft: DraftCharge) -> DraftRef | None:
        raise CannotTell("tebra: encounters cannot be looked up by a reference of ours")

    async def post_draft(self, draft: DraftCharge) -> DraftRef:
        name = await self._fhir.practitioner_name(draft.provider_id) if draft.provider_id else None
        encounter = _encounter(draft, name, self._options)
        made = await self._call("CreateEncounter", [("Encounter", encounter)], _encounter_id, writing=True)
        return DraftRef(made, draft.reference)

    async def close(self) -> None:
        await super().close()
        await self._wire.close()

    async def _call(
        self, operation: str, members: list[Member], read: Callable[[Element], T], writing: bool = False
    ) -> T:
        login = self._login
        header: Member = (
            "RequestHeader",
            [("CustomerKey", login.customer_key), ("Password", login.password), ("User", login.user)],
        )
        body = soap.message(NAMESPACE, operation, [("request", [header, *members])])
        headers = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": f'"{ACTION}{operation}"'}

        def checked(answer: Answer) -> T:
            result = soap.result_of(answer, operation)
            _admitted(result, operation)
            return read(result)

        ask = Ask(
            operation, "POST", self._wire.base_url.rstrip("/"), checked, headers=headers, body=body, writing=writing
        )
        return await self._wire.send(ask)


def _admitted(result: Element, operation: str) -> None:
    """An answer of status 200 says by itself whether it refuses; what it says about why may hold a patient's data."""
    security = xml.find(result, "SecurityResponse")
    if "false" in (xml.text(security, "Authenticated").lower(), xml.text(security, "Authorized").lower()):
        raise CredentialsRefused(f"tebra: {operation}: the login is not admitted")
    if xml.text(result, "ErrorResponse", "IsError").lower() == "true":
        raise Refused(f"tebra: {operation}: refused")


def _encounter_id(result: Element) -> str:
    found = xml.text(result, "EncounterID")
    if not found.isdecimal() or found == "0":
        raise Malformed("no encounter id")
    return found


def _encounter(draft: DraftCharge, provider: tuple[str, str] | None, options: TebraOptions) -> list[Member]:
    """The members in the order of the service's schema: it passes over what comes out of order, without a word."""
    given, family = provider or ("", "")
    return [
        ("EncounterStatus", options.status),
        ("Patient", [("PatientID", draft.patient_id.removeprefix(options.patient_prefix))]),
        ("Practice", [("PracticeID", options.practice_id)]),
        ("RenderingProvider", [("FirstName", given), ("LastName", family)] if provider else None),
        ("ServiceEndDate", _day(draft.date_of_service)),
        ("ServiceLines", [("ServiceLineReq", _line(line, draft)) for line in draft.lines]),
        ("ServiceLocation", [("LocationID", options.location_id)] if options.location_id else None),
        ("ServiceStartDate", _day(draft.date_of_service)),
    ]


def _line(line: ChargeLine, draft: DraftCharge) -> list[Member]:
    codes = [draft.diagnoses[p - 1] for p in line.diagnosis_pointers]
    return [
        *((f"DiagnosisCode{n}", code) for n, code in enumerate(codes, 1)),
        ("ProcedureCode", line.code),
        *((f"ProcedureModifier{n}", modifier) for n, modifier in enumerate(line.modifiers, 1)),
        ("ServiceEndDate", _day(draft.date_of_service)),
        ("ServiceStartDate", _day(draft.date_of_service)),
        ("Units", str(line.units)),
    ]


def _day(day: date) -> str:
    return f"{day.isoformat()}T00:00:00"


def opened(opening: Opening) -> TebraAdapter:
    """Credentials: customer_key, user and password of the SOAP API, and those of `oauth.OAuthClient` for the FHIR
    API."""
    options = opening.chosen(TebraOptions)
    if not options.fhir_url or not options.practice_id:
        raise SetupError(f"platform {opening.platform}: the options fhir_url and practice_id are needed")
    missing = [name for name in LOGIN if not opening.credentials.get(name)]
    if missing:
        raise SetupError(f"platform {opening.platform}: credentials: missing: {', '.join(missing)}")
    rest = {name: value for name, value in opening.credentials.items() if name not in LOGIN}
    wire = opening.wire()
    reading = wire.to(options.fhir_url)
    auth = OAuth(reading, OAuthClient.of(opening.platform, rest), opening.store)
    fhir = FhirAdapter(reading, auth, options=FhirOptions(time_zone=options.time_zone))
    return TebraAdapter(fhir, wire, Login(*(opening.credentials[name] for name in LOGIN)), options)
