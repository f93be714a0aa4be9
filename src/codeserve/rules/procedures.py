"""How what was done is billed: codes, modifiers, units, and the diagnoses that justify them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache

from codeserve.codesets.procedures import ProcedureCode, Procedures
from codeserve.notes.document import Document
from codeserve.reasoning.questions import Answer, Question, System
from codeserve.retrieval import text as words
from codeserve.rules import details
from codeserve.rules.doses import units
from codeserve.rules.em_modifiers import telehealth
from codeserve.rules.encounter import Encounter
from codeserve.rules.modifier_words import because, marked
from codeserve.rules.procedure_extras import digit, following
from codeserve.rules.results import Alternative, Diagnosis, ModifierReason, Procedure, Role
from codeserve.rules.services import Done, ProcedureTerms, done, professional
from codeserve.rules.sizes import sized
from codeserve.rules.tables import rows

__all__ = ["Done", "ProcedureTerms", "decide_procedures", "done", "procedure_questions"]

MOST_POINTERS = 4  # CMS-1500, item 24E
PROFESSIONAL = "26"
SIDES = frozenset({"right", "left"})


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
    encounter: Encounter | None = None,
) -> tuple[Procedure, ...]:
    """The codes with modifiers, units and the diagnoses that justify them; each code and side once."""
    visit = encounter or Encounter()
    found: dict[tuple[str, tuple[str, ...]], Procedure] = {}
    for service, answer in zip(services, answers, strict=True):
        chosen = sized(answer.judged[0].candidate.code, service.sentence.of(document.text)) if answer.judged else None
        if chosen and answer.none <= 0.5:
            decided = _procedure(chosen, service, answer, document, diagnoses, procedures)
            procedure = _placed(decided, visit, procedures)
            found.setdefault((procedure.code, procedure.modifiers), procedure)
    return following(tuple(found.values()), document, visit, procedures)


def _procedure(
    chosen: str,
    service: Done,
    answer: Answer,
    document: Document,
    diagnoses: Sequence[Diagnosis],
    procedures: Procedures,
) -> Procedure:
    best, *others = answer.judged
    code = procedures.get(chosen)
    sized_to = f"; {chosen} by the number stated" if chosen != best.candidate.code else ""
    said = service.sentence.of(document.text)
    plain = Procedure(
        code=chosen,
        system=best.candidate.system,
        description=code.description if code else best.candidate.description,
        confidence=best.probability,
        evidence=(service.sentence,),
        decided_by=answer.decided_by,
        units=units(code, said, service.term) if code else 1,
        diagnosis_pointers=pointers(chosen, f"{said} {service.term}", diagnoses),
        alternatives=tuple(Alternative(o.candidate.code, o.candidate.description, o.probability) for o in others),
        rationale=f"“{service.term}” was done{sized_to}; decided by {answer.decided_by}",
    )
    return marked(plain, *(_sides(code, document, service) if code else ()))


def _placed(procedure: Procedure, visit: Encounter, procedures: Procedures) -> Procedure:
    """The same service where the facility owns the equipment, or through a screen."""
    becomes = next(professional(procedure.code, visit), None)
    if becomes == PROFESSIONAL:
        procedure = marked(procedure, because("facility", PROFESSIONAL))
    elif becomes and (other := procedures.get(becomes)):
        procedure = replace(procedure, code=becomes, description=other.description)
    return marked(procedure, *telehealth(visit))


def _sides(code: ProcedureCode, document: Document, service: Done) -> Iterator[ModifierReason]:
    """A digit, or RT, LT or 50 for a service on one of two sides."""
    if one := digit(code.code, service.sentence.of(document.text)):
        yield because("digit", one, (service.sentence,))
    elif "side" in code.needs:
        found = details.find("side", document.text, service.sentence)
        spans = [detail.span for detail in found]
        values = {detail.value for detail in found}
        if values == {"right"} or values == {"left"}:
            side = values.pop()
            yield because("side", {"right": "RT", "left": "LT"}[side], spans, side=side)
        elif "bilateral" in values or values == {"right", "left"}:
            yield because("both-sides", "50", spans)


def pointers(code: str, said: str, diagnoses: Sequence[Diagnosis]) -> tuple[int, ...]:
    """The diagnoses that justify a service, at most four: those that the table names for its code, of these the ones
    that share most words with what was said; else the ones that share words; else the first-listed. None of the other
    side where the service names one."""
    usable = _of_side(said, [d for d in diagnoses if d.role is not Role.EXTERNAL_CAUSE])
    named = [d for d in usable if justifies(d.code, code)]
    shared = _sharing(said, named or usable)
    return tuple(sorted(d.sequence for d in (shared or named or usable[:1])))[:MOST_POINTERS]


def justifies(diagnosis: str, code: str) -> bool:
    """Whether data/rules/procedure_reasons.tsv names the diagnosis as a reason for the service."""
    return diagnosis.startswith(_reasons(code)) if _reasons(code) else False


def reasons_known(code: str) -> bool:
    return bool(_reasons(code))


@lru_cache(maxsize=1024)
def _reasons(code: str) -> tuple[str, ...]:
    row = next((r for r in rows("procedure_reasons.tsv") if code.startswith(tuple(r["codes"].split("|")))), None)
    return tuple(row["diagnoses"].split("|")) if row and row["diagnoses"] else ()


def _of_side(said: str, diagnoses: Sequence[Diagnosis]) -> list[Diagnosis]:
    """Without those of the other side; all of them where none is left."""
    sides = _sides_named(said)
    of_side = [d for d in diagnoses if len(sides) != 1 or _sides_named(d.description) in (frozenset(), sides, SIDES)]
    return of_side or list(diagnoses)


def _sides_named(said: str) -> frozenset[str]:
    return SIDES & {word.strip(".,;:()").lower() for word in said.split()}


def _sharing(said: str, diagnoses: Sequence[Diagnosis]) -> list[Diagnosis]:
    stems = set(words.stems(said))
    counted = [(len(stems & set(words.stems(d.description))), d) for d in diagnoses]
    most = max((count for count, _ in counted), default=0)
    return [d for count, d in counted if count == most] if most else []
