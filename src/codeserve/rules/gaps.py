"""What a note leaves open, as neutral questions to its author, while it is being written or after.

The kinds, their words and their sources are data/rules/gap_kinds.tsv. A question never holds a code or a payment effect
and never leads to an answer (ACDIS/AHIMA compliant query practice); what the note says already is not asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from codeserve.codesets import CodeSets
from codeserve.notes.document import Document
from codeserve.notes.spans import Span
from codeserve.rules.encounter import Encounter
from codeserve.rules.reading import Reading
from codeserve.rules.results import Diagnosis, Em, Procedure
from codeserve.rules.tables import rows
from codeserve.tagging.entities import Entity

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


def find_gaps(
    document: Document,
    entities: Sequence[Entity],
    diagnoses: Sequence[Diagnosis],
    procedures: Sequence[Procedure],
    em: Em | None,
    encounter: Encounter,
    codesets: CodeSets,
) -> tuple[Gap, ...]:
    """The gaps in the order of the note, ids from G1. The same input gives the same."""
    from codeserve.rules.gaps_conflicts import conflict_gaps
    from codeserve.rules.gaps_diagnoses import diagnosis_gaps
    from codeserve.rules.gaps_services import service_gaps

    asked = Asked(Reading.of(document, entities, encounter), tuple(diagnoses), tuple(procedures), em, codesets)
    found = dict.fromkeys((*diagnosis_gaps(asked), *conflict_gaps(asked), *service_gaps(asked)))
    ordered = sorted(found, key=lambda gap: gap.spans[0] if gap.spans else Span(0, 0))
    return tuple(replace(gap, id=f"G{number}") for number, gap in enumerate(ordered, 1))


def gap(kind: str, spans: Iterable[Span], codes: Iterable[str] = (), **values: object) -> Gap:
    """A gap without its id. Raises KeyError for a kind or a value that is missing."""
    row = _kinds()[kind]
    question, changes = row["question"].format_map(values), row["changes"].format_map(values)
    return Gap("", kind, tuple(spans), question, changes, tuple(codes), row["source"])


@lru_cache(maxsize=1)
def _kinds() -> dict[str, dict[str, str]]:
    return {row["kind"]: row for row in rows("gap_kinds.tsv")}


@lru_cache(maxsize=8)
def pattern_of(sort: str) -> str:
    """The pattern of one sort of gap_words.tsv."""
    return next(row["pattern"] for row in rows("gap_words.tsv") if row["sort"] == sort)


def quoted(text: str, span: Span) -> str:
    """The note's own words on one line, cut to a length that a question can hold."""
    words = " ".join(span.of(text).split())
    return words if len(words) <= LONGEST_TERM else words[: LONGEST_TERM - 1].rstrip() + "…"
