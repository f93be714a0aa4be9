"""Edits of diagnoses that bear on each other: those that the classification joins into one code, and those that say
two things of one condition.

Source: ICD-10-CM Official Guidelines I.A.15, I.B.9, I.B.18, I.C; data/rules/combinations.tsv, icd_conflicts.tsv and
history_codes.tsv, whose rows name their sections. A claim may be right all the same, so they are warnings.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from codeserve.rules.combinations import ADDED, history_code
from codeserve.rules.edits_case import Case
from codeserve.rules.edits_words import say
from codeserve.rules.results import Finding
from codeserve.rules.stems import Stems
from codeserve.rules.tables import rows

HISTORY = "Z85"


def related_edits(case: Case) -> Iterator[Finding]:
    codes = tuple(dict.fromkeys(d.code for d in case.diagnoses))
    yield from _joined(codes)
    yield from _conflicts(codes)
    yield from _past_and_present(codes)


def _joined(codes: tuple[str, ...]) -> Iterator[Finding]:
    """Codes apart that one code says together. Rows that need words of a note are none of a claim's."""
    told: set[str] = set()
    for code in codes:
        for row in _starting_with(code):
            first, *others = row["all"].split()
            beside = [next((c for c in codes if c != code and c.startswith(stem)), "") for stem in others]
            added = row["replaces"] == ADDED
            replaced = code if added or first.startswith(row["replaces"]) else beside[0]
            idle = replaced in told or row["result"] == replaced or (added and row["result"] in codes)
            if all(beside) and not idle:
                told.add(replaced)
                rule = "icd-combination-added" if added else "icd-combination"
                yield say(rule, (code, *beside), use=row["result"], replaced=replaced, section=row["source"])


@lru_cache(maxsize=8192)
def _starting_with(code: str) -> tuple[dict[str, str], ...]:
    return _combinations().of(code)


@lru_cache(maxsize=1)
def _combinations() -> Stems[dict[str, str]]:
    return Stems((row["all"].split()[0], row) for row in rows("combinations.tsv") if not row["cue"])


def _conflicts(codes: tuple[str, ...]) -> Iterator[Finding]:
    for code in codes:
        for row in _conflicting(code):
            seconds = tuple(row["second"].split("|"))
            if other := next((c for c in codes if c != code and c.startswith(seconds)), None):
                yield say("icd-conflict", (code, other), why=row["why"], section=row["source"], use=row["use"])


@lru_cache(maxsize=8192)
def _conflicting(code: str) -> tuple[dict[str, str], ...]:
    return _conflict_rows().of(code)


@lru_cache(maxsize=1)
def _conflict_rows() -> Stems[dict[str, str]]:
    return Stems((stem, row) for row in rows("icd_conflicts.tsv") for stem in row["first"].split("|"))


def _past_and_present(codes: tuple[str, ...]) -> Iterator[Finding]:
    """A cancer that is coded as present and as history (I.C.2.m)."""
    past = [code for code in codes if code.startswith(HISTORY)]
    for code in codes if past else ():
        known = history_code(code) if code.startswith("C") else None
        if known and known[0] in past:
            yield say("icd-history-with-active", (code, known[0]))
