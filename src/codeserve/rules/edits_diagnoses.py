"""Edits of the diagnoses: codes that exist and are complete, codes that exclude each other, sides, symptoms.

Source: ICD-10-CM Official Guidelines for Coding and Reporting, sections named in data/rules/findings.tsv; the CDC's
tabular list. The order of the diagnoses is in edits_order.py, age and sex in edits_patient.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from itertools import combinations

from codeserve.rules import edits_tabular as tabular
from codeserve.rules.edits_case import Case
from codeserve.rules.edits_words import say
from codeserve.rules.results import Finding, Role
from codeserve.rules.stems import Stems
from codeserve.rules.tables import rows

SHOWN = 6  # codes that a suggestion names, at most
EXCLUDES2 = 12  # diagnoses of one claim: what information there is about more is too much to read


def diagnosis_edits(case: Case) -> Iterator[Finding]:
    yield from _known(case)
    yield from _twice(case)
    yield from _excludes(case)
    yield from _side(case)
    yield from _two_sides(case)
    yield from _integral_symptoms(case)


def _known(case: Case) -> Iterator[Finding]:
    release = case.icd.version
    for code in dict.fromkeys(d.code for d in case.diagnoses):
        wrong, stem, usable = tabular.ending(case.icd, code)
        if wrong == "unknown" and code in case.codesets.icd:
            yield say("icd-not-on-date", (code,), release=release, other=case.codesets.icd.version, day=case.day)
        elif wrong:
            few = ", ".join(usable[:SHOWN])
            characters = ", ".join(sorted({c[-1] for c in usable}))
            yield say(f"icd-{wrong}", (code,), release=release, stem=stem, use=few, characters=characters)


def _twice(case: Case) -> Iterator[Finding]:
    for code, number in Counter(d.code for d in case.diagnoses).items():
        if number > 1:
            yield say("icd-duplicate", (code,), number=number)


def _excludes(case: Case) -> Iterator[Finding]:
    """What excludes each other, by the list's notes; pairs that never_together.tsv bars are told apart."""
    codes = list(dict.fromkeys(d.code for d in case.diagnoses))
    notes = {code: tabular.instructions(case.icd, code) for code in codes}
    few = len(codes) <= EXCLUDES2
    for one, other in combinations(codes, 2):
        if row := _apart(one, other):
            yield say("icd-never-together", (one, other), why=row["why"], section=row["source"])
        elif notes[one].excludes1.name(other) or notes[other].excludes1.name(one):
            yield say("icd-excludes1", (one, other))
        elif few and (notes[one].excludes2.name(other) or notes[other].excludes2.name(one)):
            yield say("icd-excludes2", (one, other))


def _apart(one: str, other: str) -> dict[str, str] | None:
    """The row of never_together.tsv that bars two different codes, or None."""
    (first, second), (others_first, others_second) = _bars(one), _bars(other)
    barred = (first & others_second) | (others_first & second)
    return rows("never_together.tsv")[min(barred)] if barred else None


@lru_cache(maxsize=8192)
def _bars(code: str) -> tuple[frozenset[int], frozenset[int]]:
    """The places of the rows whose first, and whose second, a code fits."""
    first, second = _barring()
    table = rows("never_together.tsv")
    fitting = (
        place for place in second.of(code) if not code.startswith(tuple((table[place]["but"] or "-").split("|")))
    )
    return frozenset(first.of(code)), frozenset(fitting)


@lru_cache(maxsize=1)
def _barring() -> tuple[Stems[int], Stems[int]]:
    """The places of the rows by the beginnings of their first and of their second; "=" is the same as the first."""
    table = list(enumerate(rows("never_together.tsv")))
    first = ((stem, place) for place, row in table for stem in row["first"].split("|"))
    seconds = ((place, row["first"] if row["second"] == "=" else row["second"]) for place, row in table)
    return Stems(first), Stems((stem, place) for place, stems in seconds for stem in stems.split("|"))


def _side(case: Case) -> Iterator[Finding]:
    for d in case.diagnoses:
        if case.codesets.concepts.leaves_side_open(d.code):
            yield say("icd-side-unspecified", (d.code,))


def _two_sides(case: Case) -> Iterator[Finding]:
    """Right and left apart where the classification has one code for both."""
    seen: dict[str, dict[str, str]] = {}
    for d in case.diagnoses:
        concept = case.codesets.concepts.of(d.code)
        member = next((m for m in concept.members if m.code == d.code), None) if concept else None
        if concept is None or member is None or member.side not in ("right", "left"):
            continue
        of_concept = seen.setdefault(f"{concept.key}{member.seventh}{member.trimester}", {})
        of_concept.setdefault(member.side, d.code)
        both = next((m.code for m in concept.members if m.side == "bilateral" and m[2:4] == member[2:4]), None)
        if len(of_concept) == 2 and both and d.code in of_concept.values():
            yield say("icd-two-sides", (of_concept["right"], of_concept["left"]), both=both)


def _integral_symptoms(case: Case) -> Iterator[Finding]:
    """Guideline I.B.5: a symptom that belongs to a definitive diagnosis is not coded beside it."""
    told: set[str] = set()
    assessed = [d.code for d in case.diagnoses if d.role is Role.ASSESSED]
    for cause in assessed:
        for symptoms, section in _symptoms_of(cause):
            for d in case.diagnoses:
                if d.code not in told and d.code != cause and d.code.startswith(symptoms):
                    told.add(d.code)
                    yield say("icd-symptom-with-cause", (d.code, cause), symptom=d.code, section=section)


@lru_cache(maxsize=8192)
def _symptoms_of(code: str) -> tuple[tuple[tuple[str, ...], str], ...]:
    return _symptoms().of(code)


@lru_cache(maxsize=1)
def _symptoms() -> Stems[tuple[tuple[str, ...], str]]:
    return Stems((r["diagnosis"], (tuple(r["symptoms"].split()), r["source"])) for r in rows("integral_symptoms.tsv"))
