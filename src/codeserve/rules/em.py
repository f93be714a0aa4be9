"""The E/M code of an encounter: its family by setting, its level by MDM or by time.

Source: AMA CPT E/M guidelines (2021, 2023); data/rules/em_*.tsv.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from codeserve.notes.document import Document
from codeserve.notes.spans import Span
from codeserve.rules.encounter import Encounter
from codeserve.rules.mdm import LEVELS, assess, rank, two_of_three
from codeserve.rules.results import Diagnosis, Element, ElementItem, Em, Procedure
from codeserve.rules.tables import rows

NO_VISIT = ("operative", "procedure")
CONFIDENCE = {"both": 0.8, "one": 0.7, "inferred": 0.6}
_TIME = re.compile(
    r"\b(?:i spent|spent|total(?: visit| encounter)? time(?: spent)?(?: was| of|:)?|time spent(?: was|:)?)\b"
    r"[^.\n]{0,50}?\b(?P<minutes>\d{1,3})\s*(?:minutes|min\b)",
    re.IGNORECASE,
)
_NEW = re.compile(r"\bnew (?:patient|to (?:our|the|my) (?:practice|clinic|office))|\bestablish(?:ing)? care\b", re.I)
_OPERATIVE = re.compile(r"\b(?:operative report|postoperative diagnosis|procedure performed)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Visit:
    """Which family of codes applies; `inferred` when new or established was not told."""

    family: str
    inferred: bool = False


def decide_em(
    document: Document, diagnoses: Sequence[Diagnosis], procedures: Sequence[Procedure], encounter: Encounter
) -> Em | None:
    """The E/M code; None for an operative note and where nothing was assessed."""
    if encounter.note_type in NO_VISIT or (encounter.note_type is None and _OPERATIVE.search(document.text)):
        return None
    if not diagnoses and not procedures:
        return None
    visit = family(document, encounter)
    elements = assess(document, diagnoses)
    minutes, told = total_minutes(document, encounter)
    if visit.family.endswith("discharge"):
        return _discharge(visit, elements, minutes, told)
    if visit.family.startswith("preventive"):
        return _preventive(visit, elements, encounter)
    return _leveled(visit, elements, minutes, told)


def family(document: Document, encounter: Encounter) -> Visit:
    """The family by setting (told, or by place of service), service and patient status."""
    setting = encounter.setting or _setting(encounter.place_of_service)
    status = encounter.patient_status
    inferred = status is None
    status = status or ("new" if _NEW.search(document.text) else "established")
    if encounter.note_type == "emergency" or setting == "emergency":
        return Visit("emergency")
    if encounter.service == "consultation" or encounter.note_type == "consultation":
        return Visit("consult_inpatient" if setting in ("inpatient", "observation") else "consult_outpatient")
    if encounter.service == "preventive":
        return Visit(f"preventive_{status}", inferred)
    if setting in ("inpatient", "observation", "nursing_facility"):
        return Visit(f"{'nursing' if setting == 'nursing_facility' else 'hospital'}_{_facility_service(encounter)}")
    return Visit(f"{'home' if setting == 'home' else 'office'}_{status}", inferred)


def _setting(place: str | None) -> str:
    return next((row["setting"] for row in rows("places.tsv") if row["place"] == place), "office")


def _facility_service(encounter: Encounter) -> str:
    if encounter.service == "discharge" or encounter.note_type == "discharge_summary":
        return "discharge"
    if encounter.service == "initial" or encounter.note_type == "history_and_physical":
        return "initial"
    return "subsequent"


def total_minutes(document: Document, encounter: Encounter) -> tuple[int | None, Span | None]:
    """The provider's total time on the date of service: as the platform tells it, or else as the note states it."""
    if encounter.minutes is not None:
        return encounter.minutes, None
    match = _TIME.search(document.text)
    return (int(match["minutes"]), Span(*match.span())) if match else (None, None)


