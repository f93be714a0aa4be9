"""Whether a note shows that the patient takes a drug, uses a device or is in a state now: it is not stopped, refused,
planned, an allergy, or another person's.

Where the words stand is data (data/rules/drug_use.tsv); negated and stopped drugs are also read as the tagger's are
(tagging/assertion.py). "History of" before a condition says nothing against the drug that is taken for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from codeserve.notes.document import Document, SectionKind
from codeserve.notes.spans import Span
from codeserve.rules.reading import REACH, Reading, Sentence, pattern
from codeserve.rules.tables import rows
from codeserve.tagging.assertion import assert_entities
from codeserve.tagging.entities import Assertion, Entity, EntityKind

NEVER_IN = (SectionKind.FAMILY_HISTORY, SectionKind.ALLERGIES)
_LISTS = re.compile(
    r"\b(?:discontinued|stopped|former|past|prior|previous|old|inactive|held|allerg\w+|intoleran\w+|family)\b"
    r"(?=[^:\n]{0,20}\b(?:med\w*|drugs?|list|treatments?|history|allergies|reactions?)?\b)",
    re.IGNORECASE,
)


def in_use(reading: Reading, words: str) -> Iterator[Span]:
    """The places where what `words` (a pattern) names is the patient's own and present, in order."""
    document = reading.document
    for sentence in reading.sentences:
        if sentence.section in NEVER_IN or _listed_as_past(document, sentence):
            continue
        for match in pattern(words).finditer(sentence.text):
            span = Span(*match.span()).shift(sentence.span.start)
            if not _barred(sentence.text, match) and _present(document, sentence, span):
                yield span


def _listed_as_past(document: Document, sentence: Sentence) -> bool:
    """Whether the list that a sentence stands in is one of what was."""
    heading = document.section_at(sentence.span.start).heading
    return bool(heading and _LISTS.search(heading.of(document.text)))


def _barred(text: str, match: re.Match[str]) -> bool:
    before, behind = text[max(0, match.start() - REACH) : match.start()], text[match.end() : match.end() + REACH]
    return any(p.search(before) for p in _cues("before")) or any(p.search(behind) for p in _cues("behind"))


@lru_cache(maxsize=2)
def _cues(where: str) -> tuple[re.Pattern[str], ...]:
    return tuple(pattern(row["pattern"]) for row in rows("drug_use.tsv") if row["where"] == where)


def _present(document: Document, sentence: Sentence, span: Span) -> bool:
    entity = Entity(EntityKind.MEDICATION, span, span.of(document.text), 1.0)
    (judged,) = assert_entities(document, (entity,), (sentence.span,))
    return judged.assertion is Assertion.PRESENT
