"""Codes notes with the whole chain in this process, or with a part of it left out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import orjson

from codeserve.api.convert import to_encounter
from codeserve.api.schemas import ExtractRequest
from codeserve.config import AppSettings, home
from codeserve.evaluation.gold import Note
from codeserve.evaluation.stages import Asked
from codeserve.local import LocalStages
from codeserve.notes.document import Document, Section, SectionKind
from codeserve.notes.prepare import prepare
from codeserve.notes.redaction import Redactor
from codeserve.notes.spans import Span
from codeserve.pipeline import Coded, Knowledge, Timings, code_note
from codeserve.reasoning.questions import Answer, Candidate, Question, System
from codeserve.reasoning.reasoner import Reasoner
from codeserve.retrieval.lexicon import Lexicon
from codeserve.retrieval.retriever import Retriever
from codeserve.rules.encounter import Encounter
from codeserve.rules.problems import Problem, Scan, merged
from codeserve.service import load_knowledge
from codeserve.tagging.entities import Assertion, Chunk, Entity, EntityKind


@dataclass(frozen=True, slots=True)
class Chain:
    """What takes part. Without `llm` the first candidate is the answer, without `sections` the note is one text without
    headings, without `selection` every condition that is said to be present is coded."""

    name: str = "default"
    llm: bool = True
    lexicon: bool = True
    dense: bool = True
    sections: bool = True
    selection: bool = True


ABLATIONS = {
    f"no-{part}": replace(Chain(), name=f"no-{part}", **{part: False})
    for part in ("llm", "lexicon", "dense", "sections", "selection")
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the chain made of one note; `asked` holds the questions about diagnoses."""

    note: Note
    coded: Coded
    asked: tuple[Asked, ...]
    seconds: dict[str, float]


class _Kept:
    """A retriever that keeps what it found last."""

    def __init__(self, retriever: Retriever) -> None:
        self._retriever = retriever
        self.found: list[tuple[Candidate, ...]] = []

    def search(self, questions: Sequence[Question], limit: int = 20, dense: bool = True) -> list[tuple[Candidate, ...]]:
        self.found = self._retriever.search(questions, limit, dense)
        return self.found


class Runner:
    """Runs notes one after the other, so that two runs give the same numbers; entities of a note are found once."""

    def __init__(self, settings: AppSettings, knowledge: Knowledge, stages: LocalStages, reasoner: Reasoner) -> None:
        self._settings, self._knowledge, self._stages, self._reasoner = settings, knowledge, stages, reasoner
        self._tagged: dict[str, Sequence[Sequence[Entity]]] = {}
        self._others: dict[Chain, Retriever] = {}

    @classmethod
    @asynccontextmanager
    async def started(cls, settings: AppSettings, llm: bool) -> AsyncIterator[Runner]:
        """With the models loaded; the LLM's engine only where `llm`."""
        from codeserve.deployments.loading import load_reasoner, load_tagger

        reasoner = load_reasoner(settings.model_set)
        stages = LocalStages(load_tagger(settings.model_set.tagger), reasoner)
        if llm:
            await reasoner.engine.start()
        try:
            yield cls(settings, load_knowledge(settings), stages, reasoner)
        finally:
            if llm:
                await reasoner.engine.stop()

    async def run(self, note: Note, chain: Chain) -> Outcome:
        """Raises what the chain raises."""
        request = ExtractRequest.model_validate_json(orjson.dumps(note.request))
        encounter, identifiers = to_encounter(request.encounter)
        asked: list[Asked] = []

        async def tag(text: str, chunks: Sequence[Chunk]) -> Sequence[Sequence[Entity]]:
            if text not in self._tagged:
                self._tagged[text] = await self._stages.tag(text, chunks)
            return self._tagged[text]

        async def reason(questions: Sequence[Question]) -> tuple[Answer, ...]:
            search = _Kept(self._retriever(chain))
            answers = await self._reasoner.over(search).answer(questions, llm=chain.llm)
            asked.extend(
                Asked(candidates, answer)
                for q, candidates, answer in zip(questions, search.found, answers, strict=True)
                if q.system is System.ICD10CM
            )
            return answers

        asks = chain.llm and self._settings.model_set.reasoner.mdm_questions
        judge = self._stages.judge if asks else None
        timings = Timings()
        coded = await code_note(
            note.text, identifiers, encounter, _without(self._knowledge, chain), tag, reason, timings, judge
        )
        return Outcome(note, coded, tuple(asked), timings.seconds)

    def _retriever(self, chain: Chain) -> Retriever:
        from codeserve.deployments.retrieval import load_lexicon, load_retriever
        from codeserve.setup import ready

        if chain.lexicon and chain.dense:
            assert isinstance(self._reasoner.retriever, Retriever)
            return self._reasoner.retriever
        if chain not in self._others:
            settings = self._settings.model_set.retriever.model_copy(update={"dense": chain.dense})
            lexicon = load_lexicon() if chain.lexicon else Lexicon(())
            self._others[chain] = load_retriever(ready(home()), settings, lexicon)
        return self._others[chain]


def _without(knowledge: Knowledge, chain: Chain) -> Knowledge:
    """The knowledge for a chain that lacks a part."""
    if not chain.lexicon:
        knowledge = replace(knowledge, lexicon=Lexicon(()))
    if not chain.sections:
        knowledge = replace(knowledge, prepare=as_one_text)
    if not chain.selection:
        knowledge = replace(knowledge, find=every_condition)
    return knowledge


def as_one_text(text: str, identifiers: Sequence[str], redactor: Redactor) -> Document:
    """The note without sections and problem lines."""
    document = prepare(text, identifiers, redactor)
    whole = Span(0, len(document.text))
    return replace(document, sections=(Section(SectionKind.OTHER, whole, whole),), items=())


def every_condition(
    document: Document, entities: Sequence[Entity], encounter: Encounter, scan: Scan
) -> tuple[Problem, ...]:
    """Every condition that stands anywhere in the note as present."""
    present = (e for e in entities if e.kind is EntityKind.PROBLEM and e.assertion is Assertion.PRESENT)
    return merged(
        document,
        [
            Problem(e.text, (e.span,), document.section_at(e.span.start).body, e.section, group)
            for group, e in enumerate(present)
        ],
    )
