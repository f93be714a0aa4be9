"""AdvancedMD: notes from its certified FHIR API, charges into a visit by its "PPMDMSG" messages (XML over HTTPS).

Sources: fhir.advancedmd.com (public: read-only FHIR R4, US Core 6.1, SMART on FHIR). The messages of the Connect API
stand behind a developer agreement; action names, attributes, the login in two steps and the limits by action (12 a
minute for savecharges in peak hours, each call above costs money) are those that public integrations of others use
and quote, and were not tried against AdvancedMD. Not verified: that a FHIR id is the number in "pat…" and "vst…";
that savecharges leaves charges for a biller to approve (updvisitwithnewcharges, which has an `approval`, is not
used); whether modifiers may be sent as codes. No known message finds charges by a reference of ours, so a lost answer
is for a person.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element

from codeserve.adapters import xml
from codeserve.adapters.base import Capabilities, ChargeLine, DraftCharge, DraftRef
from codeserve.adapters.errors import CannotTell, CredentialsRefused, Malformed, PlatformError, Refused
from codeserve.adapters.fhir import FhirAdapter, FhirOptions
from codeserve.adapters.fhir_reading import ReadsFhir
from codeserve.adapters.http import Answer, Ask, Wire
from codeserve.adapters.oauth import OAuth, OAuthClient
from codeserve.adapters.opening import Opening
from codeserve.errors import SetupError

LOGIN = ("user", "password", "office_key", "app_name")
SESSION_OVER = {"1025", "-2147220479"}
ELSEWHERE = "-2147220476"  # the login is right, and belongs to another web server
MESSAGES = "/xmlrpc/processrequest.aspx"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class AdvancedMdOptions:
    """`fhir_url`: base address of the practice's FHIR API. The prefixes make message ids of FHIR ids.
    `time_zone`: as of FhirOptions."""

    fhir_url: str = ""
    patient_prefix: str = "pat"
    visit_prefix: str = "vst"
    time_zone: str = ""


@dataclass(frozen=True, slots=True)
class Login:
    user: str
    password: str = field(repr=False)
    office_key: str
    app_name: str


@dataclass(frozen=True, slots=True)
class Session:
    """Where the practice's messages go, and the token that goes with them."""

    wire: Wire
    token: str = field(repr=False)


class SessionOver(PlatformError):
    type, title = "platform-session-over", "The platform's session is over"


class AdvancedMdAdapter(ReadsFhir):
    name = "advancedmd"
    capabilities = Capabilities()

    def __init__(self, fhir: FhirAdapter, wire: Wire, login: Login, options: AdvancedMdOptions) -> None:
        super().__init__(fhir)
        self._wire = wire
        self._login = login
        self._options = options
        self._lock = asyncio.Lock()
        self._session: Session | None = None
        self._diagnoses: dict[str, str] = {}

    async def authenticate(self) -> None:
        await self._fhir.authenticate()
        await self._current()

    async def find_draft(self, draft: DraftCharge) -> DraftRef | None:
        raise CannotTell("advancedmd: charges cannot be looked up by a reference of ours")

    async def post_draft(self, draft: DraftCharge) -> DraftRef:
        if draft.encounter_id is None:
            raise Refused("advancedmd: post draft: charges belong to a visit, and the note names none")
        ids = {code: await self._diagnosis(code) for code in draft.diagnoses}
        charges = [
            _charge(line, [ids[draft.diagnoses[p - 1]] for p in line.diagnosis_pointers]) for line in draft.lines
        ]
        visit_id = self._options.visit_prefix + draft.encounter_id
        visit = xml.element("visit", {"id": visit_id, "force": "0"}, [xml.element("chargelist", inside=charges)])
        patient = {"patientid": self._options.patient_prefix + draft.patient_id}
        await self._call("savecharges", patient, [visit], lambda results: None, writing=True)
        return DraftRef(visit_id, draft.reference)

    async def close(self) -> None:
        await super().close()
        await self._wire.close()
        if self._session:
            await self._session.wire.close()

    async def _diagnosis(self, code: str) -> str:
        """The practice's own id of a code, asked once."""
        if code not in self._diagnoses:
            asked = {"code": code, "exactmatch": "0", "page": "1"}
            found = await self._call("lookupdiagcode", asked, [], lambda results: _id_of(results, code))
            if not found:
                raise Refused("advancedmd: lookupdiagcode: the practice's list lacks a code")
            self._diagnoses[code] = found
        return self._diagnoses[code]

    async def _call(
        self,
        action: str,
        attributes: dict[str, str],
        inside: Iterable[Element],
        read: Callable[[Element], T],
        writing: bool = False,
    ) -> T:
        """In a session; in a new one where the answer says that it is over, for then nothing was done."""
        for last in (False, True):
            session = await self._current()
            context = xml.element("usercontext")
            context.text = session.token
            body = _message(action, "api", attributes, [context, *inside])
            try:
                return await session.wire.send(_ask(action, session.wire.base_url, body, read, writing))
            except SessionOver:
                over = session
            await self._forget(over)
            if last:
                break
        raise CredentialsRefused(f"advancedmd: {action}: a new session is refused too")

    async def _current(self) -> Session:
        async with self._lock:
            if self._session is None:
                self._session = await self._log_in()
            return self._session

    async def _forget(self, over: Session) -> None:
        async with self._lock:
            if self._session is over:
                await over.wire.close()
                self._session = None

    async def _log_in(self) -> Session:
        """First at the common address, which names the practice's own web server; then there, for a token."""
        server, token = await self._wire.send(self._login_ask(self._wire))
        if not server:
            raise Malformed("advancedmd: login: it names no web server")
        wire = self._wire.to(_own(server, self._wire.base_url) + MESSAGES)
        try:
            _, token = ("", token) if token else await wire.send(self._login_ask(wire))
            if not token:
                raise CredentialsRefused("advancedmd: login: no token")
        except PlatformError:
            await wire.close()
            raise
        return Session(wire, token)

    def _login_ask(self, wire: Wire) -> Ask[tuple[str, str]]:
        login = self._login
        attributes = {"username": login.user, "psw": login.password, "officecode": login.office_key}
        body = _message("login", "login", attributes | {"appname": login.app_name}, [])
        return _ask("login", wire.base_url, body, _context, accepted=(ELSEWHERE,))


