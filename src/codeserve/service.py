"""The coding service: one note in, one answer out, whatever carries it (a replica's handles or this very process)."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Collection, Mapping, Sequence
from functools import partial
from typing import Protocol

from codeserve import __version__, pipeline, tracing
from codeserve.api import schemas
from codeserve.api.convert import to_claim, to_encounter, to_finding, to_gaps, to_lines, to_response, to_table
from codeserve.api.schemas_checks import GapsRequest, GapsResponse, ValidateRequest, ValidateResponse
from codeserve.api.service import Readiness
from codeserve.codesets import CodeSets, alphabetical_index
from codeserve.config import EMBEDDED, AppSettings, ModelSet, home
from codeserve.errors import NotFound
from codeserve.notes.redaction import Redactor
from codeserve.notes.spans import Span
from codeserve.pipeline import Coded, Knowledge, Timings
from codeserve.reasoning.questions import Answer, OpenQuestion, Question
from codeserve.retrieval.lexicon import Lexicon
from codeserve.rules.claim import validate
from codeserve.rules.claim_support import Note
from codeserve.rules.gaps import Gap, find_gaps
from codeserve.rules.payer_rules import PayerRules
from codeserve.rules.procedures import ProcedureTerms
from codeserve.rules.reading import Reading
from codeserve.rules.reimbursement import expected
from codeserve.rules.risk import Risk, of_visit
from codeserve.rules.schedule import Schedule
from codeserve.setup import ready
from codeserve.tagging.assertion import load_rules
from codeserve.tagging.entities import Assertion, Chunk, Entity
from codeserve.tagging.pre import load_encoder


class Stages(Protocol):
    """The model stages, wherever they run. `deadline`: a time of the running event loop's clock, past which a stage
    begins nothing and ends what it began. All raise CodeserveError."""

    def tag(self, text: str, chunks: Sequence[Chunk], deadline: float) -> Awaitable[Sequence[Sequence[Entity]]]: ...

    def reason(
        self, questions: Sequence[Question], deadline: float, quick: bool = False
    ) -> Awaitable[Sequence[Answer]]:
        """`quick`: the first candidate by words answers, without the LLM."""

    def judge(self, questions: Sequence[OpenQuestion], deadline: float) -> Awaitable[Sequence[float]]:
        """The probability of yes of each question."""

    async def missing(self) -> Mapping[str, str]:
        """Why, by stage that does not answer."""


def load_knowledge(settings: AppSettings) -> Knowledge:
    """What a gateway holds. Raises SetupError where the set-up has not been run."""
    from codeserve.deployments.folders import model_folder

    at = ready(home())
    codesets = CodeSets.load(at.tables, home())
    tagger = settings.model_set.tagger
    load_rules()
    return Knowledge(
        redactor=Redactor(),
        encode=load_encoder(model_folder(tagger.model, at.tagger)),
        codesets=codesets,
        lexicon=Lexicon.load(),
        procedure_terms=ProcedureTerms(codesets.procedures),
        payer_rules=PayerRules.load(*settings.gateway.payer_rules),
        window=tagger.window,
        overlap=tagger.overlap,
        threshold=settings.gateway.auto_post_threshold,
        mode=settings.gateway.mode,
        mdm_threshold=settings.model_set.reasoner.mdm_threshold,
    )


RULE_TABLES = frozenset({"assertion", "payer_rules", "procedures", "retrieval", "rules"})


def versions(model_set: ModelSet, codesets: CodeSets) -> dict[str, str]:
    """The version of every model, table and lexicon, and of the rules, that takes part in an answer."""
    at = ready(home())
    named = {"tagger": (model_set.tagger.model, at.tagger), "reasoner": (model_set.reasoner.model, at.reasoner)}
    models = {part: folder.name if model == EMBEDDED else model for part, (model, folder) in named.items()}
    return {
        "codeserve": __version__,
        **models,
        "index": at.index_version,
        "lexicon": lexicon_version(),
        "rules": rules_version(),
        **codesets.versions,
    }


def lexicon_version() -> str:
    from codeserve.artifacts import DATA, digest

    imported = home() / alphabetical_index.FOLDER
    return digest([DATA / "lexicon", *([imported] if imported.is_dir() else ())])


def rules_version() -> str:
    """Of what reads a note and decides by rules: code, tables but for the lexicon, fitted confidences."""
    from codeserve.artifacts import DATA, digest

    package = DATA.parent
    code = [package / name for name in ("notes", "tagging", "rules", "retrieval", "reasoning", "pipeline.py")]
    tables = [path for path in sorted(DATA.iterdir()) if path.is_file() or path.name in RULE_TABLES]
    fitted = sorted((DATA / "models").glob("*.json"))
    return digest([*code, *tables, *fitted, package / "prompts"])


class CodingService:
    """Implements `api.service.Service` over the pipeline."""

    def __init__(self, knowledge: Knowledge, model_set: ModelSet, stages: Stages) -> None:
        self._knowledge = knowledge
        self._model_set = model_set
        self._stages = stages
        self._models = schemas.Models(name=model_set.name, versions=versions(model_set, knowledge.codesets))

    async def extract(
        self, request: schemas.ExtractRequest, *, request_id: str, deadline: float
    ) -> tuple[schemas.ExtractResponse, Timings]:
        """Code one note. Raises NotFound for an unknown `model_version`, and what the stages raise."""
        if request.model_version is not None and request.model_version not in self.known_models():
            raise NotFound("there is no such model_version", field="model_version", hint="see GET /v1/models")
        timings = tracing.timings()
        coded = await self._read(request.text, request.encounter, timings, deadline)
        with timings.stage("assemble"):
            response = to_response(
                request,
                coded.document,
                diagnoses=coded.diagnoses,
                procedures=coded.procedures,
                em=coded.em,
                findings=coded.findings,
                route=coded.route,
                models=self._models,
                gaps=self._gaps(coded) if request.options.include_gaps else None,
                risk=await self._risk(coded) if request.options.include_risk else None,
            )
        return response, timings

    async def validate(self, request: ValidateRequest, deadline: float = math.inf) -> tuple[ValidateResponse, Timings]:
        """Check a claim; with a note the chain reads it and the claim is held against it."""
        timings = tracing.timings()
        codesets = self._knowledge.codesets
        claim = to_claim(request, codesets)
        coded = await self._read(request.text, request.encounter, timings, deadline) if request.text else None
        with timings.stage("validate"):
            note = Note(coded.diagnoses, coded.procedures, coded.em) if coded else None
            found = validate(claim, codesets, self._knowledge.payer_rules, note)
            tables = [to_table(one) for one in codesets.in_force(claim.encounter.date_of_service)]
            paid = expected(claim.procedures, Schedule.of(claim.encounter, codesets.reference))
            lines = to_lines(claim.procedures, paid)
        findings = [to_finding(one) for one in found]
        return ValidateResponse(findings=findings, tables=tables, lines=lines), timings

    async def gaps(self, request: GapsRequest, deadline: float = math.inf) -> tuple[GapsResponse, Timings]:
        """What a note leaves open, read without the LLM: quick enough for a note that is being written."""
        timings = tracing.timings()
        coded = await self._read(request.text, request.encounter, timings, deadline, quick=True)
        with timings.stage("gaps"):
            found = to_gaps(coded.document, self._gaps(coded))
        return GapsResponse(document_id=request.document_id, documentation_gaps=found, model=self._models), timings

    async def read_quickly(self, text: str, sent: schemas.Encounter) -> Coded:
        """What the rules make of a note without the tagger and the LLM."""
        return await self._read(text, sent, Timings(), math.inf, quick=True)

    def gaps_of(self, coded: Coded) -> tuple[Gap, ...]:
        """What a note that was read leaves open."""
        return self._gaps(coded)

    def mentions_of(self, coded: Coded) -> list[tuple[str, Span]]:
        """The codes that words of a note stand for, of the patient's own and present conditions, assessed or not."""
        present = {e.span for e in coded.entities if e.assertion is Assertion.PRESENT}
        return [(hit.code, span) for span, hit in self._knowledge.lexicon.scan(coded.document.text) if span in present]

    async def _read(
        self, text: str, sent: schemas.Encounter, timings: Timings, deadline: float, quick: bool = False
    ) -> Coded:
        encounter, identifiers = to_encounter(sent)
        tag = None if quick else partial(self._stages.tag, deadline=deadline)
        reason = partial(self._stages.reason, deadline=deadline, quick=quick)
        asks = self._model_set.reasoner.mdm_questions and not quick
        judge = partial(self._stages.judge, deadline=deadline) if asks else None
        return await pipeline.code_note(text, identifiers, encounter, self._knowledge, tag, reason, timings, judge)

    def _gaps(self, coded: Coded) -> tuple[Gap, ...]:
        return find_gaps(
            coded.document,
            coded.entities,
            coded.diagnoses,
            coded.procedures,
            coded.em,
            coded.encounter,
            self._knowledge.codesets,
        )

    async def _risk(self, coded: Coded) -> Risk:
        """In a thread: CMS's tables are read at the first call."""
        reading = Reading.of(coded.document, coded.entities, coded.encounter)
        return await asyncio.to_thread(of_visit, reading, coded.diagnoses, self.name_of)

    async def code(self, request: schemas.ExtractRequest) -> schemas.ExtractResponse:
        """The same without a deadline, for the command line."""
        response, _ = await self.extract(request, request_id="", deadline=math.inf)
        return response

    async def ready(self) -> Readiness:
        return Readiness(await self._stages.missing())

    def models(self) -> Sequence[schemas.ModelCard]:
        one = self._model_set
        return [
            schemas.ModelCard(name=one.name, aliases=list(one.aliases), default=True, versions=self._models.versions)
        ]

    def known_models(self) -> Collection[str]:
        return (self._model_set.name, *self._model_set.aliases)

    def name_of(self, code: str) -> str:
        """What a diagnosis is called; empty for a code that does not exist."""
        icd = self._knowledge.codesets.icd
        return icd.description(code) if code in icd else ""

    def describe(self, code: str) -> schemas.CodeInfo | None:
        info = self._knowledge.codesets.describe(code)
        if info is None:
            return None
        return schemas.CodeInfo.model_validate(
            {
                "code": info.code,
                "system": info.system.value,
                "description": info.description,
                "billable": info.billable,
                "parents": [{"code": c, "description": d} for c, d in info.parents],
                "notes": {kind: list(texts) for kind, texts in info.notes.items()}
                | ({"inclusionTerm": list(info.inclusion_terms)} if info.inclusion_terms else {}),
            }
        )
