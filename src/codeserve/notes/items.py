"""The problems that the assessment and the plan name line by line, each with the text that belongs to it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass

from codeserve.notes.document import Item, Section, SectionKind
from codeserve.notes.lines import lines
from codeserve.notes.sentences import abbreviates
from codeserve.notes.spans import Span

ITEMISED = (SectionKind.ASSESSMENT, SectionKind.ASSESSMENT_PLAN, SectionKind.PLAN)
MAX_WORDS = 14
MAX_HEADING = 240  # a problem is named within so many characters of its line
MAX_PLAN_LINE = 120
_MARK = re.compile(
    r"(?P<indent>[ \t]*)(?:\*\*|__)?"
    r"(?P<mark>\d{1,2}(?:[.)]|(?=[ \t]+[A-Z]))|[#•●▪◦*–—-]+|\([a-z0-9]\)|[a-z][.)](?=\s))?[ \t]*[#*_]*[ \t]*"
)
# "1. Gout. 2. Hypertension." on one line; without its point a number counts at the beginning of a sentence only.
_ORDINAL = re.compile(r"(?<!\S)(\d{1,2})(?:[.)][ \t]+(?=[^\W\d_])|(?<![^.;:][ \t]\d)[ \t]+(?=[A-Z]))")
# "HTN: continue lisinopril", "COPD - stable": the problem stands before the colon or the spaced dash.
_CUT = re.compile(r":(?=\s|$)|(?<!\s)\s+[-–—]+(?=\s)|[.;](?=\s)|,(?=\s+(?:doing|currently|continues?|will)\b)")
_PROSE = re.compile(
    r"^(?:(?:the|this|our|a|an)\s+)?(?:pleasant\s+)?(?:patient|pt|mr|mrs|ms|miss|dr|\[\w+\]|\d+[- ]?(?:year|y/?o))\b|"
    r"(?<!\S)(?:is|are|was|were|will|has|have|had|presents?|recommend(?:ed)?|discussed|continue[ds]?|start(?:ed)?|"
    r"order(?:ed)?|advised|counsel(?:l?ed)?|should|can|may|denies|reports?|follow[- ]?up in|return|refer(?:red)?|"
    r"reviewed|prescribed?|increase[ds]?|decrease[ds]?|obtain|schedule[ds]?|encouraged?|instructed|we|she|he|they|you)"
    r"(?=\s|$)",
    re.IGNORECASE,
)
# The parts of a problem's plan, and what a plan lists beside problems; "treatment-resistant depression" is none.
_LABELS = re.compile(
    r"(?:medical (?:reasoning|treatment)|additional (?:testing|workup)|patient (?:education|agreements?|instructions?)|"
    r"specialist referrals?|education|counsel(?:l)?ing|plan|treatment|medications?|labs?|imaging|follow[- ]?up|f/u|rtc|"
    r"diagnostics?|referrals?|procedures?|dispo(?:sition)?|instructions?|goals?|differential|status|orders?|tests?|fen|"
    r"code status|diet|activity|access|(?:dvt |gi )?(?:ppx|prophylaxis)|secondary|primary)"
    r"(?:\s+(?:plans?|options|work|studies|results|orders|appointments?|diagnos[ei]s))?"
    r"(?:\s+(?:and|for|in|with|today|ordered|as|on|per|\d)\b.*)?",
    re.IGNORECASE | re.DOTALL,
)
_WORD = re.compile(r"[^\W\d_]{3,}")


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
    """One item a problem line; its `span` runs to the next problem of the section.

    Lines of a plan are items where they repeat the problems of an assessment, or where no assessment lists any.
    """
    items: list[Item] = []
    assessed: set[str] = set()
    for section in sections:
        if section.kind in ITEMISED:
            found = list(_items(text, section, assessed))
            items += found
            if section.kind.assesses:
                assessed.update(word for item in found for word in _content(item.heading.of(text)))
    return tuple(items)


def _items(text: str, section: Section, assessed: Set[str]) -> Iterator[Item]:
    read = [_read(text, piece) for line in lines(text, section.body) for piece in _pieces(text, line)]
    if section.kind is SectionKind.PLAN and assessed:
        opening = _repeating(text, read, assessed)
    else:
        opening = _problem_lines(read, section)
    ends = [*(line.span.start for line in opening[1:]), section.body.end]
    for line, end in zip(opening, ends, strict=False):
        assert line.heading is not None
        yield Item(line.heading, Span(line.span.start, end), section.kind)


def _pieces(text: str, line: Span) -> Iterator[Span]:
    """A line, or the parts of one that counts its problems."""
    begin, due = line.start, 0
    for match in _ORDINAL.finditer(text, line.start, line.end):
        number = int(match[1])
        if match.start() > begin and number == due and due > 1:
            yield Span(begin, match.start())
            begin, due = match.start(), number + 1
        elif not due and not text[line.start : match.start()].strip():
            due = number + 1
    yield Span(begin, line.end)


def _read(text: str, line: Span) -> _Line:
    mark = _MARK.match(text, line.start, line.end)
    assert mark is not None
    return _Line(line, _heading(text, mark.end(), line.end), mark["mark"] or "", len(mark["indent"].expandtabs(4)))


def _heading(text: str, begin: int, end: int) -> Span | None:
    """The words of a problem at the beginning of a line, or None where the line is a sentence or a label."""
    line = text[begin : min(end, begin + MAX_HEADING)]
    cuts = (m.start() for m in _CUT.finditer(line) if m[0] != "." or not abbreviates(line, m.start()))
    cut = next(cuts, end - begin)
    if cut > MAX_HEADING:
        return None
    words = line[:cut].rstrip(" \t*_.,;:")
    if not words.strip() or len(words.split()) > MAX_WORDS or _LABELS.fullmatch(words) or _PROSE.search(words):
        return None
    return Span(begin + len(words) - len(words.lstrip()), begin + len(words))


def _repeating(text: str, read: Sequence[_Line], assessed: Set[str]) -> list[_Line]:
    """The lines whose words are for the most part those of the assessed problems, and numbered ones beside them."""
    opening = [line for line in read if line.heading]
    repeats = {line.span for line in opening if line.heading and _repeats(line.heading.of(text), assessed)}
    indents = {line.indent for line in opening if line.numbered and line.span in repeats}
    return [line for line in opening if line.span in repeats or (line.numbered and line.indent in indents)]


def _content(heading: str) -> frozenset[str]:
    return frozenset(word.lower() for word in _WORD.findall(heading))


def _repeats(heading: str, assessed: Set[str]) -> bool:
    words = _content(heading)
    return bool(words) and 2 * len(words & assessed) >= len(words)


def _problem_lines(read: Sequence[_Line], section: Section) -> list[_Line]:
    """The lines that open an item: numbered ones where there are any; else the bare ones where the bullets are the
    plan's; else the least indented."""
    opening = [line for line in read if line.heading]
    if section.kind is SectionKind.PLAN and not any(not line.marked for line in opening):
        return []
    if any(line.numbered for line in opening):
        return [line for line in opening if line.numbered]
    if section.kind is not SectionKind.ASSESSMENT and any(not line.marked for line in opening):
        bare = [line for line in opening if not line.marked]
        if len(bare) < len(opening) or section.kind is SectionKind.PLAN:
            return [line for line in bare if len(line.span) < MAX_PLAN_LINE]
    if not opening:
        return []
    least = min(line.indent for line in opening)
    return [line for line in opening if line.indent <= least]
