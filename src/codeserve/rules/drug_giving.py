"""Giving a drug by needle is billed beside the drug: under the skin or into a muscle, into a vein, by infusion.

Source: CPT guidelines, hydration and therapeutic injections and infusions: one initial service a visit; an infusion
takes more than 15 minutes. What an injection procedure puts into a joint is part of that procedure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from codeserve.codesets.procedures import Procedures
from codeserve.notes.document import Document
from codeserve.rules.encounter import Encounter
from codeserve.rules.included import includes
from codeserve.rules.results import Procedure
from codeserve.rules.services import facility

INTO_MUSCLE, PUSH, FURTHER_PUSH, INFUSION = "96372", "96374", "96375", "96365"
GIVEN_BY = (INTO_MUSCLE, PUSH, FURTHER_PUSH, INFUSION)
LEAST_INFUSION = 16
_DRUG = re.compile(r"[JQ]\d{4}")
_NOT_INJECTED = re.compile(r"J7[36]\d\d|J7[23]\d\d|J8\d{3}|Q[49]\d{3}|Q0\d{3}")  # inhaled, swallowed, devices, supplies
_MUSCLE = re.compile(
    r"\b(?:im|i\.m\.|intramuscular(?:ly)?|sq|sc|subq|subcut\w*|shot|deltoid|glut\w*|injection)\b", re.IGNORECASE
)
_VEIN = re.compile(r"\b(?:iv|ivp|i\.v\.|intravenous(?:ly)?|iv push)\b", re.IGNORECASE)
_OVER = re.compile(r"\bover (?P<number>\d+|an|one) ?(?P<unit>min(?:ute)?s?|hours?|hrs?|h)\b", re.IGNORECASE)


def with_giving(
    found: Sequence[Procedure], document: Document, visit: Encounter, table: Procedures
) -> tuple[Procedure, ...]:
    """The services with those of giving their drugs, where the note tells the way and no procedure includes it."""
    told = [p for p in found if p.code not in GIVEN_BY]
    if facility(visit) or any(includes(INTO_MUSCLE, p.code) for p in told):
        return tuple(told) if len(told) < len(found) and not _drugs(told) else tuple(found)
    ways = [(way, p) for p in _drugs(told) if (way := _way(p, document))]
    if not ways:
        return tuple(found)
    given: list[Procedure] = []
    for way in dict.fromkeys(way for way, _ in ways):
        mine = [p for w, p in ways if w == way]
        if way == PUSH:
            first = PUSH if all(w != INFUSION for w, _ in ways) else FURTHER_PUSH
            given.append(_giving(mine[0], first, 1, table))
            if len(mine) > 1:
                given.append(_giving(mine[1], FURTHER_PUSH, len(mine) - 1, table))
        else:
            given.append(_giving(mine[0], way, len(mine) if way == INTO_MUSCLE else 1, table))
    return (*told, *given)


def _drugs(found: Sequence[Procedure]) -> list[Procedure]:
    return [p for p in found if _DRUG.fullmatch(p.code) and not _NOT_INJECTED.fullmatch(p.code)]


def _way(drug: Procedure, document: Document) -> str | None:
    """The code of the way in which a drug was given; None where nothing tells it."""
    for span in drug.evidence:
        for said in (span.of(document.text), span.line_of(document.text).of(document.text)):
            over = _OVER.search(said)
            if _VEIN.search(said) or over:
                return INFUSION if over and _minutes(over) >= LEAST_INFUSION else PUSH
            if _MUSCLE.search(said):
                return INTO_MUSCLE
    return None


def _minutes(over: re.Match[str]) -> int:
    number = int(over["number"]) if over["number"].isdigit() else 1
    return number if over["unit"].lower().startswith("min") else number * 60


def _giving(drug: Procedure, code: str, units: int, table: Procedures) -> Procedure:
    known = table.get(code)
    return replace(
        drug,
        code=code,
        system=known.system if known else drug.system,
        description=known.description if known else "",
        units=units,
        modifiers=(),
        modifier_reasons=(),
        alternatives=(),
        rationale=f"gives {drug.code}",
    )
