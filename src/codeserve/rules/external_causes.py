"""How, where and doing what: external cause codes beside an injury at its first encounter.

Guideline I.C.20: never first, only with active treatment here; place and activity once, at the initial encounter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from codeserve.notes.document import Document, SectionKind
from codeserve.notes.sentences import split_sentences
from codeserve.notes.spans import Span
from codeserve.rules.tables import rows

TOLD_IN = (SectionKind.CHIEF_COMPLAINT, SectionKind.HPI, SectionKind.OTHER)
INITIAL = "A"
INJURIES = {"T07", "T14", *(f"T{number}" for number in (*range(20, 31), 33, 34))}
BEFORE = 40  # characters before a phrase that may deny it
# Denied, long ago, or what hurts: "denies any fall", "used to play football", "pain with walking".
_UNMEANT = re.compile(
    r"\b(?:denie[sd]|deny|no|not|never|without|used to|history of|usually|normally|enjoys|difficulty|trouble"
    r"|(?:pain|worse|worsens|hurts?|aggravated|exacerbated|improves|better)(?: \w+)? (?:with|when|by|during|while))"
    r"\b[^.,;]*\Z",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Cause:
    code: str
    span: Span


@lru_cache(maxsize=4)
def _patterns(name: str, column: str) -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple((re.compile(row[column], re.IGNORECASE), row["code"]) for row in rows(name))


def is_injury(code: str) -> bool:
    """Chapter 19 but for poisoning, complications of care and unspecified effects."""
    return code[0] == "S" or code[:3] in INJURIES


def external_causes(document: Document, injuries: Sequence[str]) -> tuple[Cause, ...]:
    """The event, then the activity and place that stand near it; nothing without an injury under active treatment."""
    if not any(code.endswith(INITIAL) for code in injuries):
        return ()
    event = _first(document, "external_causes.tsv", "event", _told(document))
    if event is None:
        return ()
    told = _sentences(document, event)
    beside = [
        _first(document, "external_activities.tsv", "activity", told),
        _first(document, "external_places.tsv", "place", told),
    ]
    return (event, *(cause for cause in beside if cause))


def _sentences(document: Document, event: Cause) -> tuple[Span, ...]:
    """The sentence that tells of the event, then the one before it: where and doing what stands there or nowhere."""
    known = split_sentences(document.text, document.sections)
    place = next(i for i, sentence in enumerate(known) if event.span.start < sentence.end)
    return (known[place], *known[max(0, place - 1) : place])


def _told(document: Document) -> tuple[Span, ...]:
    return tuple(section.body for section in document.sections if section.kind in TOLD_IN)


def _first(document: Document, table: str, column: str, within: Sequence[Span]) -> Cause | None:
    """The first row that matches; the rows stand from the most telling to the least."""
    return next(_matches(document, table, column, within), None)


def _matches(document: Document, table: str, column: str, within: Sequence[Span]) -> Iterator[Cause]:
    for pattern, code in _patterns(table, column):
        for part in within:
            for match in pattern.finditer(document.text, part.start, part.end):
                if not _UNMEANT.search(document.text, max(part.start, match.start() - BEFORE), match.start()):
                    yield Cause(code.replace("-", INITIAL), Span(*match.span()))
                    break
