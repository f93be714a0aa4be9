"""Status codes that a coded diagnosis invites: long-term drugs, body mass index with obesity. Guideline sections in the
table (data/rules/status_codes.tsv); BMI after I.B.14 and I.C.21.c.3, only beside a weight diagnosis."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from codeserve.notes.document import Document, SectionKind
from codeserve.notes.spans import Span
from codeserve.rules.tables import any_of, rows

NEVER_IN = (SectionKind.ALLERGIES, SectionKind.FAMILY_HISTORY)
BEFORE, BEHIND = 45, 25
WEIGHT = ("E66", "E43", "E44", "E46", "R63.4", "R63.5", "R63.6")
_STOPPED = re.compile(
    r"\b(?:stop\w*|discontinu\w*|hold|held|off|no longer|not|never|avoid|allergi\w+|intoleran\w+|could not tolerate|"
    r"failed|declin\w+|refus\w+|consider\w*|discuss\w*|instead of)\b[^.;\n]*\Z",
    re.IGNORECASE,
)
_STOPPED_BEHIND = re.compile(r"[^.;\n]{0,12}\b(?:stopped|discontinued|was held|allergy)\b", re.IGNORECASE)
_BMI = re.compile(r"\b(?:BMI|body mass index)\b[^.\n\d]{0,15}(\d{2}(?:\.\d)?)(?!\d)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Status:
    code: str
    span: Span
    source: str


@lru_cache(maxsize=1)
def _table() -> tuple[tuple[str, tuple[str, ...], re.Pattern[str], str], ...]:
    return tuple(
        (row["code"], tuple(row["beside"].split()), any_of(row["words"].split("|")), row["source"])
        for row in rows("status_codes.tsv")
    )


def status_codes(document: Document, codes: Sequence[str], age: int | None) -> Iterator[Status]:
    """One a row that fits, with the words that show it; `age` in years: BMI percentiles of children are not read."""
    for code, beside, words, source in _table():
        if any(c.startswith(beside) for c in codes) and (span := _taken(document, words)):
            yield Status(code, span, source)
    if any(c.startswith(WEIGHT) for c in codes) and (age is None or age >= 20):
        yield from _bmi(document)


def _taken(document: Document, words: re.Pattern[str]) -> Span | None:
    """The first mention of a drug that is neither stopped nor refused nor only thought of."""
    for match in words.finditer(document.text):
        before = max(0, match.start() - BEFORE)
        if document.section_at(match.start()).kind in NEVER_IN:
            continue
        if _STOPPED.search(document.text, before, match.start()) or _STOPPED_BEHIND.match(document.text, match.end()):
            continue
        return Span(*match.span())
    return None


def _bmi(document: Document) -> Iterator[Status]:
    """Z68.1 below 20, Z68.20 to Z68.39 by whole numbers, Z68.41 to Z68.45 by fives from 40 and tens from 50."""
    match = _BMI.search(document.text)
    if match:
        value = int(float(match[1]))
        if value >= 40:
            code = f"Z68.4{1 + (value >= 45) + (value >= 50) + (value >= 60) + (value >= 70)}"
        else:
            code = f"Z68.{value}" if value >= 20 else "Z68.1"
        yield Status(code, Span(*match.span()), "I.B.14, I.C.21.c.3")
