"""The questions about what rules leave open, through the coding service over stages that answer without a model."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from codeserve import service
from codeserve.api.schemas import ExtractRequest, ExtractResponse
from codeserve.api.schemas_checks import GapsRequest
from codeserve.codesets import CodeSets
from codeserve.config import ModelSet
from codeserve.errors import StageFailed
from codeserve.notes.redaction import Redactor
from codeserve.notes.spans import Span
from codeserve.pipeline import Knowledge
from codeserve.reasoning.questions import Answer, Candidate, Judged, OpenQuestion, Question
from codeserve.retrieval.lexicon import Lexicon
from codeserve.rules.procedures import ProcedureTerms
from codeserve.tagging.entities import Chunk, Entity, EntityKind

TEXT = "HPI: Returns.\nASSESSMENT AND PLAN:\n1. Hypertension. Continue lisinopril 20 mg daily.\n"
WORD = Span(TEXT.index("Hypertension"), TEXT.index("Hypertension") + 12)
DEADLINE = 1e9
ENCOUNTER = {"setting": "office", "patient_status": "established"}


class Stages:
    """Finds the one problem, codes it, and is sure of yes; keeps the deadlines of the open questions."""

    def __init__(self, fails: bool = False) -> None:
        self.deadlines: list[float] = []
        self.fails = fails

    async def tag(self, text: str, chunks: Sequence[Chunk], deadline: float) -> Sequence[Sequence[Entity]]:
        return [[Entity(EntityKind.PROBLEM, WORD, "Hypertension", 0.99)] for _ in chunks]

    async def reason(self, questions: Sequence[Question], deadline: float, quick: bool = False) -> list[Answer]:
        def judged(q: Question) -> tuple[Judged, ...]:
            return (Judged(Candidate("I10", q.system, "Essential hypertension", 1.0, ("lexicon",)), 0.97),)

        return [Answer(q.id, judged(q), 0.0, "lexicon") for q in questions]

    async def judge(self, questions: Sequence[OpenQuestion], deadline: float) -> list[float]:
        self.deadlines.append(deadline)
        if self.fails:
            raise StageFailed("the LLM engine failed")
        return [0.95] * len(questions)

    async def missing(self) -> dict[str, str]:
        return {}


@pytest.fixture
def knowledge(codesets: CodeSets, monkeypatch: pytest.MonkeyPatch) -> Knowledge:
    monkeypatch.setattr(service, "versions", lambda *_: {"tagger": "fake"})
    terms = ProcedureTerms(codesets.procedures)
    return Knowledge(Redactor(), lambda _: ([1], [WORD]), codesets, Lexicon.load(), terms)


def extract(knowledge: Knowledge, stages: Stages, asks: bool) -> ExtractResponse:
    whole = ModelSet.model_validate({"reasoner": {"mdm_questions": asks}})
    coding = service.CodingService(knowledge, whole, stages)
    request = ExtractRequest.model_validate({"document_id": "1", "text": TEXT, "encounter": ENCOUNTER})
    return asyncio.run(coding.extract(request, request_id="", deadline=DEADLINE))[0]


def test_with_the_setting_one_further_call_moves_the_level_and_the_answer_says_so(knowledge: Knowledge) -> None:
    stages = Stages()
    answer = extract(knowledge, stages, asks=True)
    assert stages.deadlines == [DEADLINE]
    assert answer.em is not None
    assert (answer.em.code, answer.em.problems.items[0].decided_by) == ("99214", "llm")
    assert all(TEXT[e.start : e.end] == e.text for e in answer.em.problems.items[0].evidence)


def test_without_the_setting_there_is_no_further_call(knowledge: Knowledge) -> None:
    stages = Stages()
    answer = extract(knowledge, stages, asks=False)
    assert stages.deadlines == []
    assert answer.em is not None
    assert (answer.em.code, answer.em.problems.items[0].decided_by) == ("99213", "rules")


def test_a_note_that_is_being_written_asks_no_llm(knowledge: Knowledge) -> None:
    stages = Stages()
    whole = ModelSet.model_validate({"reasoner": {"mdm_questions": True}})
    request = GapsRequest.model_validate({"text": TEXT, "encounter": ENCOUNTER})
    asyncio.run(service.CodingService(knowledge, whole, stages).gaps(request))
    assert stages.deadlines == []


def test_a_failed_call_fails_the_note(knowledge: Knowledge) -> None:
    with pytest.raises(StageFailed):
        extract(knowledge, Stages(fails=True), asks=True)
