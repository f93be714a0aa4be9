"""The third element of medical decision making: risk of complications of what was decided.

Source: AMA CPT E/M guidelines, "Risk of Complications and/or Morbidity or Mortality of Patient Management".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from codeserve.notes.spans import Span
from codeserve.rules.levels import highest
from codeserve.rules.reading import Reading, Sentence, counts, pattern
from codeserve.rules.results import Element, ElementItem
from codeserve.rules.tables import rows
from codeserve.tagging.entities import EntityKind

LEAST = "straightforward"
SURE = 0.5


def risk_element(reading: Reading) -> Element:
    """One item a kind, with the words of the first decision that shows it; at least straightforward (minimal)."""
    found: dict[str, tuple[str, ElementItem]] = {}
    for row in rows("mdm_risk_cues.tsv"):
        if row["kind"] not in found and reading.holds(row["settings"]):
            span = next((s for sentence in reading.within("decided") for s in _decisions(reading, sentence, row)), None)
            if span:
                found[row["kind"]] = row["level"], ElementItem(row["kind"], row["message"], (span,))
    level = highest([LEAST, *(level for level, _ in found.values())])
    return Element(level, tuple(item for _, item in found.values()))


@lru_cache(maxsize=8)
def named(what: str) -> re.Pattern[str] | None:
    """The words for a class of drugs or a size of surgery; None for what the tables do not hold."""
    listed = [r["words"] for r in rows("drugs.tsv") if r["class"] == what]
    listed += [r["words"] for r in rows("surgeries.tsv") if r["size"] == what]
    return pattern(rf"(?<![\w-])(?:{'|'.join(listed)})(?!\w)") if listed else None


def _decisions(reading: Reading, sentence: Sentence, row: dict[str, str]) -> Iterator[Span]:
    """The words of a decision in a sentence: the cue, and what it needs beside it, both unnegated."""
    needed = [Span(0, 0)] if not row["needs"] else list(_needed(reading, sentence, row["needs"]))
    if not needed:
        return
    for match in pattern(row["pattern"]).finditer(sentence.text):
        cue = Span(*match.span())
        if not counts(sentence.text, cue.start, "risk", row["kind"]):
            continue
        for thing in needed:
            if counts(sentence.text, thing.start, "risk", row["kind"]):
                yield (cue.cover(thing) if row["needs"] else cue).shift(sentence.span.start)


def _needed(reading: Reading, sentence: Sentence, what: str) -> Iterator[Span]:
    words = named(what)
    assert words is not None, f"mdm_risk_cues.tsv needs {what}, which no table names"
    yield from (Span(*match.span()) for match in words.finditer(sentence.text))
    if what == "prescription":
        yield from _tagged_drugs(reading, sentence)


def _tagged_drugs(reading: Reading, sentence: Sentence) -> Iterator[Span]:
    """Drugs that the tagger found and the tables do not know: taken for prescription drugs unless sold without."""
    known = [words for words in (named("otc"), named("general")) if words]
    for entity in reading.entities:
        drug = entity.kind is EntityKind.MEDICATION and entity.score >= SURE
        if drug and sentence.span.contains(entity.span) and not any(words.search(entity.text) for words in known):
            yield entity.span.shift(-sentence.span.start)
