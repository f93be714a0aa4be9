"""Edits by the patient's age and sex, of diagnoses and of services.

Source: this project's tables sex_age.tsv and procedure_sex_age.tsv, after the definitions of Medicare's code editor;
the tabular list and CMS's files hold no such limits for a physician's claim. So they are warnings.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from codeserve.rules.edits_case import Case
from codeserve.rules.edits_words import say
from codeserve.rules.encounter import Encounter
from codeserve.rules.results import Finding
from codeserve.rules.stems import Stems
from codeserve.rules.tables import rows


def patient_edits(case: Case) -> Iterator[Finding]:
    if case.encounter.sex is None and case.encounter.age is None:
        return
    for d in case.diagnoses:
        yield from _unusual("icd", d.code, _limits_of_diagnosis(d.code), case.encounter)
    for line in case.lines:
        yield from _unusual("procedure", line.code, _limits_of_service(line.code), case.encounter)


def _unusual(kind: str, code: str, limits: tuple[dict[str, str], ...], encounter: Encounter) -> Iterator[Finding]:
    """One finding a code and kind of limit, however many rows say so."""
    wrong = {what: row["why"] for row in reversed(limits) for what in _wrong(row, encounter)}
    for what in sorted(wrong):
        yield say(f"{kind}-{what}", (code,), why=wrong[what])


@lru_cache(maxsize=8192)
def _limits_of_diagnosis(code: str) -> tuple[dict[str, str], ...]:
    return _sex_and_age().of(code)


@lru_cache(maxsize=1)
def _sex_and_age() -> Stems[dict[str, str]]:
    return Stems((row["stem"], row) for row in rows("sex_age.tsv"))


@lru_cache(maxsize=8192)
def _limits_of_service(code: str) -> tuple[dict[str, str], ...]:
    return tuple(row for row in rows("procedure_sex_age.tsv") if row["from_code"] <= code <= row["to_code"])


def _wrong(row: dict[str, str], encounter: Encounter) -> Iterator[str]:
    if row["sex"] and encounter.sex in ("male", "female") and encounter.sex != row["sex"]:
        yield "sex"
    low, high = int(row["from"] or 0), int(row["to"] or 200)
    if encounter.age is not None and not low <= encounter.age <= high:
        yield "age"
