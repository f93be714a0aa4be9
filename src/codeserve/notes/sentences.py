"""Sentences and lines: the reach of a negation, the context of a mention."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from codeserve.notes.document import Section
from codeserve.notes.spans import Span

_END = re.compile(r"[.!?](?=[\"')\]]*\s)|[\r\n]+|;(?=\s)")
_BEFORE = re.compile(r"([A-Za-z][A-Za-z.]*)$")
_ABBREVIATIONS = frozenset(
    "dr mr mrs ms st jr sr vs no e.g i.e approx dept mg ml kg cm mm oz fig pt pts y.o b.i.d t.i.d q.d p.r.n".split()
)


def split_sentences(text: str, sections: Sequence[Section]) -> tuple[Span, ...]:
    """Sentence spans without surrounding white space; none crosses a line or a section. In order, disjoint."""
    spans: list[Span] = []
    for section in sections:
        spans += _split(text, section.body)
        if section.heading:
            spans.append(section.heading)
    return tuple(sorted(spans))


def _split(text: str, body: Span) -> list[Span]:
    spans: list[Span] = []
    begin = body.start
    for match in _END.finditer(text, body.start, body.end):
        if match[0] == "." and _abbreviates(text[max(begin, match.start() - 12) : match.start()]):
            continue
        _add(spans, text, begin, match.end())
        begin = match.end()
    _add(spans, text, begin, body.end)
    return spans


def _add(spans: list[Span], text: str, begin: int, end: int) -> None:
    piece = text[begin:end]
    bare = piece.strip()
    if bare:
        start = begin + piece.index(bare[0])
        spans.append(Span(start, start + len(bare)))


@lru_cache(maxsize=4096)
def _abbreviates(before: str) -> bool:
    match = _BEFORE.search(before)
    return bool(match) and (match[1].lower() in _ABBREVIATIONS or (len(match[1]) == 1 and match[1].isupper()))
