"""A gap, what the kinds of gaps look at, and their words: data/rules/gap_kinds.tsv and gap_words.tsv."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from codeserve.codesets import CodeSets
from codeserve.notes.document import Document
from codeserve.notes.spans import Span
from codeserve.rules.reading import Reading, pattern
from codeserve.rules.results import Diagnosis, Em, Procedure
from codeserve.rules.tables import rows

LONGEST_TERM = 60


@dataclass(frozen=True, slots=True)
class Gap:
    """`kind` is a stable name; `spans` are the words it is about; `changes` says what an answer would change."""

    id: str
    kind: str
    spans: tuple[Span, ...]
    question: str
    changes: str
    codes: tuple[str, ...]
    source: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What the kinds of gaps look at."""

    reading: Reading
    diagnoses: tuple[Diagnosis, ...]
    procedures: tuple[Procedure, ...]
    em: Em | None
    codesets: CodeSets

    @property
    def document(self) -> Document:
        return self.reading.document


def gap(kind: str, spans: Iterable[Span], codes: Iterable[str] = (), **values: object) -> Gap:
    """A gap without its id. Raises KeyError for a kind or a value that is missing."""
    row = _kinds()[kind]
    question, changes = row["question"].format_map(values), row["changes"].format_map(values)
    return Gap("", kind, tuple(spans), question, changes, tuple(codes), row["source"])


@lru_cache(maxsize=1)
def _kinds() -> dict[str, dict[str, str]]:
    return {row["kind"]: row for row in rows("gap_kinds.tsv")}


@lru_cache(maxsize=16)
def words_of(sort: str) -> str:
    """The regular expression of one sort of gap_words.tsv."""
    return next(row["pattern"] for row in rows("gap_words.tsv") if row["sort"] == sort)


def first(text: str, sort: str) -> re.Match[str] | None:
    """Where words of one sort of gap_words.tsv stand first in a text."""
    return pattern(words_of(sort)).search(text)


def quoted(text: str, span: Span) -> str:
    """The note's own words on one line, cut to a length that a question can hold."""
    words = " ".join(span.of(text).split())
    return words if len(words) <= LONGEST_TERM else words[: LONGEST_TERM - 1].rstrip() + "…"


@lru_cache(maxsize=1)
def by_time_only() -> frozenset[str]:
    """Codes of visits that have no level by decision making."""
    return frozenset(row["code"] for row in rows("em_discharge.tsv"))
