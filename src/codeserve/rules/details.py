"""What specifies a problem and may stand in another section: side, episode of care, trimester. Each with its words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from codeserve.notes.document import Document, SectionKind
from codeserve.notes.spans import Span
from codeserve.retrieval import text as words
from codeserve.rules.tables import any_of, rows

SEARCHED = (
    SectionKind.ASSESSMENT,
    SectionKind.ASSESSMENT_PLAN,
    SectionKind.PLAN,
    SectionKind.PROCEDURE,
    SectionKind.RESULTS,
    SectionKind.EXAM,
    SectionKind.HPI,
    SectionKind.CHIEF_COMPLAINT,
    SectionKind.OTHER,
)
_WEAK = frozenset(
    {"pain", "chronic", "acute", "sprain", "strain", "fracture", "disease", "syndrome", "tear", "primary", "injury"}
    | {"joint"}
)
SIDE_LETTERS = {"R": "right", "L": "left"}
_WEEKS = re.compile(r"\b(\d{1,2})\s*(?:\+\s*\d\s*)?(?:weeks?|wks?|w)\b[^.\n]{0,25}\b(?:pregnan|gestation|ga\b)", re.I)


@lru_cache(maxsize=1)
def weak_stems() -> frozenset[str]:
    """Stems of words that are too common to tie a side to a problem."""
    return frozenset(words.stem(w) for w in _WEAK)


@dataclass(frozen=True, slots=True)
class Detail:
    """`value`: "right", "left", "bilateral"; "A", "D", "S"; or a trimester "1" to "3"."""

    value: str
    span: Span


@lru_cache(maxsize=8)
def cues(kind: str) -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((r["value"], any_of(r["words"].split("|"))) for r in rows("details.tsv") if r["kind"] == kind)


def find(kind: str, text: str, within: Span) -> tuple[Detail, ...]:
    """All words of a kind of detail in a part of the text, in order."""
    found = [
        Detail(value, Span(*match.span()))
        for value, pattern in cues(kind)
        for match in pattern.finditer(text, within.start, within.end)
    ]
    if kind == "side":
        letters = _side_letter().finditer(text, within.start, within.end)
        found += [Detail(SIDE_LETTERS[match[0]], Span(*match.span())) for match in letters]
    return tuple(sorted(found, key=lambda detail: detail.span))


@lru_cache(maxsize=1)
def _side_letter() -> re.Pattern[str]:
    """A capital R or L before a part of the body: "L lower leg", not "L4", "RA" or "R 18"."""
    parts = "|".join(row["words"] for row in rows("details.tsv") if row["kind"] == "part")
    return re.compile(rf"(?<![\w/])[RL](?= (?:(?:upper|lower|inner|outer|great|big|index) )?(?:{parts})s?\b)")


def side(document: Document, term: str, near: Sequence[Span], sentences: Sequence[Span]) -> Detail | None:
    """The side of a problem: in its own words, or else in the sentences that name the same part of the body, where
    those agree. Guideline I.B.13."""
    for span in near:
        own = find("side", document.text, span)
        if own:
            return _one_side(own)
    part = {words.stem(w) for w in words.words(term)} - weak_stems()
    said: list[Detail] = []
    for sentence in _in_sections(document, sentences):
        found = find("side", document.text, sentence)
        if found and part & set(words.stems(sentence.of(document.text))):
            said += found
    return _one_side(said, strict=True) if said else None


def _one_side(found: Sequence[Detail], strict: bool = False) -> Detail | None:
    values = {detail.value for detail in found}
    if len(values) == 1:
        return found[0]
    if "bilateral" in values and not strict:
        return next(detail for detail in found if detail.value == "bilateral")
    if values == {"right", "left"} and not strict:
        return Detail("bilateral", found[0].span.cover(found[-1].span))
    return None


def _in_sections(document: Document, sentences: Iterable[Span]) -> list[Span]:
    """Sentences of the sections that tell of today, the most telling section first."""
    placed = [(SEARCHED.index(kind), s) for s in sentences if (kind := document.section_at(s.start).kind) in SEARCHED]
    return [span for _, span in sorted(placed)]


def episode(document: Document, term: str, near: Sequence[Span], sentences: Sequence[Span]) -> Detail | None:
    """A later episode of care, where the problem's own text, the reason for the visit or a sentence of the history that
    names the same part says so; guideline I.C.19.a."""
    part = {words.stem(w) for w in words.words(term)}
    visit = [s.span for s in document.sections if s.kind is SectionKind.CHIEF_COMPLAINT]
    told = [
        sentence
        for sentence in sentences
        if document.section_at(sentence.start).kind is SectionKind.HPI
        and part & set(words.stems(sentence.of(document.text)))
    ]
    for span in (*near, *visit, *told):
        found = find("episode", document.text, span)
        if found:
            return found[0]
    return None


def trimester(document: Document) -> Detail | None:
    """The trimester as stated, or by weeks of gestation: 14 and 28 begin the second and third (chapter 15)."""
    stated = find("trimester", document.text, Span(0, len(document.text)))
    if stated:
        return stated[0]
    match = _WEEKS.search(document.text)
    if not match:
        return None
    weeks = int(match[1])
    return Detail("1" if weeks < 14 else "2" if weeks < 28 else "3", Span(*match.span()))
