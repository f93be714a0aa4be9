"""The third element of medical decision making: risk of complications of what was decided.

Source: AMA CPT E/M guidelines, "Risk of Complications and/or Morbidity or Mortality of Patient Management".
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from codeserve.notes.spans import Span
from codeserve.rules.levels import highest
from codeserve.rules.reading import Reading, Sentence, counts, pattern
from codeserve.rules.results import Element, ElementItem
from codeserve.rules.tables import rows
from codeserve.rules.terms import Terms
from codeserve.tagging.entities import EntityKind

LEAST = "straightforward"
SURE = 0.5
FIRST = "FIRST"
NEAR = "near"


def risk_element(reading: Reading) -> Element:
    """One item a kind, with the words of the first decision that shows it; at least straightforward (minimal)."""
    found: dict[str, tuple[str, ElementItem]] = {}
    for row in rows("mdm_risk_cues.tsv"):
        if row["kind"] not in found and reading.holds(row["settings"]):
            decided = (span for s in reading.within(row["sections"]) for span in _decisions(reading, s, row))
            span = next(decided, None)
            if span:
                found[row["kind"]] = row["level"], ElementItem(row["kind"], row["message"], (span,))
    level = highest([LEAST, *(level for level, _ in found.values())])
    return Element(level, tuple(item for _, item in found.values()))


def _decisions(reading: Reading, sentence: Sentence, row: dict[str, str]) -> Iterator[Span]:
    """The words of a decision in a sentence: the cue, and what it needs beside it, both unnegated."""
    if row["pattern"] == FIRST:
        yield from (thing for thing in _needed(reading, sentence, row) if _opens(sentence, thing))
        return
    if row["needs"] and not any(True for _ in _needed(reading, sentence, row)):
        return
    for match in pattern(row["pattern"]).finditer(sentence.text):
        cue = Span(*match.span())
        if counts(sentence.text, cue.start, "risk", row["kind"]):
            at = cue.shift(sentence.span.start)
            things = _needed(reading, sentence, row) if row["needs"] else iter([at])
            yield from (at.cover(thing) for thing in things)


def _opens(sentence: Sentence, thing: Span) -> bool:
    own = thing.shift(-sentence.span.start)
    opens = pattern("{opening}").fullmatch(sentence.text, 0, own.start)
    return bool(opens) and not pattern("{statement}").match(sentence.text, own.end)


def _needed(reading: Reading, sentence: Sentence, row: dict[str, str]) -> Iterator[Span]:
    """Where a drug or an operation of a class stands that counts."""
    for one in reading.beside(sentence) if row["reach"] == NEAR else (sentence,):
        for span in _named(reading, one, row["needs"]):
            if counts(one.text, span.start, "risk", row["kind"], end=span.end):
                yield span.shift(one.span.start)


def _named(reading: Reading, sentence: Sentence, what: str) -> tuple[Span, ...]:
    """Where a sentence names a drug or an operation of a class; many rows ask for the same."""
    asked = what, sentence.span
    if asked not in reading.found:
        reading.found[asked] = tuple(_find(reading, sentence, what))
    return reading.found[asked]


def _find(reading: Reading, sentence: Sentence, what: str) -> Iterator[Span]:
    if what in ("minor", "major"):
        yield from (span for span, row in Terms.of("surgeries.tsv").find(sentence.text) if row["size"] == what)
        return
    known = list(Terms.of("drugs.tsv").find(sentence.text))
    yield from (span for span, row in known if row["class"] in _classes(what))
    if what == "rx":
        taken = [span for span, _ in known]
        yield from (s for s in _unlisted(reading, sentence) if not any(s.overlaps(other) for other in taken))


@lru_cache(maxsize=8)
def _classes(what: str) -> frozenset[str]:
    """A drug that can be toxic is one on prescription; one sold both ways is also sold without."""
    return frozenset({what, *{"rx": ("toxic",), "otc": ("both",)}.get(what, ())})


def _unlisted(reading: Reading, sentence: Sentence) -> Iterator[Span]:
    """Drugs that the table does not know: by their stem, or found by the tagger; taken for prescription drugs."""
    yield from (Span(*match.span()) for match in pattern(r"\b(?:{drug_stem})\b").finditer(sentence.text))
    for entity in reading.entities:
        drug = entity.kind is EntityKind.MEDICATION and entity.score >= SURE
        if drug and sentence.span.contains(entity.span):
            yield entity.span.shift(-sentence.span.start)
