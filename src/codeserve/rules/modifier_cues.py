"""Where a note says what calls for a modifier (data/rules/modifier_cues.tsv): sentences, as evidence."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from codeserve.notes.document import Document, SectionKind
from codeserve.notes.spans import Span
from codeserve.rules.reading import DECIDED, LISTED, pattern
from codeserve.rules.tables import rows

SECTIONS = {
    "done": DECIDED - {SectionKind.INSTRUCTIONS} | {SectionKind.EXAM, SectionKind.RESULTS},
    "note": frozenset(SectionKind)
    - LISTED
    - {SectionKind.PMH, SectionKind.SOCIAL_HISTORY, SectionKind.ROS, SectionKind.INSTRUCTIONS},
}
SECTIONS["service"] = SECTIONS["note"]
FOLLOWS = 200  # characters behind the sentence of a service that may still speak of it
_BREAK = re.compile(r"(?<=[.!?;])\s+|\n")


@lru_cache(maxsize=64)
def _cues(sort: str) -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((r["where"], pattern(r["pattern"])) for r in rows("modifier_cues.tsv") if r["sort"] == sort)


def cued(sort: str, document: Document, near: Sequence[Span] = ()) -> tuple[Span, ...]:
    """The sentences that hold words of a sort, in order; those about a service only in its own sentences, `near`, or
    just behind them. Raises KeyError for a sort that no row has."""
    if not _cues(sort):
        raise KeyError(sort)
    return tuple(dict.fromkeys(_found(sort, document, near)))


def _found(sort: str, document: Document, near: Sequence[Span]) -> Iterator[Span]:
    text = document.text
    for where, words in _cues(sort):
        for place in _places(where, text, near):
            for match in words.finditer(text, place.start, place.end):
                sentence = sentence_at(text, match.start())
                allowed = document.section_at(match.start()).kind in SECTIONS[where]
                if allowed and not _denied(sort, text[sentence.start : match.start()]):
                    yield Span(sentence.start, max(sentence.end, match.end()))


def _places(where: str, text: str, near: Sequence[Span]) -> list[Span]:
    if where != "service":
        return [Span(0, len(text))]
    return [Span(span.start, min(len(text), span.end + FOLLOWS)) for span in dict.fromkeys(near)]


def _denied(sort: str, before: str) -> bool:
    return any(words.search(before) for _, words in _cues(f"not_{sort}"))


def every(sort: str, said: str) -> list[re.Match[str]]:
    """All places of a sort's words in a text, whatever stands around them."""
    return [match for _, words in _cues(sort) for match in words.finditer(said)]


def first(sort: str, said: str) -> re.Match[str] | None:
    return next(iter(every(sort, said)), None)


def sentence_at(text: str, place: int) -> Span:
    """The sentence, or the line, that holds a place."""
    begins = [match.end() for match in _BREAK.finditer(text, max(0, place - 600), place)]
    start = begins[-1] if begins else max(0, place - 600)
    stop = _BREAK.search(text, place)
    return Span(start, stop.start() if stop else len(text))
