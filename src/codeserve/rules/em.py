"""The E/M code of an encounter: its family by setting, its level by MDM or by time.

Source: AMA CPT E/M guidelines (2021, 2023); data/rules/em_*.tsv.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from codeserve.notes.document import Document
from codeserve.notes.spans import Span
from codeserve.rules.em_confidence import with_confidence
from codeserve.rules.em_inferred import infer
from codeserve.rules.em_modifiers import em_modifiers, part_of_procedure, telehealth
from codeserve.rules.em_special import (
    check_in,
    in_global_period,
    medicare_preventive,
    separate_visit,
    staff_visit,
    with_special,
)
from codeserve.rules.em_visit import Visit, has_visit, stated_age, total_minutes, visit_of
from codeserve.rules.encounter import Encounter
from codeserve.rules.levels import rank, two_of_three
from codeserve.rules.mdm import assess
from codeserve.rules.mdm_problems import NOTHING
from codeserve.rules.results import Diagnosis, Element, ElementItem, Em, ModifierReason, Procedure
from codeserve.rules.schedule import Schedule
from codeserve.rules.tables import rows
from codeserve.tagging.entities import Entity

UNFITTED = 0.0  # until rules/em_confidence.py has judged the whole code
REMOTE = ("video", "audio")  # families whose codes say how already
NAMES = ("problems", "data", "risk")
Elements = tuple[Element, Element, Element]


def decide_em(
    document: Document,
    diagnoses: Sequence[Diagnosis],
    procedures: Sequence[Procedure],
    encounter: Encounter,
    entities: Sequence[Entity] = (),
    schedule: Schedule | None = None,
    settled: Mapping[str, str] = NOTHING,
) -> Em | None:
    """The E/M code; None for an operative or procedure note, where nothing was assessed or done, and where the visit is
    part of a procedure or of its global period. `schedule`: the fee schedule of the day, or else the starting one.
    `settled` as in `problems_element`."""
    fees = schedule or Schedule.of(encounter)
    if not has_visit(document, encounter) or not (diagnoses or procedures):
        return None
    encounter, inferred = infer(document, encounter, diagnoses)
    if part_of_procedure(diagnoses, procedures, encounter, fees) or in_global_period(document, diagnoses, encounter):
        return None
    if encounter.age is None:
        encounter = replace(encounter, age=stated_age(document.text))
    visit = visit_of(document, encounter)
    if short := staff_visit(document, visit) or check_in(document, encounter, visit):
        return with_confidence(replace(short, notices=(*inferred, *short.notices)), diagnoses)
    elements = assess(document, entities, diagnoses, encounter, procedures, settled)
    minutes, told = total_minutes(document, encounter)
    reasons = em_modifiers(document, diagnoses, procedures, encounter, fees)
    if visit.family not in REMOTE:
        reasons = (*reasons, *telehealth(encounter))
    em: Em | None
    if visit.family.endswith("discharge"):
        em = _discharge(visit, elements, minutes, told, reasons)
    elif visit.family == "preventive":
        em = _preventive(visit, elements, encounter, reasons, medicare_preventive(document, encounter))
    else:
        em = _leveled(visit, elements, minutes, told, reasons)
    if em is None:
        return None
    whole = with_special(replace(em, notices=inferred), document, encounter, minutes, told, procedures)
    return with_confidence(whole, diagnoses)


def _leveled(
    visit: Visit, elements: Elements, minutes: int | None, told: Span | None, reasons: tuple[ModifierReason, ...]
) -> Em:
    codes = [r for r in rows("em_codes.tsv") if r["family"] == visit.codes]
    level = two_of_three(*(element.level for element in elements))
    by_mdm = _at_most(codes, level)
    by_time = _by_time(codes, minutes)
    method = "time" if by_time and codes.index(by_time) > codes.index(by_mdm) else "mdm"
    chosen = by_time if by_time and method == "time" else by_mdm
    problems, data, risk = _with_time(elements, minutes, told, method)
    return Em(
        code=chosen["code"],
        method=method,
        level=level if method == "mdm" else chosen["level"],
        problems=problems,
        data=data,
        risk=risk,
        confidence=UNFITTED,
        level_by_time=by_time["code"] if by_time else None,
        next_level=_next_level(codes, chosen, elements),
        rationale=_rationale(visit, elements, level, minutes, method),
        modifiers=tuple(one.modifier for one in reasons),
        modifier_reasons=reasons,
    )


def _at_most(codes: Sequence[dict[str, str]], level: str) -> dict[str, str]:
    """The highest code whose level is met; the lowest of the family where none is."""
    met = [row for row in codes if rank(row["level"]) <= rank(level)]
    return met[-1] if met else codes[0]


def _by_time(codes: Sequence[dict[str, str]], minutes: int | None) -> dict[str, str] | None:
    met = [row for row in codes if row["minutes"] and minutes is not None and minutes >= int(row["minutes"])]
    return met[-1] if met else None


def _with_time(elements: Elements, minutes: int | None, told: Span | None, method: str) -> Elements:
    """Where time decides, its statement is cited with the problems."""
    problems, data, risk = elements
    if method == "time" and told:
        stated = ElementItem("time", f"total time of {minutes} minutes", (told,))
        problems = replace(problems, items=(*problems.items, stated))
    return problems, data, risk


def _next_level(codes: Sequence[dict[str, str]], chosen: dict[str, str], elements: Elements) -> str:
    """What would be needed for the next code of the family: elements (two of three), or minutes."""
    place = codes.index(chosen)
    if place + 1 == len(codes):
        return ""
    wanted = codes[place + 1]
    short = [n for n, e in zip(NAMES, elements, strict=True) if rank(e.level) < rank(wanted["level"])]
    needs = {r["element"]: r["needs"] for r in rows("em_next.tsv") if r["level"] == wanted["level"]}
    ways = "; ".join(f"{name}: {needs[name]}" for name in short)
    time = f"; or {wanted['minutes']} minutes in total" if wanted["minutes"] else ""
    missing = len(short) - 1  # two of the three must meet it
    return f"{wanted['code']} ({wanted['level']}) would need {missing} of {ways}{time}"


def _rationale(visit: Visit, elements: Elements, level: str, minutes: int | None, method: str) -> str:
    counted = ", ".join(f"{n} {e.level}" for n, e in zip(NAMES, elements, strict=True))
    time = f"; {minutes} minutes" if minutes is not None else ""
    return f"{visit.words}: {counted}: {level} by two of three{time}; decided by {method}{_inferred(visit)}"


def _inferred(visit: Visit) -> str:
    return "; patient status inferred" if visit.inferred else ""


def _discharge(
    visit: Visit, elements: Elements, minutes: int | None, told: Span | None, reasons: tuple[ModifierReason, ...]
) -> Em:
    codes = [r for r in rows("em_discharge.tsv") if r["family"] == visit.family]
    row = [r for r in codes if int(r["minutes"]) <= (minutes or 0)][-1]
    problems, data, risk = _with_time(elements, minutes, told, "time")
    stated = f"{minutes} minutes" if minutes is not None else "time not stated, so 30 minutes or less"
    return Em(
        code=row["code"],
        method="time",
        level=two_of_three(*(e.level for e in elements)),
        problems=problems,
        data=data,
        risk=risk,
        confidence=UNFITTED,
        level_by_time=row["code"],
        next_level="" if row is codes[-1] else f"{codes[-1]['code']} would need more than 30 minutes, documented",
        rationale=f"discharge by time only: {stated}",
        modifiers=tuple(one.modifier for one in reasons),
        modifier_reasons=reasons,
    )


def _preventive(
    visit: Visit, elements: Elements, encounter: Encounter, reasons: tuple[ModifierReason, ...], medicare: str | None
) -> Em | None:
    """Medicare's own code where the note names it, else by age and patient status; None where the age is not known."""
    fitting = (
        r
        for r in rows("em_preventive.tsv")
        if encounter.age is not None and r["status"] == visit.status and int(r["from"]) <= encounter.age <= int(r["to"])
    )
    row = {"code": medicare} if medicare else next(fitting, None)
    if row is None:
        return None
    problems, data, risk = elements
    age = "" if encounter.age is None else f", age {encounter.age}"
    em = Em(
        code=row["code"],
        method="mdm",
        level=two_of_three(*(e.level for e in elements)),
        problems=problems,
        data=data,
        risk=risk,
        confidence=UNFITTED,
        rationale=f"preventive visit, {visit.status} patient{age}{_inferred(visit)}",
        modifiers=tuple(one.modifier for one in reasons),
        modifier_reasons=reasons,
    )
    beside = separate_visit(em, visit.status)
    return replace(em, also=(beside,)) if beside else em
