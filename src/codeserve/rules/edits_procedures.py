"""Edits of the service lines: codes and units that exist, pointers, sides, and vaccines with their giving.

Source: CMS Claims Processing Manual, sections named in data/rules/findings.tsv. Pairs, units and add-on codes are in
edits_ncci.py, modifiers in edits_modifiers.py, global periods in edits_global.py, necessity in edits_necessity.py.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from codeserve.rules.edits_case import MOST_POINTERS, Case
from codeserve.rules.edits_words import say
from codeserve.rules.results import Diagnosis, Finding, Procedure, Role
from codeserve.rules.tables import rows
from codeserve.rules.vaccines import is_first_giving, is_vaccine

SIDES = {"right": "RT", "left": "LT"}
RIGHT = frozenset({"RT", "E3", "E4", *(f"F{n}" for n in range(5, 10)), *(f"T{n}" for n in range(5, 10))})
LEFT = frozenset({"LT", "E1", "E2", "FA", "TA", *(f"{x}{n}" for x in "FT" for n in range(1, 5))})
SIDED = RIGHT | LEFT | {"50"}
REPEATED = frozenset({"76", "77", "91"})
WASTE = frozenset({"JW", "JZ"})
MOST_UNITS = 9_999
FORM = re.compile(r"\d{4}[0-9A-Z]|[A-V]\d{4}", re.ASCII)


def procedure_edits(case: Case) -> Iterator[Finding]:
    yield from _known(case)
    yield from _amounts(case)
    yield from _pointers(case)
    yield from _twice(case)
    yield from _side_conflicts(case)
    yield from _side_missing(case)
    yield from _vaccines(case)
    yield from _single_doses(case)


def _known(case: Case) -> Iterator[Finding]:
    for number, line in enumerate(case.lines, 1):
        if not FORM.fullmatch(line.code):
            yield say("procedure-form", (line.code,), line=number)
        elif not _listed(line.code, case):
            yield say("procedure-unknown", (line.code,), line=number)


def _listed(code: str, case: Case) -> bool:
    reference = case.codesets.reference
    return code in case.codesets.procedures or bool(
        reference.hcpcs(code, case.day) or reference.fee(code, day=case.day)
    )


def _amounts(case: Case) -> Iterator[Finding]:
    for number, line in enumerate(case.lines, 1):
        if not 1 <= line.units <= MOST_UNITS:
            yield say("units-impossible", (line.code,), line=number, units=line.units, most=MOST_UNITS)


def _pointers(case: Case) -> Iterator[Finding]:
    """Every line points to one to four diagnoses of the claim, none twice, and not to an external cause first."""
    if case.lines and not any(d.role is not Role.EXTERNAL_CAUSE for d in case.diagnoses):
        yield say("procedure-without-diagnosis", dict.fromkeys(line.code for line in case.lines))
        return
    known = {d.sequence: d for d in case.diagnoses}
    for number, line in enumerate(case.lines, 1) if case.billed else ():
        yield from _of_line(number, line, known)


def _of_line(number: int, line: Procedure, known: dict[int, Diagnosis]) -> Iterator[Finding]:
    pointers = line.diagnosis_pointers
    if not pointers:
        yield say("pointer-missing", (line.code,), line=number)
    if lost := [p for p in pointers if p not in known]:
        yield say("pointer-unknown", (line.code,), line=number, pointers=_list(lost[:MOST_POINTERS]), most=len(known))
    if len(pointers) > MOST_POINTERS:
        yield say("pointer-too-many", (line.code,), line=number, number=len(pointers), most=MOST_POINTERS)
    if len(set(pointers)) < len(pointers):
        yield say("pointer-twice", (line.code,), line=number)
    first = known.get(pointers[0]) if pointers else None
    if first and first.role is Role.EXTERNAL_CAUSE:
        yield say("pointer-external-cause", (line.code, first.code), line=number)


def _list(numbers: list[int]) -> str:
    return ", ".join(str(n) for n in numbers)


def _twice(case: Case) -> Iterator[Finding]:
    for (code, _), number in Counter((p.code, p.modifiers) for p in case.lines).items():
        if number > 1:
            yield say("procedure-duplicate", (code,), number=number)


def _side_conflicts(case: Case) -> Iterator[Finding]:
    """A line's modifiers name one side, all diagnoses that it points to and that have a side name the other."""
    for line in case.lines:
        stated = {"right"} if RIGHT & set(line.modifiers) else set()
        stated |= {"left"} if LEFT & set(line.modifiers) else set()
        told = {d.code: side for d in case.pointed(line) if (side := _side_of(d, case))} if stated else {}
        if told and not stated & set(told.values()):
            yield say("side-conflict", (*told, line.code), side=_words(set(told.values())), stated=_words(stated))


def _side_of(d: Diagnosis, case: Case) -> str:
    """ "right" or "left" where the code says so; "" where it says neither or both."""
    concept = case.codesets.concepts.of(d.code)
    of_code = {m.side for m in concept.members if m.code == d.code} if concept else set()
    if of_code & {"right", "left"}:
        return next(iter(of_code)) or ""
    words = d.description.lower().replace(",", " ").split()
    sides = [side for side in SIDES if side in words]
    return sides[0] if len(sides) == 1 else ""


def _words(sides: set[str]) -> str:
    return " and ".join(sorted(sides))


def _side_missing(case: Case) -> Iterator[Finding]:
    for line in case.lines:
        code = case.codesets.procedures.get(line.code)
        if code and "side" in code.needs and not SIDED & set(line.modifiers):
            yield say("procedure-side-missing", (line.code,))


def _single_doses(case: Case) -> Iterator[Finding]:
    listed = {row["code"] for row in rows("single_dose.tsv")} if case.encounter.medicare else set()
    for code in dict.fromkeys(line.code for line in case.lines if line.code in listed):
        if not any(WASTE & set(line.modifiers) for line in case.lines if line.code == code):
            yield say("drug-waste-missing", (code,), code=code)


def _vaccines(case: Case) -> Iterator[Finding]:
    products = [p.code for p in case.lines if is_vaccine(p.code)]
    if products and not any(is_first_giving(p.code) for p in case.lines):
        yield say("vaccine-without-administration", products)
