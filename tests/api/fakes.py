"""A coding service that codes nothing real, and a client for the app over it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from codeserve.access.settings import AccessSettings
from codeserve.api.app import create_app
from codeserve.api.convert import to_claim, to_finding, to_gaps, to_response
from codeserve.api.schemas import CodeInfo, CodeName, ExtractRequest, ExtractResponse, ModelCard, Models
from codeserve.api.schemas_checks import (
    GapsRequest,
    GapsResponse,
    TableInForce,
    ValidateRequest,
    ValidateResponse,
)
from codeserve.api.service import Readiness
from codeserve.codesets import CodeSets
from codeserve.config import GatewaySettings
from codeserve.notes.document import Document, Section, SectionKind
from codeserve.notes.spans import Span
from codeserve.reasoning.questions import System
from codeserve.rules import results
from codeserve.rules.claim import validate
from codeserve.rules.gaps import Gap
from codeserve.tagging.entities import Assertion

MODELS = Models(name="fake-1", versions={"tagger": "1", "icd10cm": "2026-04"})


def plain_document(text: str, kind: SectionKind = SectionKind.HPI) -> Document:
    """A note in which nothing was redacted, all of it one section."""
    whole = Span(0, len(text))
    return Document(text, text, range(len(text)), range(1, len(text) + 1), (Section(kind, whole, whole),))


def diagnosis(span: Span, **changes: Any) -> results.Diagnosis:
    values: dict[str, Any] = {
        "code": "R07.9",
        "description": "Chest pain, unspecified",
        "confidence": 0.87,
        "evidence": (span,),
        "assertion": Assertion.PRESENT,
        "decided_by": "lexicon",
        "role": results.Role.ASSESSED,
        "sequence": 1,
        "alternatives": tuple(results.Alternative(f"R07.8{n}", "Other chest pain", 0.1 / (n + 1)) for n in range(5)),
        "rationale": "named in the note",
    }
    return results.Diagnosis(**{**values, **changes})


def procedure(span: Span, **changes: Any) -> results.Procedure:
    values: dict[str, Any] = {
        "code": "93000",
        "system": System.CPT,
        "description": "Electrocardiogram with interpretation",
        "confidence": 0.95,
        "evidence": (span,),
        "decided_by": "llm",
        "diagnosis_pointers": (1,),
    }
    return results.Procedure(**{**values, **changes})


def em(span: Span) -> results.Em:
    def element(level: str) -> results.Element:
        return results.Element(level, (results.ElementItem("acute", "one acute problem", (span,)),))

    why = results.ModifierReason("25", "a problem beside the service", "CPT appendix A", (Span(0, 5),))
    return results.Em(
        "99213",
        "mdm",
        "low",
        element("low"),
        element("straightforward"),
        element("low"),
        0.8,
        modifiers=("25",),
        modifier_reasons=(why,),
    )


FINDING = results.Finding(
    id="f1",
    severity=results.Severity.WARNING,
    rule="unspecified-code",
    source="Guidelines I.B.18",
    message="R07.9 is unspecified",
    codes=("R07.9",),
)
GAP = Gap("G1", "side-missing", (Span(0, 5),), "Which side?", "a side", ("S93.409A",), "Guidelines I.B.13")
ROUTE = results.Route("review", 0.95, ("R07.9 is below the threshold",))


@dataclass
class Spent:
    seconds: dict[str, float]


@dataclass
class FakeService:
    """Codes "chest pain" and "ECG" where they stand. `fail` is raised, `delay_s` slept; `asked` keeps requests."""

    fail: Exception | None = None
    delay_s: float = 0.0
    missing: dict[str, str] = field(default_factory=dict)
    asked: list[ExtractRequest] = field(default_factory=list)
    request_ids: list[str] = field(default_factory=list)
    cancelled: int = 0

    async def extract(
        self, request: ExtractRequest, *, request_id: str, deadline: float
    ) -> tuple[ExtractResponse, Spent]:
        self.asked.append(request)
        self.request_ids.append(request_id)
        assert deadline > asyncio.get_running_loop().time()
        try:
            await asyncio.sleep(self.delay_s)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.fail is not None:
            raise self.fail
        return answer(request), Spent({"prepare": 0.001, "tag": 0.002})

    async def validate(self, request: ValidateRequest, deadline: float) -> tuple[ValidateResponse, Spent]:
        table = TableInForce(name="ncci-ptp", version="starter", effective=None, until=None, source="starting table")
        found = [to_finding(FINDING)] if request.diagnosis_codes else []
        return ValidateResponse(findings=found, tables=[table], lines=[]), Spent({"validate": 0.001})

    async def gaps(self, request: GapsRequest, deadline: float) -> tuple[GapsResponse, Spent]:
        found = to_gaps(plain_document(request.text), [GAP] if request.text.startswith("ankle") else [])
        answer = GapsResponse(document_id=request.document_id, documentation_gaps=found, model=MODELS)
        return answer, Spent({"gaps": 0.001})

    async def ready(self) -> Readiness:
        return Readiness(self.missing)

    def models(self) -> Sequence[ModelCard]:
        return [ModelCard(name="fake-1", aliases=["icd10-extractor-v3"], default=True, versions=MODELS.versions)]

    def known_models(self) -> Collection[str]:
        return {"fake-1", "icd10-extractor-v3"}

    def describe(self, code: str) -> CodeInfo | None:
        if code != "R07.9":
            return None
        return CodeInfo(
            code=code,
            system="ICD-10-CM",
            description="Chest pain, unspecified",
            billable=True,
            parents=[CodeName(code="R07", description="Pain in throat and chest")],
            notes={"excludes1": ["epidemic myalgia (B33.0)"]},
        )


@dataclass
class ClaimService(FakeService):
    """Checks claims with the real edits; codes no note."""

    codesets: CodeSets | None = None

    async def validate(self, request: ValidateRequest, deadline: float = math.inf) -> tuple[ValidateResponse, Spent]:
        assert self.codesets is not None
        found = [to_finding(one) for one in validate(to_claim(request, self.codesets), self.codesets)]
        return ValidateResponse(findings=found, tables=[], lines=[]), Spent({"validate": 0.001})


def answer(request: ExtractRequest) -> ExtractResponse:
    document = plain_document(request.text)

    def found(words: str) -> list[Span]:
        start = request.text.find(words)
        return [Span(start, start + len(words))] if start >= 0 else []

    pains = [diagnosis(span) for span in found("chest pain")]
    return to_response(
        request,
        document,
        diagnoses=pains,
        procedures=[procedure(span) for span in found("ECG")],
        em=em(pains[0].evidence[0]) if pains and request.encounter.setting else None,
        findings=[FINDING] if pains else [],
        route=ROUTE,
        models=MODELS,
    )


def make_app(
    service: FakeService | None = None, callers: AccessSettings | None = None, stored: Any = None, **settings: Any
) -> Any:
    return create_app(service or FakeService(), GatewaySettings(**settings), callers=callers, stored=stored)


Send = Callable[[httpx.AsyncClient], Any]


def with_client(app: Any, send: Send, client: str = "127.0.0.1") -> Any:
    """Run `send` with a client whose requests come from the address `client`."""

    async def main() -> Any:
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=True, client=(client, 50000))
        async with httpx.AsyncClient(transport=transport, base_url="http://codeserve") as http:
            return await send(http)

    return asyncio.run(main())


def request(app: Any, method: str, path: str, *, client: str = "127.0.0.1", **options: Any) -> httpx.Response:
    response: httpx.Response = with_client(app, lambda http: http.request(method, path, **options), client)
    return response


def post(app: Any, body: Any, **options: Any) -> httpx.Response:
    return request(app, "POST", "/v1/extract-codes", json=body, **options)
