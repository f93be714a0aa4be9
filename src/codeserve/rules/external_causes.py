"""How, where and doing what: external cause codes beside an injury at its first encounter.

Guideline I.C.20: never first, only with active treatment here; place and activity once, at the initial encounter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from codeserve.notes.document import Document, SectionKind
from codeserve.notes.spans import Span
from codeserve.rules.tables import rows

TOLD_IN = (SectionKind.CHIEF_COMPLAINT, SectionKind.HPI, SectionKind.OTHER)
INITIAL = "A"
REACH = 350


@dataclass(frozen=True, slots=True)
class Cause:
    code: str
    span: Span


@lru_cache(maxsize=4)
def _patterns(name: str, column: str) -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple((re.compile(row[column], re.IGNORECASE), row["code"]) for row in rows(name))


def is_injury(code: str) -> bool:
    """Chapter 19 but for poisoning, complications of care and unspecified effects."""
    return code[0] == "S" or code[:3] in {"T14", "T20", "T21", "T22", "T23", "T24", "T25", "T30"}


def external_causes(document: Document, injuries: Sequence[str]) -> tuple[Cause, ...]:
    """The event, then the activity and place that stand near it; nothing without an injury under active treatment."""
    if not any(code.endswith(INITIAL) for code in injuries):
        return ()
    event = _first(document, "external_causes.tsv", "event", _told(document))
    if event is None:
        return ()
    around = Span(max(0, event.span.start - REACH), min(len(document.text), event.span.end + REACH))
    beside = [
        _first(document, "external_activities.tsv", "activity", (around,)),
        _first(document, "external_places.tsv", "place", (around,)),
    ]
    return (event, *(cause for cause in beside if cause))


def _told(document: Document) -> tuple[Span, ...]:
    return tuple(section.body for section in document.sections if section.kind in TOLD_IN)


def _first(document: Document, table: str, column: str, within: Sequence[Span]) -> Cause | None:
    """The first row that matches; the rows stand from the most telling to the least."""
    return next(_matches(document, table, column, within), None)


def _matches(document: Document, table: str, column: str, within: Sequence[Span]) -> Iterator[Cause]:
    for pattern, code in _patterns(table, column):
        for part in within:
            match = pattern.search(document.text, part.start, part.end)
            if match:
                yield Cause(code.replace("-", INITIAL), Span(*match.span()))
