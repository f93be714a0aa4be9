"""The way of a note, top to bottom. No I/O: the two model stages are handed in as async callables."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

from codeserve.codesets import CodeSets
from codeserve.notes.chunks import Encode, chunk
from codeserve.notes.document import Document
from codeserve.notes.prepare import prepare
from codeserve.notes.redaction import Redactor
from codeserve.notes.sentences import split_sentences
from codeserve.reasoning.questions import Answer, OpenQuestion, Question
from codeserve.retrieval.lexicon import Lexicon
from codeserve.rules import mdm_open
from codeserve.rules.diagnoses import decide
from codeserve.rules.em import decide_em
from codeserve.rules.encounter import Encounter
from codeserve.rules.findings import NO_PAYER_RULES, check
from codeserve.rules.payer_rules import PayerRules
from codeserve.rules.problems import Problem, Scan, find_problems, questions
from codeserve.rules.procedures import ProcedureTerms, decide_procedures, done, procedure_questions
from codeserve.rules.reimbursement import with_expected
from codeserve.rules.results import Diagnosis, Em, Finding, Procedure, Route
from codeserve.rules.routing import route
from codeserve.rules.schedule import Schedule
from codeserve.rules.suggest_modifiers import suggest_modifiers
from codeserve.tagging.assertion import assert_entities
from codeserve.tagging.entities import Chunk, Entity
from codeserve.tagging.named import named_problems
from codeserve.tagging.post import merge
from codeserve.timings import Timings

Tag = Callable[[str, Sequence[Chunk]], Awaitable[Sequence[Sequence[Entity]]]]
Reason = Callable[[Sequence[Question]], Awaitable[Sequence[Answer]]]
Judge = Callable[[Sequence[OpenQuestion]], Awaitable[Sequence[float]]]
Count = Callable[..., Em | None]  # decide_em, for one note


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What a gateway holds in memory, read-only: redactor, tokenizer, code sets, lexicon, and how to route."""

    redactor: Redactor
    encode: Encode
    codesets: CodeSets
    lexicon: Lexicon
    procedure_terms: ProcedureTerms
    # Where the note is read and where its problems are chosen; an evaluation puts others in their place.
    prepare: Callable[[str, Sequence[str], Redactor], Document] = prepare
    find: Callable[[Document, Sequence[Entity], Encounter, Scan], tuple[Problem, ...]] = find_problems
    payer_rules: PayerRules = NO_PAYER_RULES
    window: int = 224
    overlap: int = 32
    threshold: float = 0.95
    mode: str = "assisted"
    mdm_threshold: float = 0.9


@dataclass(frozen=True, slots=True)
class Coded:
    """Everything that the rules made of one note; spans index `document.text`."""

    document: Document
    encounter: Encounter
    entities: tuple[Entity, ...]
    diagnoses: tuple[Diagnosis, ...]
    procedures: tuple[Procedure, ...]
    em: Em | None
    findings: tuple[Finding, ...]
    route: Route


async def code_note(
    text: str,
    identifiers: Sequence[str],
    encounter: Encounter,
    knowledge: Knowledge,
    tag: Tag | None,
    reason: Reason,
    timings: Timings,
    judge: Judge | None = None,
) -> Coded:
    """Code one note. `identifiers` are what redaction must remove beside what it finds itself. Without `tag` the
    lexicon alone names the problems, in a hundredth of the time. With `judge` the LLM is asked what the rules leave
    open in the decision making, where its answer can change the visit's code.

    Whatever `tag`, `reason` or `judge` raises passes through: a failed model is an error, never an empty answer.
    """
    with timings.stage("prepare"):
        document = knowledge.prepare(text, identifiers, knowledge.redactor)
    with timings.stage("tag"):
        found = await _entities(document, knowledge, tag)
    with timings.stage("ask"):
        entities = _assert(document, found)
        problems = knowledge.find(document, entities, encounter, knowledge.lexicon.scan)
        services = done(document, knowledge.procedure_terms, encounter)
        asked = questions(problems, document, encounter)
        asked_of_services = procedure_questions(document, services, first_id=len(asked))
    with timings.stage("reason"):
        answers = await reason((*asked, *asked_of_services))
    with timings.stage("decide"):
        codesets = knowledge.codesets
        diagnoses = decide(problems, answers[: len(asked)], document, encounter, codesets, services)
        coded = answers[len(asked) :]
        procedures = decide_procedures(services, coded, document, diagnoses, codesets.procedures, encounter)
        procedures = suggest_modifiers(procedures, diagnoses, document, encounter, codesets)
        schedule = Schedule.of(encounter, codesets.reference)
        count = partial(decide_em, document, diagnoses, procedures, encounter, entities, schedule)
        em = count()
    if em is not None and judge is not None:
        em = await _settled(em, count, document, judge, knowledge.mdm_threshold, timings)
    with timings.stage("decide"):
        procedures, em = with_expected(procedures, em, schedule)
        findings = check(diagnoses, procedures, em, encounter, codesets, knowledge.payer_rules)
        routed = route(diagnoses, procedures, em, findings, knowledge.threshold, knowledge.mode)
    return Coded(document, encounter, entities, diagnoses, procedures, em, findings, routed)


async def _settled(
    em: Em, count: Count, document: Document, judge: Judge, threshold: float, timings: Timings
) -> Em | None:
    """The visit with what the LLM told of what was open; nothing is asked where no answer could change its code."""
    with timings.stage("decide"):
        asked = mdm_open.left_open(em)
        at_most = count(mdm_open.settle(asked, [1.0] * len(asked), threshold)) if asked else em
        if mdm_open.billed(at_most) == mdm_open.billed(em):
            return em
    with timings.stage("judge"):
        sure = await judge(mdm_open.questions(document, asked))
    with timings.stage("decide"):
        return count(mdm_open.settle(asked, sure, threshold))


async def _entities(document: Document, knowledge: Knowledge, tag: Tag | None) -> tuple[Entity, ...]:
    if tag is None:
        return named_problems(document.text, knowledge.lexicon.scan)
    chunks = chunk(document.text, knowledge.encode, knowledge.window, knowledge.overlap)
    return merge(await tag(document.text, chunks), chunks)


def _assert(document: Document, entities: Sequence[Entity]) -> tuple[Entity, ...]:
    return assert_entities(document, entities, split_sentences(document.text, document.sections))
