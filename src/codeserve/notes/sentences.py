"""Sentences and lines: the reach of a negation, the context of a mention."""

from __future__ import annotations

import re
from collections.abc import Sequence

from codeserve.notes.document import Section
from codeserve.notes.lines import BREAKS
from codeserve.notes.spans import Span

_END = re.compile(rf"(?<![.!?])[.!?]+[\"'”’)\]]{{0,3}}(?=\s|$)|[{BREAKS}]+|;(?=\s)")
_BEFORE = re.compile(r"([A-Za-z][A-Za-z.]*)$")
_NEXT = re.compile(r"[ \t]{0,8}(\S)")
REACH = 12  # the longest abbreviation looked at, in characters
# These never end a sentence; the others do only before a capital letter ("Take 5 mg. Then stop." has two sentences).
_TITLES = frozenset(["dr", "mr", "mrs", "ms", "st", "prof", "vs", "e.g", "i.e", "approx", "vit", "fig", "dept"])
_SHORT = frozenset(["jr", "sr", "no", "mg", "mcg", "ml", "kg", "cm", "mm", "oz", "lb", "lbs", "hr", "min", "pt", "pts"])
_SHORTER = frozenset(["inc", "tab", "tabs", "cap", "caps", "hx", "dx", "tx", "rx", "sx", "est", "max", "temp", "resp"])


def split_sentences(text: str, sections: Sequence[Section]) -> tuple[Span, ...]:
    """Sentence spans without surrounding white space; none crosses a line or a section. In order, disjoint."""
    spans: list[Span] = []
    for section in sections:
        spans += _split(text, section.body)
        if section.heading:
            spans.append(section.heading)
    return tuple(sorted(spans))


def abbreviates(text: str, dot: int) -> bool:
    """Whether the full stop at `dot` belongs to an abbreviation or an initial rather than ending a sentence."""
    match = _BEFORE.search(text[max(0, dot - REACH) : dot])
    if not match:
        return False
    word = match[1].lower()
    if word in _TITLES or (len(word) == 1 and match[1].isupper()):
        return True
    follows = _NEXT.match(text, dot + 1)
    return (word in _SHORT or word in _SHORTER or "." in word) and follows is not None and not follows[1].isupper()


def _split(text: str, body: Span) -> list[Span]:
    spans: list[Span] = []
    begin = body.start
    for match in _END.finditer(text, body.start, body.end):
        if match[0] == "." and abbreviates(text, match.start()):
            continue
        _add(spans, text, begin, match.end())
        begin = match.end()
    _add(spans, text, begin, body.end)
    return spans


def _add(spans: list[Span], text: str, begin: int, end: int) -> None:
    piece = text[begin:end]
    bare = piece.strip()
    if bare:
        start = begin + len(piece) - len(piece.lstrip())
        spans.append(Span(start, start + len(bare)))