def _ask(
    action: str,
    url: str,
    body: bytes,
    read: Callable[[Element], T],
    writing: bool = False,
    accepted: tuple[str, ...] = (),
) -> Ask[T]:
    def checked(answer: Answer) -> T:
        return read(_results(answer, action, accepted))

    headers = {"Content-Type": "application/xml", "Accept": "application/xml"}
    return Ask(action, "POST", url.rstrip("/"), checked, headers=headers, body=body, writing=writing)


def _message(action: str, kind: str, attributes: dict[str, str], inside: Iterable[Element]) -> bytes:
    now = datetime.now(UTC).strftime("%m/%d/%Y %I:%M:%S %p")
    return xml.written(xml.element("ppmdmsg", {"action": action, "class": kind, "msgtime": now, **attributes}, inside))


def _results(answer: Answer, action: str, accepted: tuple[str, ...]) -> Element:
    """The results; faults come with status 200, and their words may hold a patient's data, their code does not."""
    root = xml.parse(answer.body)
    results = xml.find(root, "Results")
    if xml.local(root) != "PPMDResults" or results is None:
        raise Malformed("not an answer to a message")
    code = xml.text(root, "Error", "Fault", "detail", "code") or xml.text(results, "Error", "Fault", "detail", "code")
    if code in SESSION_OVER:
        raise SessionOver(f"advancedmd: {action}: the session is over")
    if code and code not in accepted:
        shown = code if re.fullmatch(r"-?\d{1,12}", code) else "unknown"
        raise (CredentialsRefused if action == "login" else Refused)(f"advancedmd: {action}: fault {shown}")
    return results


def _context(results: Element) -> tuple[str, str]:
    found = xml.find(results, "usercontext")
    if found is None:
        raise Malformed("no user context")
    return found.get("webserver", ""), (found.text or "").strip()


def _own(server: str, login_url: str) -> str:
    """The web server that a login names gets the password: only AdvancedMD's own, or the host that was logged in to."""
    parts, known = urlsplit(server), urlsplit(login_url)
    host = parts.hostname or ""
    if parts[:2] != known[:2] and not (parts.scheme == "https" and host.endswith(".advancedmd.com")):
        raise Malformed("advancedmd: login: it names a web server of somebody else")
    return server.rstrip("/")


def _id_of(results: Element, code: str) -> str:
    rows = xml.children(xml.find(results, "diagcodelist"), "diagcode")
    return next((row.get("id", "") for row in rows if row.get("code", "").upper() == code.upper()), "")


def _charge(line: ChargeLine, diagnoses: list[str]) -> Element:
    attributes = {
        "proccode": line.code,
        "units": str(line.units),
        "codeset": "10",  # ICD-10
        "diagcodes": ",".join(diagnoses),
        "modcodes": ",".join(line.modifiers),
    }
    return xml.element("charge", {name: value for name, value in attributes.items() if value})


def opened(opening: Opening) -> AdvancedMdAdapter:
    """Credentials: user, password, office_key and app_name of the messages, and those of `oauth.OAuthClient` for
    FHIR. The base address is that of the common login."""
    options = opening.chosen(AdvancedMdOptions)
    if not options.fhir_url:
        raise SetupError(f"platform {opening.platform}: the option fhir_url is needed")
    missing = [name for name in LOGIN if not opening.credentials.get(name)]
    if missing:
        raise SetupError(f"platform {opening.platform}: credentials: missing: {', '.join(missing)}")
    rest = {name: value for name, value in opening.credentials.items() if name not in LOGIN}
    wire = opening.wire()
    reading = wire.to(options.fhir_url)
    auth = OAuth(reading, OAuthClient.of(opening.platform, rest), opening.store)
    login = Login(*(opening.credentials[name] for name in LOGIN))
    return AdvancedMdAdapter(
        FhirAdapter(reading, auth, options=FhirOptions(time_zone=options.time_zone)), wire, login, options
    )
