"""The problems that the assessment and the plan name line by line, each with the text that belongs to it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from codeserve.notes.document import Item, Section, SectionKind
from codeserve.notes.spans import Span

ITEMISED = (SectionKind.ASSESSMENT, SectionKind.ASSESSMENT_PLAN, SectionKind.PLAN)
MAX_WORDS = 14
_LINE = re.compile(r"[^\r\n]+")
_MARK = re.compile(r"^(?P<indent>[ \t]*)(?P<mark>\d{1,2}[.)]|[#•●▪◦*–—-]+|\([a-z0-9]\)|[a-z][.)](?=\s))?[ \t]*[#*_]*")
# "HTN: continue lisinopril", "COPD - stable": the problem stands before the colon or the spaced dash.
_CUT = re.compile(r":(?=\s|$)|\s+[-–—]+\s+|(?<!\bMr)(?<!\bMs)(?<!\bDr)(?<!\bMrs)\.(?=\s)|;\s")
_SENTENCE_VERB = re.compile(
    r"\b(is|are|was|were|will|has|have|had|presents?|recommend(?:ed)?|discussed|continue[ds]?|start(?:ed)?|order(?:ed)?|"
    r"advised|counsel(?:l?ed)?|should|can|may|denies|reports?|follow[- ]?up in|return|refer(?:red)?|reviewed|prescribed?|"
    r"increase[ds]?|decrease[ds]?|obtain|schedule[ds]?|encouraged?|instructed|i|we|she|he|they|you)\b",
    re.IGNORECASE,
)
_LABELS = re.compile(
    r"^(?:medical (?:reasoning|treatment)|additional (?:testing|workup)|patient (?:education|agreements?|instructions?)|"
    r"specialist referrals?|education|counsel(?:l)?ing|plan|treatment|medications?|labs?|imaging|follow[- ]?up|"
    r"diagnostics?|referrals?|procedures?|disposition|instructions?|goals?|differential|status|orders?|tests?)\b",
    re.IGNORECASE,
)
_QUALIFIER = re.compile(r"[,.;:]+\s*$")


@dataclass(frozen=True, slots=True)
class _Line:
    span: Span
    heading: Span | None
    mark: str
    indent: int

    @property
    def marked(self) -> bool:
        return bool(self.mark)

    @property
    def numbered(self) -> bool:
        return self.mark[:1].isdigit() or self.mark[:1] == "#"


def find_items(text: str, sections: Sequence[Section]) -> tuple[Item, ...]:
    """One item a problem line; its `span` runs to the next problem of the section."""
    items: list[Item] = []
    for section in sections:
        if section.kind in ITEMISED:
            items += _items(text, section)
    return tuple(items)


def _items(text: str, section: Section) -> Iterator[Item]:
    lines = _problem_lines([_read(text, m, section.body.start) for m in _LINE.finditer(section.body.of(text))], section)
    for number, line in enumerate(lines):
        end = lines[number + 1].span.start if number + 1 < len(lines) else section.body.end
        assert line.heading is not None
        yield Item(line.heading, Span(line.span.start, end), section.kind)


def _read(text: str, match: re.Match[str], offset: int) -> _Line:
    mark = _MARK.match(match[0])
    assert mark is not None
    span = Span(offset + match.start(), offset + match.end())
    begin = span.start + mark.end()
    heading = _heading(text, begin, span.end)
    return _Line(span, heading, mark["mark"] or "", len(mark["indent"].expandtabs(4)))


def _heading(text: str, begin: int, end: int) -> Span | None:
    """The words of a problem at the beginning of a line, or None where the line is a sentence or a label."""
    line = text[begin:end]
    cut = _CUT.search(line)
    words = line[: cut.start()] if cut else line
    words = _QUALIFIER.sub("", words).rstrip(" *_.,")
    if not words.strip() or len(words.split()) > MAX_WORDS:
        return None
    if _LABELS.match(words) or _SENTENCE_VERB.search(words):
        return None
    start = begin + len(words) - len(words.lstrip())
    return Span(start, begin + len(words))


def _problem_lines(lines: list[_Line], section: Section) -> list[_Line]:
    """The lines that open an item: numbered ones where there are any; else the bare ones where bullets are the plan's; else
    the least indented."""
    opening = [line for line in lines if line.heading]
    if section.kind is SectionKind.PLAN and not any(not line.marked for line in opening):
        return []
    if any(line.numbered for line in opening):
        return [line for line in opening if line.numbered]
    if section.kind is not SectionKind.ASSESSMENT and any(not line.marked for line in opening):
        bare = [line for line in opening if not line.marked]
        if len(bare) < len(opening) or section.kind is SectionKind.PLAN:
            return [line for line in bare if line.span.end - line.span.start < 120]
    if not opening:
        return []
    least = min(line.indent for line in opening)
    return [line for line in opening if line.indent <= least]
