"""A note's sections by their headings. The known headings are data/sections.tsv."""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.resources import files

from codeserve.notes.document import Section, SectionKind
from codeserve.notes.spans import Span

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)?")
# "## Plan:", "**Assessment**", "3) Plan", "PLAN: text on the same line".
_HEADING = re.compile(
    r"^[ \t]*(?:#{1,6}[ \t]*|\*{1,2}|_{1,2}|\d{1,2}[.)][ \t]+)?"
    r"(?P<name>[A-Za-z][A-Za-z&/,\- ]{0,58})[ \t]*(?P<close>[*_]{0,2})[ \t]*(?P<colon>:[ \t]*[*_]{0,2})?(?P<rest>.*)$"
)
SHORT = 2  # a heading of one or two letters ("S", "PE") needs its colon
MAX_WORDS = 6


@lru_cache(maxsize=1)
def headings() -> dict[str, SectionKind]:
    lines = files("codeserve").joinpath("data", "sections.tsv").read_text(encoding="utf-8").splitlines()[1:]
    return {name: SectionKind(kind) for name, kind in (line.split("\t") for line in lines if line)}


def split_sections(text: str) -> tuple[Section, ...]:
    """Sections that touch and cover the text; what stands before the first heading is OTHER. At least one section."""
    found: list[tuple[SectionKind, Span, int]] = []
    for line in _LINE.finditer(text):
        if line[0]:
            heading = _heading(line[0])
            if heading:
                kind, begin, end, body = heading
                found.append((kind, Span(line.start() + begin, line.start() + end), line.start() + body))
    starts = [0 if i == 0 and not text[: h.start].strip() else h.start for i, (_, h, _) in enumerate(found)]
    sections: list[Section] = []
    if not found or starts[0] > 0:
        end = starts[0] if found else len(text)
        sections.append(Section(SectionKind.OTHER, Span(0, end), Span(0, end)))
    for i, (kind, heading_span, body_start) in enumerate(found):
        end = starts[i + 1] if i + 1 < len(found) else len(text)
        sections.append(Section(kind, Span(starts[i], end), Span(min(body_start, end), end), heading_span))
    return tuple(sections)


def _heading(line: str) -> tuple[SectionKind, int, int, int] | None:
    """Kind, start and end of the heading's words, start of the body, when a line opens a section."""
    match = _HEADING.match(line.rstrip("\r\n"))
    if not match:
        return None
    name = " ".join(match["name"].lower().strip(" -,").split())
    # "MEDICAL DECISION MAKING of today" is prose; a heading without a colon stands alone on its line.
    if not match["colon"] and match["rest"].strip(" *_.-"):
        return None
    kind = headings().get(name) or _compound(name)
    if kind is None or (len(name) <= SHORT and not match["colon"] and not match["name"].isupper()):
        return None
    if len(name) == 1 and not match["colon"]:
        return None
    body = match.start("rest") if match["colon"] else len(line)
    return kind, match.start("name"), match.start("name") + len(match["name"].rstrip()), body


def _compound(name: str) -> SectionKind | None:
    """`Labs and imaging reviewed`, `Physical exam today`: known words with others behind them."""
    words = name.split()
    if not 2 <= len(words) <= MAX_WORDS or words[-1] not in ("reviewed", "today", "summary", "section", "note"):
        return None
    return headings().get(" ".join(words[:-1]))
