"""Edits: what a certified coder would object to, each with its rule, its source and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from codeserve.codesets import CodeSets
from codeserve.rules.encounter import Encounter
from codeserve.rules.results import Diagnosis, Em, Finding, Procedure, Role, Severity
from codeserve.rules.tables import rows

SIDES = {"right": "RT", "left": "LT"}


def check(
    diagnoses: Sequence[Diagnosis],
    procedures: Sequence[Procedure],
    em: Em | None,
    encounter: Encounter,
    codesets: CodeSets,
) -> tuple[Finding, ...]:
    """All findings in a stable order, errors first; ids count from F1."""
    found = [
        *_billable(diagnoses, codesets),
        *_excludes(diagnoses, codesets),
        *_first_listed(diagnoses, codesets),
        *_side(diagnoses),
        *_sex_and_age(diagnoses, encounter),
        *_side_modifiers(diagnoses, procedures),
        *_pairs(procedures),
        *_justified(diagnoses, procedures),
        *_visit(em, procedures, encounter),
    ]
    order = [Severity.ERROR, Severity.WARNING, Severity.INFO]
    ranked = sorted(found, key=lambda finding: order.index(finding.severity))
    return tuple(
        Finding(f"F{n}", f.severity, f.rule, f.source, f.message, f.codes, f.suggestion)
        for n, f in enumerate(ranked, 1)
    )


def _finding(
    severity: Severity, rule: str, source: str, message: str, codes: Sequence[str] = (), suggestion: str = ""
) -> Finding:
    return Finding("", severity, rule, source, message, tuple(codes), suggestion)


def _billable(diagnoses: Sequence[Diagnosis], codesets: CodeSets) -> Iterator[Finding]:
    for d in diagnoses:
        if not codesets.icd.is_billable(d.code):
            yield _finding(
                Severity.ERROR, "icd-not-billable", "ICD-10-CM guidelines I.B.2", "not a billable code", (d.code,)
            )


def _excludes(diagnoses: Sequence[Diagnosis], codesets: CodeSets) -> Iterator[Finding]:
    """A warning: unrelated conditions may stand together (I.A.12.a)."""
    for one, other in combinations((d.code for d in diagnoses), 2):
        if any(r.matches(other) for r in codesets.icd.excludes1(one)) or any(
            r.matches(one) for r in codesets.icd.excludes1(other)
        ):
            yield _finding(
                Severity.WARNING,
                "icd-excludes1",
                "ICD-10-CM guidelines I.A.12.a; tabular list, Excludes1",
                "these codes exclude each other unless the conditions are unrelated",
                (one, other),
                "keep the one that describes the condition, or document that they are unrelated",
            )


def _first_listed(diagnoses: Sequence[Diagnosis], codesets: CodeSets) -> Iterator[Finding]:
    if not diagnoses:
        return
    first = diagnoses[0]
    if first.role is Role.EXTERNAL_CAUSE:
        yield _finding(
            Severity.ERROR,
            "icd-external-cause-first",
            "ICD-10-CM guidelines I.C.20.a.6",
            "never first-listed",
            (first.code,),
        )
    if "in diseases classified elsewhere" in first.description:
        yield _finding(
            Severity.ERROR,
            "icd-manifestation-first",
            "ICD-10-CM guidelines I.A.13",
            "a manifestation is never first-listed",
            (first.code,),
            "list the underlying disease first",
        )
    for d in diagnoses:
        notes = codesets.icd.inherited(d.code, "codeFirst")
        if notes and d is first and "diabetes" in " ".join(notes).lower():
            yield _finding(
                Severity.INFO, "icd-code-first", "ICD-10-CM guidelines I.A.13", "has a code first note", (d.code,)
            )


def _side(diagnoses: Sequence[Diagnosis]) -> Iterator[Finding]:
    for d in diagnoses:
        if "side not stated" in d.rationale:
            yield _finding(
                Severity.WARNING,
                "icd-side-unspecified",
                "ICD-10-CM guidelines I.B.13",
                "the side is not documented",
                (d.code,),
                "ask which side is affected",
            )


def _sex_and_age(diagnoses: Sequence[Diagnosis], encounter: Encounter) -> Iterator[Finding]:
    for row in rows("sex_age.tsv"):
        for d in (d for d in diagnoses if d.code.startswith(row["stem"])):
            wrong_sex = row["sex"] and encounter.sex in ("male", "female") and encounter.sex != row["sex"]
            low, high = int(row["from"] or 0), int(row["to"] or 200)
            wrong_age = encounter.age is not None and not low <= encounter.age <= high
            if wrong_sex or wrong_age:
                yield _finding(
                    Severity.WARNING,
                    "icd-sex-age",
                    "this project's table sex_age.tsv",
                    f"unusual for the patient's {'sex' if wrong_sex else 'age'}",
                    (d.code,),
                    "check the code and the patient's data",
                )


def _side_modifiers(diagnoses: Sequence[Diagnosis], procedures: Sequence[Procedure]) -> Iterator[Finding]:
    for p in procedures:
        pointed = [d for d in diagnoses if d.sequence in p.diagnosis_pointers]
        for d in pointed:
            said = [side for side in SIDES if f"{side} " in d.description.lower()]
            if len(said) == 1 and {"RT", "LT"} & set(p.modifiers) - {SIDES[said[0]]}:
                yield _finding(
                    Severity.ERROR,
                    "side-conflict",
                    "CMS Claims Processing Manual, chapter 4, 20.6",
                    "the diagnosis names one side, the modifier the other",
                    (d.code, p.code),
                )


def _pairs(procedures: Sequence[Procedure]) -> Iterator[Finding]:
    """Well-known pairs of a starter table; an import of CMS's files takes its place."""
    codes = {p.code: p for p in procedures}
    for row in rows("ncci_starter.tsv"):
        if row["column1"] in codes and row["column2"] in codes:
            allowed = row["modifier_indicator"] == "1"
            yield _finding(
                Severity.WARNING if allowed else Severity.ERROR,
                "ncci-ptp",
                "NCCI policy manual; starter table of this project",
                "the second is part of the first" + (" unless it was separate" if allowed else ""),
                (row["column1"], row["column2"]),
                "modifier 59 or X{EPSU} if documented as separate" if allowed else "leave the second out",
            )


def _justified(diagnoses: Sequence[Diagnosis], procedures: Sequence[Procedure]) -> Iterator[Finding]:
    if procedures and not diagnoses:
        yield _finding(
            Severity.ERROR,
            "procedure-without-diagnosis",
            "CMS-1500 item 24E",
            "no diagnosis justifies what was done",
            tuple(p.code for p in procedures),
            "document the reason for the service",
        )


def _visit(em: Em | None, procedures: Sequence[Procedure], encounter: Encounter) -> Iterator[Finding]:
    if em is None:
        return
    if "inferred" in em.rationale:
        yield _finding(
            Severity.INFO,
            "em-patient-status-inferred",
            "CPT E/M guidelines, new and established patient",
            "new or established was not told and is inferred from the note",
            (em.code,),
            "send patient_status",
        )
    minor = [p.code for p in procedures if p.code[:1].isdigit() and "10000" < p.code < "69999"]
    if minor and em.code[:3] in ("992", "993"):
        yield _finding(
            Severity.INFO,
            "em-modifier-25",
            "CPT appendix A, modifier 25; NCCI policy manual I.D",
            "a minor procedure on the same day: the visit needs modifier 25 if it was significant and separate",
            (em.code, *minor),
            "append modifier 25 to the E/M code where the note supports it",
        )
