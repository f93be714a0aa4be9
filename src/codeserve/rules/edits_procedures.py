"""Edits of the procedures: pairs, units, sides, and the diagnoses that justify them.

Source: CMS's National Correct Coding Initiative (PTP, MUE); CMS Claims Processing Manual; starter tables of this
project until CMS's files are imported.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from codeserve.codesets import CodeSets
from codeserve.rules.procedures import justifies, reasons_known
from codeserve.rules.results import Diagnosis, Finding, Procedure, Role, Severity, finding

SIDES = {"right": "RT", "left": "LT"}
BYPASS = frozenset({"59", "XE", "XP", "XS", "XU", "91", "RT", "LT", "24", "25", "57", "58", "78", "79"})
PRODUCTS = ("906", "907", "913", "914")
VACCINE_GIVEN = ("90460", "90471", "90473", "90480", "G0008", "G0009", "G0010")


def procedure_edits(
    diagnoses: Sequence[Diagnosis], procedures: Sequence[Procedure], codesets: CodeSets
) -> Iterator[Finding]:
    yield from _known(procedures, codesets)
    yield from _twice(procedures)
    yield from _side_conflicts(diagnoses, procedures)
    yield from _side_missing(procedures, codesets)
    yield from _pairs(procedures, codesets)
    yield from _units(procedures, codesets)
    yield from _justified(diagnoses, procedures)
    yield from _vaccines(procedures)


def _known(procedures: Sequence[Procedure], codesets: CodeSets) -> Iterator[Finding]:
    for p in procedures:
        if p.code not in codesets.procedures:
            yield finding(
                Severity.WARNING,
                "procedure-unknown",
                "the installed procedure tables",
                "this code is not in the installed tables, so no rule for it was checked",
                (p.code,),
                "import the current CPT or HCPCS release",
            )


def _twice(procedures: Sequence[Procedure]) -> Iterator[Finding]:
    for (code, _), number in Counter((p.code, p.modifiers) for p in procedures).items():
        if number > 1:
            yield finding(
                Severity.WARNING,
                "procedure-duplicate",
                "CMS Claims Processing Manual, chapter 1, section 120",
                "the same service stands on two lines with the same modifiers",
                (code,),
                "bill units, or modifier 76 or 77 for a repeated service",
            )


def _side_conflicts(diagnoses: Sequence[Diagnosis], procedures: Sequence[Procedure]) -> Iterator[Finding]:
    for p in procedures:
        stated = {"RT", "LT"} & set(p.modifiers)
        for d in diagnoses:
            told = d.description.lower().replace(",", " ").split()
            sides = [side for side in SIDES if side in told]
            if d.sequence in p.diagnosis_pointers and len(sides) == 1 and stated - {SIDES[sides[0]]}:
                yield finding(
                    Severity.ERROR,
                    "side-conflict",
                    "CMS Claims Processing Manual, chapter 4, section 20.6",
                    "the diagnosis names one side, the modifier the other",
                    (d.code, p.code),
                    "check the side in the note",
                )


def _side_missing(procedures: Sequence[Procedure], codesets: CodeSets) -> Iterator[Finding]:
    for p in procedures:
        code = codesets.procedures.get(p.code)
        if code and "side" in code.needs and not {"RT", "LT", "50"} & set(p.modifiers):
            yield finding(
                Severity.INFO,
                "procedure-side-missing",
                "CMS Claims Processing Manual, chapter 4, section 20.6",
                "the service is done on one of two sides, and none is stated with it",
                (p.code,),
                "document the side; append RT, LT or 50",
            )


def _pairs(procedures: Sequence[Procedure], codesets: CodeSets) -> Iterator[Finding]:
    """Silent where a modifier that CMS accepts stands on the second code and the indicator allows one."""
    codes = {p.code: p for p in procedures}
    for edit in codesets.reference.pairs(tuple(codes), None):
        allowed = edit.indicator == "1"
        if allowed and BYPASS & set(codes[edit.column2].modifiers):
            continue
        yield finding(
            Severity.WARNING if allowed else Severity.ERROR,
            "ncci-ptp",
            f"NCCI Policy Manual for Medicare Services; {edit.table.source}",
            f"{edit.column2} is part of {edit.column1}" + (" unless it was separate" if allowed else ""),
            (edit.column1, edit.column2),
            "modifier 59 or X{EPSU} if documented as separate" if allowed else f"leave {edit.column2} out",
        )


def _units(procedures: Sequence[Procedure], codesets: CodeSets) -> Iterator[Finding]:
    total: Counter[str] = Counter()
    for p in procedures:
        total[p.code] += p.units
    for code, units in total.items():
        edit = codesets.reference.units(code, None)
        if edit and units > edit.units:
            yield finding(
                Severity.WARNING,
                "mue-units",
                f"NCCI medically unlikely edits; {edit.table.source}",
                f"{units} units, more than {edit.units}: {edit.rationale}",
                (code,),
                "check the units",
            )


def _justified(diagnoses: Sequence[Diagnosis], procedures: Sequence[Procedure]) -> Iterator[Finding]:
    if procedures and not any(d.role is not Role.EXTERNAL_CAUSE for d in diagnoses):
        yield finding(
            Severity.ERROR,
            "procedure-without-diagnosis",
            "CMS-1500 instructions, item 24E (Claims Processing Manual, chapter 26, section 10.4)",
            "no diagnosis justifies what was done",
            tuple(p.code for p in procedures),
            "document the reason for the service",
        )
        return
    for p in procedures:
        pointed = [d.code for d in diagnoses if d.sequence in p.diagnosis_pointers]
        if reasons_known(p.code) and not any(justifies(code, p.code) for code in pointed):
            yield finding(
                Severity.WARNING,
                "procedure-reason",
                "this project's table procedure_reasons.tsv; no payer's policy",
                "none of the diagnoses is a common reason for this service",
                (p.code, *pointed),
                "document the reason for the service, or check the pointer",
            )


def _vaccines(procedures: Sequence[Procedure]) -> Iterator[Finding]:
    products = [p.code for p in procedures if p.code.startswith(PRODUCTS)]
    if products and not any(p.code in VACCINE_GIVEN for p in procedures):
        yield finding(
            Severity.INFO,
            "vaccine-without-administration",
            "CPT guidelines, immunization administration for vaccines/toxoids",
            "a vaccine without the code for giving it",
            products,
            "add the administration code by age, route and payer",
        )
