"""Edits of the diagnoses: billable, exclusions, sequence, side, age and sex, symptoms beside their cause.

Source: ICD-10-CM Official Guidelines for Coding and Reporting, sections named by each rule; the CDC's tabular list.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations

from codeserve.codesets import CodeSets
from codeserve.codesets.ranges import parse_ranges
from codeserve.rules.encounter import Encounter
from codeserve.rules.results import Diagnosis, Finding, Role, Severity, finding
from codeserve.rules.tables import rows

MANIFESTATION = "in diseases classified elsewhere"


def diagnosis_edits(diagnoses: Sequence[Diagnosis], encounter: Encounter, codesets: CodeSets) -> Iterator[Finding]:
    yield from _known(diagnoses, codesets)
    yield from _twice(diagnoses)
    yield from _excludes1(diagnoses, codesets)
    yield from _first_listed(diagnoses)
    yield from _code_first(diagnoses, codesets)
    yield from _side(diagnoses, codesets)
    yield from _sex_and_age(diagnoses, encounter)
    yield from _integral_symptoms(diagnoses)


def _known(diagnoses: Sequence[Diagnosis], codesets: CodeSets) -> Iterator[Finding]:
    for d in diagnoses:
        if d.code not in codesets.icd:
            yield finding(
                Severity.ERROR,
                "icd-unknown",
                f"ICD-10-CM tabular list {codesets.icd.version}",
                "there is no such code in the installed release",
                (d.code,),
                "check the code and the date of service",
            )
        elif not codesets.icd.is_billable(d.code):
            yield finding(
                Severity.ERROR,
                "icd-not-billable",
                "ICD-10-CM guidelines I.B.2",
                "more specific codes stand below this one",
                (d.code,),
                "use one of: " + ", ".join(codesets.icd.leaves(d.code)[:6]),
            )


def _twice(diagnoses: Sequence[Diagnosis]) -> Iterator[Finding]:
    """Guideline I.B.12: each diagnosis code once an encounter."""
    for code, number in Counter(d.code for d in diagnoses).items():
        if number > 1:
            yield finding(
                Severity.ERROR, "icd-duplicate", "ICD-10-CM guidelines I.B.12", "listed more than once", (code,)
            )


def _excludes1(diagnoses: Sequence[Diagnosis], codesets: CodeSets) -> Iterator[Finding]:
    """A warning: unrelated conditions may stand together (I.A.12.a)."""
    barred = {d.code: codesets.icd.excludes1(d.code) for d in diagnoses}
    for one, other in combinations(barred, 2):
        if any(r.matches(other) for r in barred[one]) or any(r.matches(one) for r in barred[other]):
            yield finding(
                Severity.WARNING,
                "icd-excludes1",
                "ICD-10-CM guidelines I.A.12.a; tabular list, Excludes1",
                "these codes exclude each other unless the conditions are unrelated",
                (one, other),
                "keep the one that describes the condition, or document that they are unrelated",
            )


def _first_listed(diagnoses: Sequence[Diagnosis]) -> Iterator[Finding]:
    first = min(diagnoses, key=lambda d: d.sequence, default=None)
    if first is None:
        return
    if first.role is Role.EXTERNAL_CAUSE or first.code[0] in "VWXY":
        yield finding(
            Severity.ERROR,
            "icd-external-cause-first",
            "ICD-10-CM guidelines I.C.20.a.6",
            "an external cause is never first-listed",
            (first.code,),
            "list the injury or condition first",
        )
    if MANIFESTATION in first.description.lower():
        yield finding(
            Severity.ERROR,
            "icd-manifestation-first",
            "ICD-10-CM guidelines I.A.13",
            "a manifestation is never first-listed",
            (first.code,),
            "list the underlying disease first",
        )


def _code_first(diagnoses: Sequence[Diagnosis], codesets: CodeSets) -> Iterator[Finding]:
    """Where a "code first" note names codes: one of them that stands behind is out of order; a manifestation without
    any of them lacks its cause."""
    for d in diagnoses:
        named = [r for note in codesets.icd.inherited(d.code, "codeFirst") for r in parse_ranges(note)]
        causes = [o for o in diagnoses if o.code != d.code and any(r.matches(o.code) for r in named)]
        behind = [o.code for o in causes if o.sequence > d.sequence]
        if behind and len(behind) == len(causes):
            yield finding(
                Severity.WARNING,
                "icd-code-first",
                "ICD-10-CM guidelines I.A.13; tabular list, code first",
                "the underlying condition goes before this code",
                (d.code, *behind),
                f"list {behind[0]} before {d.code}",
            )
        if named and not causes and MANIFESTATION in d.description.lower():
            yield finding(
                Severity.WARNING,
                "icd-manifestation-alone",
                "ICD-10-CM guidelines I.A.13",
                "a manifestation without its underlying disease",
                (d.code,),
                "code the underlying disease first",
            )


def _side(diagnoses: Sequence[Diagnosis], codesets: CodeSets) -> Iterator[Finding]:
    for d in diagnoses:
        concept = codesets.concepts.of(d.code)
        if concept and concept.sided and all(m.side is None for m in concept.members if m.code == d.code):
            yield finding(
                Severity.WARNING,
                "icd-side-unspecified",
                "ICD-10-CM guidelines I.B.13",
                "the code does not say which side, and codes that do exist",
                (d.code,),
                "ask which side is affected",
            )


def _sex_and_age(diagnoses: Sequence[Diagnosis], encounter: Encounter) -> Iterator[Finding]:
    for row in rows("sex_age.tsv"):
        wrong = _wrong(row, encounter)
        for d in diagnoses if wrong else ():
            if d.code.startswith(row["stem"]):
                yield finding(
                    Severity.WARNING,
                    f"icd-{wrong}",
                    "this project's table sex_age.tsv, after the definitions of Medicare's code editor",
                    f"unusual for the patient's {wrong}: {row['why']}",
                    (d.code,),
                    "check the code and the patient's data",
                )


def _wrong(row: dict[str, str], encounter: Encounter) -> str:
    if row["sex"] and encounter.sex in ("male", "female") and encounter.sex != row["sex"]:
        return "sex"
    low, high = int(row["from"] or 0), int(row["to"] or 200)
    return "age" if encounter.age is not None and not low <= encounter.age <= high else ""


def _integral_symptoms(diagnoses: Sequence[Diagnosis]) -> Iterator[Finding]:
    """Guideline I.B.5: a symptom that belongs to a definitive diagnosis is not coded beside it."""
    told: set[str] = set()
    for row in rows("integral_symptoms.tsv"):
        causes = [d.code for d in diagnoses if d.code.startswith(row["diagnosis"]) and d.role is Role.ASSESSED]
        for d in diagnoses:
            if causes and d.code not in told and d.code.startswith(tuple(row["symptoms"].split())):
                told.add(d.code)
                yield finding(
                    Severity.INFO,
                    "icd-symptom-with-cause",
                    f"ICD-10-CM guidelines {row['source']}",
                    "a symptom beside a diagnosis that it commonly belongs to",
                    (d.code, causes[0]),
                    f"leave {d.code} out unless it is unrelated",
                )