def _leveled(
    visit: Visit, elements: tuple[Element, Element, Element], minutes: int | None, told: Span | None
) -> Em | None:
    codes = [row for row in rows("em_codes.tsv") if row["family"] == visit.family]
    level = two_of_three(*(element.level for element in elements))
    by_mdm = _at_most(codes, level)
    by_time = _by_time(codes, minutes)
    chosen = max((r for r in (by_mdm, by_time) if r), key=codes.index)
    method = "time" if by_time and codes.index(by_time) > codes.index(by_mdm) else "mdm"
    agree = "inferred" if visit.inferred else "both" if by_time is None or by_time == by_mdm else "one"
    problems, data, risk = _with_time(elements, minutes, told, method)
    return Em(
        code=chosen["code"],
        method=method,
        level=level if method == "mdm" else chosen["level"],
        problems=problems,
        data=data,
        risk=risk,
        confidence=CONFIDENCE[agree],
        level_by_time=by_time["code"] if by_time else None,
        next_level=_next_level(elements, level),
        rationale=_rationale(visit, elements, level, minutes, method),
    )


def _at_most(codes: Sequence[dict[str, str]], level: str) -> dict[str, str]:
    """The highest code whose level is met; the lowest of the family where none is."""
    met = [row for row in codes if rank(row["level"]) <= rank(level)]
    return met[-1] if met else codes[0]


def _by_time(codes: Sequence[dict[str, str]], minutes: int | None) -> dict[str, str] | None:
    met = [row for row in codes if row["minutes"] and minutes is not None and minutes >= int(row["minutes"])]
    return met[-1] if met else None


def _with_time(
    elements: tuple[Element, Element, Element], minutes: int | None, told: Span | None, method: str
) -> tuple[Element, Element, Element]:
    """Where time decides, its statement is cited with the problems."""
    problems, data, risk = elements
    if method == "time" and told:
        stated = ElementItem("time", f"total time of {minutes} minutes", (told,))
        problems = Element(problems.level, (*problems.items, stated))
    return problems, data, risk


def _next_level(elements: tuple[Element, Element, Element], level: str) -> str:
    """What two elements would have to reach for the next level."""
    if level == LEVELS[-1]:
        return ""
    wanted = LEVELS[max(rank(level) + 1, 2)]
    short = [
        name
        for name, element in zip(("problems", "data", "risk"), elements, strict=True)
        if rank(element.level) < rank(wanted)
    ]
    need = max(0, 2 - (3 - len(short)))
    return f"{wanted}: {need} more of {', '.join(short)} at {wanted}" if need else ""


def _rationale(
    visit: Visit, elements: tuple[Element, Element, Element], level: str, minutes: int | None, method: str
) -> str:
    counted = ", ".join(f"{n} {e.level}" for n, e in zip(("problems", "data", "risk"), elements, strict=True))
    time = f"; {minutes} minutes" if minutes is not None else ""
    status = "; patient status inferred" if visit.inferred else ""
    return f"{visit.family.replace('_', ' ')}: {counted}: {level} by two of three{time}; decided by {method}{status}"


def _discharge(visit: Visit, elements: tuple[Element, Element, Element], minutes: int | None, told: Span | None) -> Em:
    codes = [row for row in rows("em_discharge.tsv") if row["family"] == visit.family]
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
        confidence=CONFIDENCE["both" if minutes is not None else "inferred"],
        level_by_time=row["code"],
        rationale=f"discharge by time only: {stated}",
    )


def _preventive(visit: Visit, elements: tuple[Element, Element, Element], encounter: Encounter) -> Em | None:
    status = visit.family.removeprefix("preventive_")
    fitting = (
        row
        for row in rows("em_preventive.tsv")
        if row["status"] == status and encounter.age is not None and int(row["from"]) <= encounter.age <= int(row["to"])
    )
    row = next(fitting, None)
    if row is None:
        return None
    problems, data, risk = elements
    return Em(
        code=row["code"],
        method="mdm",
        level=two_of_three(*(e.level for e in elements)),
        problems=problems,
        data=data,
        risk=risk,
        confidence=CONFIDENCE["inferred" if visit.inferred else "both"],
        rationale=f"preventive visit, {status} patient, age {encounter.age}",
    )
