"""Claims as tables of cases write them (tests/rules/data/edit_cases.yaml).

A line is "20610-RT-59 x2 @1,2": code, modifiers, units, pointers. `tables` names files of tests/rules/data/tables that
are imported first; `note` says what the chain read in a note, `proposed` which visit was proposed from one, and with
`text` the rules of E/M themselves propose it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from codeserve.codesets import CodeSets, releases
from codeserve.codesets.imports import KINDS, import_table
from codeserve.codesets.reference import Reference
from codeserve.rules.claim import Claim, Line, validate
from codeserve.rules.claim_support import Note
from codeserve.rules.em import decide_em
from codeserve.rules.encounter import Encounter, RecentProcedure
from codeserve.rules.findings import check
from codeserve.rules.payer_rules import examples
from codeserve.rules.results import Alternative, Diagnosis, Em, Finding, Procedure, Role
from tests.rules.making import diagnosis, document, em, named, procedure

DAY = date(2026, 5, 4)
APRIL, OCTOBER = date(2026, 4, 1), date(2026, 10, 1)
TABULAR = "icd10cm-tabular.xml"
TABLES = Path(__file__).parent / "data" / "tables"
WRITTEN = re.compile(r"(?P<code>[^\s-]+)(?P<modifiers>(?:-\w+)*)(?: x(?P<units>\d+))?(?: @(?P<pointers>[\d,]*))?")
Case = Mapping[str, Any]


def findings(case: Case, codesets: CodeSets) -> tuple[Finding, ...]:
    """What the edits say about a case: a claim, or (with `proposed` or `text`) what was proposed from a note."""
    encounter = encounter_of(case.get("encounter", {}))
    codes, lines = case.get("diagnoses", []), [line_of(text) for text in case.get("lines", [])]
    services = tuple(procedure(x.code, x.modifiers, x.diagnosis_pointers, x.units) for x in lines)
    if "text" in case:
        read, told = document(case["text"]), named(case["text"], *(tuple(pair) for pair in case["named"]))
        visit = decide_em(read, told, services, encounter)
        return check(told, services, visit, encounter, codesets, examples())
    if "proposed" in case:
        return check(_diagnoses(codes), services, _visit(case["proposed"]), encounter, codesets, examples())
    claim = Claim.of(encounter, codes * case.get("times", 1), lines, codesets)
    return validate(claim, codesets, examples(), _note(case["note"]) if "note" in case else None)


def line_of(text: str) -> Line:
    match = WRITTEN.fullmatch(text)
    assert match, text
    pointers = tuple(int(p) for p in match["pointers"].split(",") if p) if match["pointers"] is not None else (1,)
    return Line(match["code"], tuple(match["modifiers"].split("-")[1:]), int(match["units"] or 1), pointers)


def encounter_of(told: Mapping[str, Any]) -> Encounter:
    """The visit of DAY unless the case says otherwise; a recent service is "27447-LT 2026-04-10"."""
    recent = []
    for text in told.get("recent", ()):
        line, day = text.split()
        recent.append(RecentProcedure(line_of(line).code, date.fromisoformat(day), line_of(line).modifiers))
    rest = {name: value for name, value in told.items() if name != "recent"}
    return Encounter(**{"date_of_service": DAY, **rest, "recent_procedures": tuple(recent)})


def with_tables(codesets: CodeSets, names: tuple[str, ...], home: Path) -> CodeSets:
    """The code sets after the import of "ncci-mue.csv" and the like."""
    for name in names:
        if name == TABULAR:
            releases.import_release(home, TABLES / name, TABLES / "icd10cm-codes.txt", OCTOBER)
        else:
            import_table(home, KINDS[Path(name).stem], [TABLES / name], APRIL)
    return replace(codesets, reference=Reference.load(home), other_releases=releases.imported(home))


def _diagnoses(written: list[str]) -> tuple[Diagnosis, ...]:
    """ "I10", "Z79.4 status", or "M17.11 or M17.9" with what it may be instead."""
    return tuple(_diagnosis(text, number) for number, text in enumerate(written, 1))


def _diagnosis(written: str, number: int) -> Diagnosis:
    code, _, rest = written.partition(" ")
    made = diagnosis(code, sequence=number)
    if rest == "status":
        return replace(made, role=Role.STATUS)
    others = tuple(Alternative(other, "", 0.1) for other in rest.removeprefix("or ").split())
    return replace(made, alternatives=others)


def _visit(told: Mapping[str, Any]) -> Em | None:
    """{code, level, rationale, notices, modifiers}; {} is no visit."""
    if not told:
        return None
    made = em(told["code"], told.get("level", "low"), told.get("rationale", ""))
    return replace(made, notices=tuple(told.get("notices", ())), modifiers=tuple(told.get("modifiers", ())))


def _note(told: Mapping[str, Any]) -> Note:
    services: list[Procedure] = []
    for line in map(line_of, told.get("lines", ())):
        services.append(procedure(line.code, line.modifiers, line.diagnosis_pointers, line.units))
    return Note(_diagnoses(told.get("diagnoses", [])), tuple(services), _visit(told.get("visit", {})))
