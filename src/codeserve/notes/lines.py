"""Lines of a note, whatever ends them: CR, LF, both, form feeds of page breaks, Unicode's separators."""

from __future__ import annotations

import re
from collections.abc import Iterator

from codeserve.notes.spans import Span

BREAKS = r"\r\n\v\f\x85\u2028\u2029"
_LINE = re.compile(rf"[^{BREAKS}]+")
_BREAK = re.compile(rf"\r\n|[{BREAKS}]")


def lines(text: str, within: Span | None = None) -> Iterator[Span]:
    """The lines that are not empty, without what ends them."""
    reach = Span(0, len(text)) if within is None else within
    for match in _LINE.finditer(text, reach.start, reach.end):
        yield Span(*match.span())


def after_break(text: str, place: int) -> int:
    """The offset behind the line break at `place`; `place` itself where none is."""
    match = _BREAK.match(text, place)
    return match.end() if match else place
