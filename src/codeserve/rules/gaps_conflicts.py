"""Statements of one note that do not fit together (data/rules/gap_conflicts.tsv)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from codeserve.notes.document import SectionKind
from codeserve.notes.spans import Span
from codeserve.rules.gaps_words import Asked, Gap, gap, quoted
from codeserve.rules.reading import Reading, pattern
from codeserve.rules.tables import rows

# What relatives have is no contradiction; what is offered or weighed up is none either.
NEVER_IN = frozenset({SectionKind.FAMILY_HISTORY, SectionKind.INSTRUCTIONS})
OTHERS = re.compile(
    r"\b(?:mother|father|sister|brother|family history|husband|wife|consider|if|former|quit|previously|stopped|start"
    r")\b",
    re.IGNORECASE,
)


def conflict_gaps(asked: Asked) -> Iterator[Gap]:
    for row in rows("gap_conflicts.tsv"):
        one, other = _said(row["one"], asked.reading), _said(row["other"], asked.reading, OTHERS)
        if one and other and not one.overlaps(other):
            text = asked.document.text
            told = {"one": quoted(text, one), "other": quoted(text, other), "topic": row["topic"]}
            yield gap("conflicting-statements", sorted((one, other)), **told)


def _said(words: str, reading: Reading, but: re.Pattern[str] | None = None) -> Span | None:
    """The first place of the words, in a sentence without the words of `but`."""
    for sentence in reading.sentences:
        if sentence.section in NEVER_IN or (but and but.search(sentence.text)):
            continue
        if match := pattern(words).search(sentence.text):
            return Span(*match.span()).shift(sentence.span.start)
    return None
