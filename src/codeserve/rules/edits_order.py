"""Edits of the order of the diagnoses: what may be first-listed, what goes before and after what.

Source: ICD-10-CM Official Guidelines I.A.13, I.A.17, I.B.10, I.C.20.a.6, I.C.21.c.16; the tabular list's "code first"
and "use additional code"; data/rules/sequence.tsv.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from codeserve.codesets.icd10cm import Icd10cm
from codeserve.rules import edits_tabular as tabular
from codeserve.rules.edits_case import Case
from codeserve.rules.edits_words import say
from codeserve.rules.results import Diagnosis, Finding, Role
from codeserve.rules.stems import Stems
from codeserve.rules.tables import rows

# The titles of manifestations (I.A.13), and not those of organisms "as the cause of diseases classified elsewhere".
MANIFESTATION = re.compile(r"\b(?:in|due to) (?:[a-z]+ )*(?:diseases?|conditions) classified elsewhere")


def order_edits(case: Case) -> Iterator[Finding]:
    if case.diagnoses:
        yield from _first_listed(case.diagnoses[0], case)
    yield from _only_first(case)
    yield from _code_first(case)
    yield from _additional(case)


def _first_listed(first: Diagnosis, case: Case) -> Iterator[Finding]:
    if first.role is Role.EXTERNAL_CAUSE or first.code[:1] in "VWXY":
        yield say("icd-external-cause-first", (first.code,))
        return
    if _manifestation(case.icd, first.code):
        yield say("icd-manifestation-first", (first.code,))
    elif row := _place(first.code, "never_first"):
        yield say("icd-never-first", (first.code,), why=row["why"], section=row["source"])
    elif first.code[0] in "ST" and len(first.code) == 8 and first.code[-1] == "S" and len(case.diagnoses) > 1:
        yield say("icd-sequela-first", (first.code,))


def _only_first(case: Case) -> Iterator[Finding]:
    for d in case.diagnoses[1:]:
        row = _place(d.code, "only_first")
        if row and _place(case.diagnoses[0].code, "only_first") is None:
            yield say("icd-only-first", (d.code,), why=row["why"], section=row["source"])


@lru_cache(maxsize=8192)
def _place(code: str, place: str) -> dict[str, str] | None:
    return next((row for row in _sequence().of(code) if row["place"] == place), None)


@lru_cache(maxsize=1)
def _sequence() -> Stems[dict[str, str]]:
    return Stems((row["stem"], row) for row in rows("sequence.tsv"))


@lru_cache(maxsize=8192)
def _manifestation(icd: Icd10cm, code: str) -> bool:
    return code in icd and bool(MANIFESTATION.search(icd.description(code).lower()))


def _code_first(case: Case) -> Iterator[Finding]:
    """Where a "code first" note names codes: one of them that stands behind is out of order; a manifestation without
    any of them lacks its cause, and so may what asks for an underlying condition."""
    for d in case.diagnoses:
        ranges = tabular.instructions(case.icd, d.code).code_first
        causes = [o for o in case.diagnoses if o.code != d.code and ranges.name(o.code)] if ranges else []
        behind = [o.code for o in causes if o.sequence > d.sequence]
        if behind and len(behind) == len(causes):
            yield say("icd-code-first", (d.code, *behind), cause=behind[0], code=d.code)
        if ranges and not causes and _manifestation(case.icd, d.code):
            yield say("icd-manifestation-alone", (d.code,))
        elif ranges and not causes and tabular.instructions(case.icd, d.code).wants_underlying:
            yield say("icd-code-first-missing", (d.code,), code=d.code)


def _additional(case: Case) -> Iterator[Finding]:
    """A code that must be added after another: absent, or listed before it."""
    for d in case.diagnoses:
        for note, ranges in tabular.instructions(case.icd, d.code).additional:
            named = [o for o in case.diagnoses if o.code != d.code and ranges.name(o.code)]
            before = [o.code for o in named if o.sequence < d.sequence]
            if not named:
                yield say("icd-use-additional", (d.code,), note=note)
            elif len(before) == len(named) and not _told_by_code_first(case, before, d.code):
                yield say("icd-additional-before", (d.code, *before), code=d.code, added=before[0])


def _told_by_code_first(case: Case, before: list[str], code: str) -> bool:
    return any(tabular.instructions(case.icd, one).code_first.name(code) for one in before)
