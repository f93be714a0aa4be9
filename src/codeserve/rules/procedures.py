"""What was done in this visit, and how it is billed: not what was planned, is history or was done elsewhere."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from codeserve.codesets.procedures import ProcedureCode, Procedures
from codeserve.notes.document import Document, SectionKind
from codeserve.notes.sentences import split_sentences
from codeserve.notes.spans import Span
from codeserve.reasoning.questions import Answer, Question, System
from codeserve.retrieval import text as words
from codeserve.rules import details
from codeserve.rules.results import Alternative, Diagnosis, Procedure, Role
from codeserve.rules.tables import any_of, rows

DONE_IN = (SectionKind.PROCEDURE,)
NEVER_IN = (
    SectionKind.PMH,
    SectionKind.PSH,
    SectionKind.FAMILY_HISTORY,
    SectionKind.SOCIAL_HISTORY,
    SectionKind.MEDICATIONS,
    SectionKind.ALLERGIES,
    SectionKind.INSTRUCTIONS,
    SectionKind.CHIEF_COMPLAINT,
)
NOT_ASKED = {"evaluation"}
IN_PROCEDURE = {"injection", "surgery", "treatment", "drug", "immunization", "imaging"}
_DOSE = re.compile(r"(\d+(?:\.\d+)?)\s*(mcg|mg|g|units?|ml|mL)\b", re.IGNORECASE)
_PER_UNIT = re.compile(r"(?:,|per) (?:up to )?(\d+(?:\.\d+)?)\s*(mcg|mg|g|units?|ml)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Done:
    """A sentence that tells of a service, and the term of the procedure table that it holds."""

    term: str
    sentence: Span
    kind: str


class ProcedureTerms:
    """The procedure table's terms as sets of words, for finding them in sentences in any order."""

    def __init__(self, procedures: Procedures) -> None:
        self._terms: list[tuple[frozenset[str], str, ProcedureCode]] = [
            (frozenset(words.signature(term)), term, code)
            for code in procedures.all()
            if code.kind not in NOT_ASKED
            for term in code.terms
        ]

    def within(self, sentence: str, kinds: set[str]) -> tuple[tuple[str, str], ...]:
        """(term, kind) of the longest terms whose words a sentence holds; none inside another."""
        stems = frozenset(words.stems(sentence))
        held = [(sig, term, code) for sig, term, code in self._terms if code.kind in kinds and sig and sig <= stems]
        longest = [(sig, term, code) for sig, term, code in held if not any(sig < other for other, _, _ in held)]
        unique = {sig: (term, code.kind) for sig, term, code in longest}
        return tuple(unique[sig] for sig in sorted(unique, key=sorted))


@lru_cache(maxsize=1)
def _done_cues() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((r["kinds"], any_of(r["words"].split("|"))) for r in rows("procedure_cues.tsv") if r["sort"] == "done")


@lru_cache(maxsize=1)
def _not_done() -> re.Pattern[str]:
    return any_of(w for r in rows("procedure_cues.tsv") if r["sort"] == "not_done" for w in r["words"].split("|"))


def done(document: Document, terms: ProcedureTerms) -> tuple[Done, ...]:
    """The services that the note says were done, each term once, in the order of the note."""
    found: dict[str, Done] = {}
    for sentence in split_sentences(document.text, document.sections):
        section = document.section_at(sentence.start).kind
        said = sentence.of(document.text)
        if section in NEVER_IN or _not_done().search(said):
            continue
        kinds = {kind for kind, cue in _done_cues() if cue.search(said)}
        kinds |= IN_PROCEDURE if section in DONE_IN else set()
        for term, kind in terms.within(said, kinds) if kinds else ():
            found.setdefault(term, Done(term, sentence, kind))
    return tuple(found.values())


def procedure_questions(document: Document, services: Sequence[Done], first_id: int) -> tuple[Question, ...]:
    """One question a service, numbered from `first_id`."""
    return tuple(
        Question(first_id + i, System.CPT, service.term, service.sentence.of(document.text), section="procedure")
        for i, service in enumerate(services)
    )


def decide_procedures(
    services: Sequence[Done],
    answers: Sequence[Answer],
    document: Document,
    diagnoses: Sequence[Diagnosis],
    procedures: Procedures,
) -> tuple[Procedure, ...]:
    """The codes with modifiers, units and the diagnoses that justify them; each code and side once."""
    found: dict[tuple[str, tuple[str, ...]], Procedure] = {}
    for service, answer in zip(services, answers, strict=True):
        if answer.judged and answer.none <= 0.5:
            procedure = _procedure(service, answer, document, diagnoses, procedures)
            found.setdefault((procedure.code, procedure.modifiers), procedure)
    return tuple(found.values())


def _procedure(
    service: Done, answer: Answer, document: Document, diagnoses: Sequence[Diagnosis], procedures: Procedures
) -> Procedure:
    best, *others = answer.judged
    code = procedures.get(best.candidate.code)
    said = service.sentence.of(document.text)
    return Procedure(
        code=best.candidate.code,
        system=best.candidate.system,
        description=best.candidate.description,
        confidence=best.probability,
        evidence=(service.sentence,),
        decided_by=answer.decided_by,
        modifiers=tuple(_modifiers(code, document, service)) if code else (),
        units=_units(code, said) if code else 1,
        diagnosis_pointers=_pointers(said + " " + service.term, diagnoses),
        alternatives=tuple(Alternative(o.candidate.code, o.candidate.description, o.probability) for o in others),
        rationale=f"“{service.term}” was done; decided by {answer.decided_by}",
    )


def _modifiers(code: ProcedureCode, document: Document, service: Done) -> Iterator[str]:
    """RT, LT or 50 for a service on one of two sides (CMS claims processing manual, chapter 4, section 20.6)."""
    if "side" in code.needs:
        found = {detail.value for detail in details.find("side", document.text, service.sentence)}
        if found == {"right"}:
            yield "RT"
        elif found == {"left"}:
            yield "LT"
        elif "bilateral" in found or found == {"right", "left"}:
            yield "50"


def _units(code: ProcedureCode, said: str) -> int:
    """Units of a drug: the documented dose over the dose of one unit, rounded up; 1 for all else."""
    per_unit = _PER_UNIT.search(code.description)
    dose = _DOSE.search(said)
    if "dose" not in code.needs or not per_unit or not dose:
        return 1
    if per_unit[2].lower().rstrip("s") != dose[2].lower().rstrip("s"):
        return 1
    return max(1, min(999, math.ceil(float(dose[1]) / float(per_unit[1]))))


def _pointers(said: str, diagnoses: Sequence[Diagnosis]) -> tuple[int, ...]:
    """The diagnoses that share words with the service, else the first-listed; at most four (CMS-1500, item 24E)."""
    stems = set(words.stems(said))
    assessed = [d for d in diagnoses if d.role is not Role.EXTERNAL_CAUSE]
    shared = [(len(stems & set(words.stems(d.description))), d.sequence) for d in assessed]
    best = max((count for count, _ in shared), default=0)
    if best:
        return tuple(sorted(sequence for count, sequence in shared if count == best))[:4]
    return tuple(d.sequence for d in assessed[:1])
