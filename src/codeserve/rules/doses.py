"""Units of a drug from the documented dose: HCPCS codes name the amount of one unit.

Source: CMS Claims Processing Manual, chapter 17, section 10 (drugs are billed in the units of the code's descriptor).
"""

from __future__ import annotations

import math
import re

from codeserve.codesets.procedures import ProcedureCode
from codeserve.notes.spans import Span

MOST = 999
TIMES_WITHIN = 40  # characters behind a dose
_AMOUNT = r"(?P<number>\d[\d,]*(?:\.\d+)?)\s*(?P<million>million)?\s*(?P<unit>mcg|mg|g|grams?|units?|iu|ml)\b"
_DOSE = re.compile(_AMOUNT, re.IGNORECASE)
_PER_UNIT = re.compile(rf"(?:,|per)\s+(?:up to\s+)?{_AMOUNT}", re.IGNORECASE)
_TIMES = re.compile(r"\bx ?(?P<times>[2-9])\b(?! ?(?:/|d\b|days?|weeks?|wks?|months?))", re.IGNORECASE)
_EACH = re.compile(r"\b(?:each|per (?:side|knee|joint|shoulder))\b", re.IGNORECASE)
_BOTH = re.compile(r"\b(?:both|bilateral(?:ly)?|two)\b", re.IGNORECASE)
# Every mass in milligrams; volumes and units stand for themselves.
_IN = {"mcg": ("mg", 0.001), "mg": ("mg", 1.0), "g": ("mg", 1000.0), "gram": ("mg", 1000.0), "iu": ("unit", 1.0)}


def units(code: ProcedureCode, said: str, term: str, near: str = "") -> int:
    """The dose nearest to the drug's name over the dose of one unit, rounded up; 1 where either is not told, and for
    all but drugs. `near`: where the dose is looked for when the sentence tells none. In [1, 999]."""
    if not states_dose(said):
        said = next((line for line in near.splitlines() if term.split()[0].lower() in line.lower()), said)
    one = _PER_UNIT.search(code.description)
    if "dose" not in code.needs or not one:
        return 1
    kind, amount = _measured(one)
    found = ((_gap(m, said, term), m, _measured(m)) for m in _DOSE.finditer(said))
    doses = sorted(found, key=lambda one: (one[0], one[1].start()))
    given = next((total * _times(said, m) for _, m, (unit, total) in doses if unit == kind), None)
    if given is None or amount <= 0:
        return 1
    return max(1, min(MOST, math.ceil(round(given / amount, 6))))


def of_one_unit(code: ProcedureCode) -> tuple[str, float] | None:
    """What one unit of a drug is: "mg", "unit" or "ml", and how much; None for what is not billed by its dose."""
    one = _PER_UNIT.search(code.description) if "dose" in code.needs else None
    return _measured(one) if one else None


def amounts(said: str) -> tuple[tuple[float, str, Span], ...]:
    """The amounts of drugs in a text, each with its unit, masses in milligrams, and its place."""
    found = ((_measured(match), Span(*match.span())) for match in _DOSE.finditer(said))
    return tuple((amount, unit, place) for (unit, amount), place in found)


def _times(said: str, dose: re.Match[str]) -> int:
    """How often a dose was given: "x2", or "each" of both sides."""
    behind = said[dose.end() : dose.end() + TIMES_WITHIN]
    if times := _TIMES.search(behind):
        return int(times["times"])
    return 2 if _EACH.search(behind) and _BOTH.search(said) else 1


def states_dose(said: str) -> bool:
    """Whether an amount of a drug stands in a text."""
    return bool(_DOSE.search(said))


def _measured(match: re.Match[str]) -> tuple[str, float]:
    number = float(match["number"].replace(",", "")) * (1_000_000 if match["million"] else 1)
    written = match["unit"].lower()
    unit, factor = _IN.get(written, _IN.get(written.rstrip("s"), (written.rstrip("s"), 1.0)))
    return unit, number * factor


def _gap(dose: re.Match[str], said: str, term: str) -> int:
    """Characters between a dose and the nearest mention of the drug's first word."""
    word = term.split()[0].lower()
    places = [m.start() for m in re.finditer(re.escape(word), said.lower())]
    return min((abs(dose.start() - place) for place in places), default=0)
