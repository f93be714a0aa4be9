"""AdvancedMD: a FHIR server that is only read, a login in two steps, and charges by messages. Faults come with 200."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from typing import Any
from xml.etree.ElementTree import Element

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from codeserve.adapters import xml
from codeserve.adapters.base import ChargeLine
from codeserve.adapters.simulators.base import Delivery, KeptDraft
from codeserve.adapters.simulators.fhir import FhirSimulator

LOGIN_PATH = "/practicemanager/xmlrpc/processrequest.aspx"
SERVER_PATH = "/processrequest/api-1/APP"
LOGIN = {"username": "us", "psw": "simulated-password", "officecode": "123456", "appname": "APP"}
REFUSED, OVER, ELSEWHERE = "1024", "-2147220479", "-2147220476"


class AdvancedMdSimulator(FhirSimulator):
    name = "advancedmd"

    def __init__(self, **rest: Any) -> None:
        super().__init__(**rest)
        self.charges: list[Element] = []
        self.sessions: set[str] = set()
        self.logins = 0
        self.webserver = ""
        self.lacks: set[str] = set()

    @property
    def login_url(self) -> str:
        return self.root + LOGIN_PATH

    def routes(self) -> list[Route]:
        return [
            Route("/fhir/{kind}/{id}", self._read),
            Route("/fhir/{kind}", self._search),
            Route(LOGIN_PATH, self._first, methods=["POST"]),
            Route(SERVER_PATH + "/xmlrpc/processrequest.aspx", self._message, methods=["POST"]),
        ]

    def label(self, path: str, headers: Mapping[str, str], body: bytes) -> str:
        action = re.search(rb'action="(\w+)"', body)
        return f"{path}#{action[1].decode()}" if action else path

    def drafts(self, reference: str) -> list[KeptDraft]:
        """It keeps no reference of ours, so all of them."""
        return [_draft(visit, reference) for visit in self.charges]

    def tasks(self) -> list[str]:
        return []

    def delivery(self, document_id: str) -> Delivery:
        raise NotImplementedError("AdvancedMD sends no webhooks")

    async def _first(self, request: Request) -> Response:
        """The common login, which only says where to go."""
        asked = xml.parse(await request.body())
        if not _right(asked):
            return _fault(REFUSED)
        server = self.webserver or self.root + SERVER_PATH
        return _fault(ELSEWHERE, xml.element("usercontext", {"webserver": server}))

    async def _message(self, request: Request) -> Response:
        asked = xml.parse(await request.body())
        action = asked.get("action")
        if action == "login":
            return self._log_in(asked)
        if xml.text(asked, "usercontext") not in self.sessions:
            return _fault(OVER)
        if action == "lookupdiagcode":
            code = asked.get("code", "")
            rows = [] if code in self.lacks else [xml.element("diagcode", {"id": f"dcode{code}", "code": code})]
            return _answer([xml.element("diagcodelist", inside=rows)])
        visit = xml.find(asked, "visit")
        if action == "savecharges" and visit is not None:
            self.charges.append(visit)
            return _answer([])
        return _fault("1")

    def _log_in(self, asked: Element) -> Response:
        if not _right(asked):
            return _fault(REFUSED)
        self.logins += 1
        context = xml.element("usercontext")
        context.text = secrets.token_hex(8)
        self.sessions.add(context.text)
        return _answer([context])


def _right(asked: Element) -> bool:
    return all(asked.get(name) == value for name, value in LOGIN.items())


def _answer(inside: list[Element], success: str = "1") -> Response:
    results = xml.element("Results", {"success": success}, inside)
    return Response(xml.written(xml.element("PPMDResults", inside=[results])), media_type="application/xml")


def _fault(code: str, *inside: Element) -> Response:
    told = xml.element("code")
    told.text = code
    detail = xml.element("detail", inside=[told])
    return _answer([*inside, xml.element("Error", inside=[xml.element("Fault", inside=[detail])])], "0")


def _draft(visit: Element, reference: str) -> KeptDraft:
    lines: list[ChargeLine] = []
    codes: list[str] = []
    for charge in xml.children(xml.find(visit, "chargelist"), "charge"):
        own = [code.removeprefix("dcode") for code in charge.get("diagcodes", "").split(",")]
        codes += [code for code in own if code not in codes]
        code = charge.get("proccode", "")
        modifiers = tuple(filter(None, charge.get("modcodes", "").split(",")))
        system = "HCPCS" if code[0].isalpha() else "CPT"
        pointers = tuple(codes.index(c) + 1 for c in own)
        lines.append(ChargeLine(code, system, modifiers, int(charge.get("units", "0")), pointers))  # type: ignore[arg-type]
    return KeptDraft(reference, tuple(codes), tuple(lines))
