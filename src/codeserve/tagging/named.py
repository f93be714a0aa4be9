"""Problems as the lexicon names them, where there is no time for the tagger."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from codeserve.notes.spans import Span
from codeserve.tagging.entities import Entity, EntityKind

# How often a phrase of the lexicon is a problem in the sense of the note; what the tagger's mean score is for them.
SCORE = 0.9

Scan = Callable[[str], Sequence[tuple[Span, object]]]


def named_problems(text: str, scan: Scan) -> tuple[Entity, ...]:
    """The longest phrases of `text` that the lexicon knows, in order, each once; `scan` as `Lexicon.scan`."""
    spans = dict.fromkeys(span for span, _ in scan(text))
    return tuple(Entity(EntityKind.PROBLEM, span, span.of(text), SCORE) for span in spans)
