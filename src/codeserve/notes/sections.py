"""A note's sections by their headings.

data/sections.tsv lists the headings, data/section_words.tsv the ways to write their words (`dx` for `diagnosis`) and
the words that may stand around them (`current`, `reviewed`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from codeserve.notes.document import Section, SectionKind
from codeserve.notes.lines import after_break, lines
from codeserve.notes.spans import Span

# "## Plan:", "**Assessment**", "3) Plan", "IV. PLAN", "=== PLAN ===", "PLAN: text on the same line", "Plan - text".
_HEADING = re.compile(
    r"[ \t]*(?:#{1,6}[ \t]*|\*{1,2}|_{1,2}|={2,5}[ \t]*|\[|<b>|<strong>)?(?:(?:\d{1,2}|[IVX]{1,4}|[A-H])[.)][ \t]+)?"
    r"(?P<name>[A-Za-z][A-Za-z&/+,'’()\- ]{0,58}?)[ \t]{0,8}(?P<close>[*_\]]{1,2}|={2,5}|</\w{1,6}>)?[ \t]{0,8}"
    r"(?:(?P<mark>[:;][*_]{0,2}|[-–—](?=\s|$))[ \t]*(?P<rest>.*)|\.?$)"
)
MAX_LINE = 120  # how far into a line a heading may reach
SHORT = 2  # a heading of one or two letters ("S", "PE") needs its colon or capitals
_BRACKET = re.compile(r"\((?!s\))[^)]*\)")
_OP = re.compile(r"\b(pre|post)[- ]?op(?:erative)?\b")
_SPLIT = re.compile(r"\s*/\s*|\s+and\s+")
# What a clinician may also note under one problem of the assessment ("Labs: BMP today").
_LABELS = frozenset(
    {SectionKind.RESULTS, SectionKind.MEDICATIONS, SectionKind.PROCEDURE, SectionKind.PLAN, SectionKind.EXAM}
)


@dataclass(frozen=True, slots=True)
class _Heading:
    kind: SectionKind
    line: int
    span: Span
    body: int
    inline: bool
    upper: bool


def _rows(name: str) -> list[list[str]]:
    text = files("codeserve").joinpath("data", name).read_text(encoding="utf-8")
    return [line.split("\t") for line in text.splitlines()[1:] if line]


@lru_cache(maxsize=1)
def _words() -> dict[str, str]:
    return {row[0]: row[1] for row in _rows("section_words.tsv")}


@lru_cache(maxsize=1)
def headings() -> dict[str, SectionKind]:
    """Heading, in the form that `_normal` gives, to the kind of section that it opens."""
    return {_normal(name): SectionKind(kind) for name, kind in _rows("sections.tsv")}


def split_sections(text: str) -> tuple[Section, ...]:
    """Sections that touch and cover the text; what stands before the first heading is OTHER. At least one section."""
    found = list(_find(text))
    starts = [h.line for h in found]
    if found and not text[: starts[0]].strip():
        starts[0] = 0
    sections: list[Section] = []
    if not found or starts[0] > 0:
        preamble = Span(0, starts[0] if found else len(text))
        sections.append(Section(SectionKind.OTHER, preamble, preamble))
    ends = [*starts[1:], len(text)][: len(found)]
    for heading, start, end in zip(found, starts, ends, strict=True):
        sections.append(Section(heading.kind, Span(start, end), Span(min(heading.body, end), end), heading.span))
    return tuple(sections)


def _find(text: str) -> Iterator[_Heading]:
    last: _Heading | None = None
    for line in lines(text):
        heading = _heading(text, line)
        if heading and not (last and _labels_problem(last, heading)):
            last = heading
            yield heading


def _labels_problem(last: _Heading, heading: _Heading) -> bool:
    """Whether a heading under an assessment and plan is only a label there: written smaller than that one was."""
    inside = last.kind is SectionKind.ASSESSMENT_PLAN and heading.kind in _LABELS
    return inside and ((last.upper and not heading.upper) or (heading.inline and not last.inline))


def _heading(text: str, line: Span) -> _Heading | None:
    match = _HEADING.match(text[line.start : min(line.end, line.start + MAX_LINE)])
    if not match:
        return None
    name, marked = match["name"].rstrip(), bool(match["mark"])
    kind = _kind(_normal(name))
    if kind is None or (len(name) <= SHORT and not marked and not name.isupper()) or (len(name) == 1 and not marked):
        return None
    start = line.start + match.start("name")
    inline = bool((match["rest"] or "").strip())
    body = line.start + match.start("rest") if inline else after_break(text, line.end)
    return _Heading(kind, line.start, Span(start, start + len(name)), body, inline, name.isupper())


@lru_cache(maxsize=4096)
def _normal(name: str) -> str:
    """Lower case, spelt out, in the singular of the words table, without what stands in brackets."""
    bare = _BRACKET.sub(" ", name.lower().replace("’", "'")).replace("(s)", "s")
    bare = _OP.sub(r"\1operative", bare)
    bare = re.sub(r"[&+]", " and ", bare.replace("/", " / "))
    return " ".join(_words().get(word, word) for word in bare.strip(" -,").split())


def _kind(name: str) -> SectionKind | None:
    """Whole, without the words that only stand around it, or made of two known ones (`subjective / hpi`)."""
    known = _known(name)
    if known or not name:
        return known
    kinds = [_known(part) for part in _SPLIT.split(name)]
    if len(kinds) < 2 or None in kinds:
        return None
    if kinds[0] is SectionKind.ASSESSMENT and SectionKind.PLAN in kinds:
        return SectionKind.ASSESSMENT_PLAN
    return kinds[0]


def _known(name: str) -> SectionKind | None:
    words = name.split()
    while len(words) > 1 and " ".join(words) not in headings() and _words().get(f"{words[0]} …") == "before":
        words = words[1:]
    while len(words) > 1 and " ".join(words) not in headings() and _words().get(f"… {words[-1]}") == "after":
        words = words[:-1]
    return headings().get(" ".join(words))
