"""How what was done is billed: codes, modifiers, units, and the diagnoses that justify them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from codeserve.codesets.procedures import ProcedureCode, Procedures
from codeserve.notes.document import Document
from codeserve.reasoning.questions import Answer, Question, System
from codeserve.retrieval import text as words
from codeserve.rules.doses import units
from codeserve.rules.drug_giving import with_giving
from codeserve.rules.em_modifiers import telehealth
from codeserve.rules.encounter import Encounter
from codeserve.rules.frames import refined
from codeserve.rules.included import combined, without_included
from codeserve.rules.modifier_words import because, marked
from codeserve.rules.procedure_extras import digit, following
from codeserve.rules.results import Alternative, Diagnosis, ModifierReason, Procedure, Role
from codeserve.rules.services import Done, ProcedureTerms, done, professional
from codeserve.rules.sides import side_modifier
from codeserve.rules.sizes import sized
from codeserve.rules.tables import rows
from codeserve.rules.told_units import told_units

__all__ = ["Done", "ProcedureTerms", "decide_procedures", "done", "procedure_questions"]

MOST_EVIDENCE = 4
MOST_POINTERS = 4  # CMS-1500, item 24E
PROFESSIONAL = "26"
SIDES = frozenset({"right", "left"})
BY_ACT = 0.85  # the confidence of a code that act and place decide, not one term


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
        if chosen := _chosen(service, answer, document):
            decided = _procedure(chosen, service, answer, document, diagnoses, procedures)
            procedure = _placed(decided, visit, procedures)
            place = (procedure.code, procedure.modifiers)
            known = found.get(place)
            found[place] = procedure if known is None else _also_told(known, service)
    counted = [replace(p, units=told_units(p, document)) for p in found.values()]
    together = combined(with_giving(counted, document, visit, procedures), procedures)
    billed = without_included(together)
    return following(billed, document, visit, procedures)


def _also_told(procedure: Procedure, service: Done) -> Procedure:
    """The service with one more sentence that tells of it."""
    evidence = dict.fromkeys((*procedure.evidence, service.sentence))
    return replace(procedure, evidence=tuple(evidence)[:MOST_EVIDENCE])


def _chosen(service: Done, answer: Answer, document: Document) -> str | None:
    """The code that the words around an act decide; else the first candidate's, by the number stated with it."""
    if service.code:
        return service.code
    if not answer.judged or answer.none > 0.5:
        return None
    said = service.sentence.of(document.text)
    code = refined(answer.judged[0].candidate.code, service.sentence.line_of(document.text).of(document.text))
    return sized(code, said)


def _procedure(
    chosen: str,
    service: Done,
    answer: Answer,
    document: Document,
    diagnoses: Sequence[Diagnosis],
    procedures: Procedures,
) -> Procedure:
    code = procedures.get(chosen)
    best = next((one for one in answer.judged if one.candidate.code == chosen), None)
    others = [one for one in answer.judged if one is not best]
    first = answer.judged[0] if answer.judged else None
    how = "" if first is best else f"; {chosen} by the number stated or the words near it"
    said = service.sentence.of(document.text)
    reasons = pointers(chosen, f"{said} {service.term}", diagnoses)
    plain = Procedure(
        code=chosen,
        system=code.system if code else System.CPT,
        description=code.description if code else "",
        confidence=first.probability if first and (first is best or not service.code) else BY_ACT,
        evidence=(service.sentence,),
        decided_by=answer.decided_by,
        units=units(code, said, service.term, service.near) if code else 1,
        diagnosis_pointers=reasons,
        alternatives=tuple(Alternative(o.candidate.code, o.candidate.description, o.probability) for o in others),
        rationale=f"“{service.term}” was done{how}; decided by {answer.decided_by}",
    )
    justifying = [d for d in diagnoses if d.sequence in reasons]
    return marked(plain, *(_sides(code, document, service, justifying) if code else ()))


def _placed(procedure: Procedure, visit: Encounter, procedures: Procedures) -> Procedure:
    """The same service where the facility owns the equipment, or through a screen."""
    becomes = next(professional(procedure.code, visit), None)
    if becomes == PROFESSIONAL:
        procedure = marked(procedure, because("facility", PROFESSIONAL))
    elif becomes and (other := procedures.get(becomes)):
        procedure = replace(procedure, code=becomes, description=other.description)
    return marked(procedure, *telehealth(visit))


def _sides(
    code: ProcedureCode, document: Document, service: Done, reasons: Sequence[Diagnosis]
) -> tuple[ModifierReason, ...]:
    """A digit, or RT, LT or 50 for a service on one of two sides."""
    if one := digit(code.code, service.sentence.of(document.text)) or digit(code.code, service.near):
        return (because("digit", one, (service.sentence,)),)
    side = side_modifier(document, service, reasons) if "side" in code.needs else None
    return (side,) if side else ()


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
