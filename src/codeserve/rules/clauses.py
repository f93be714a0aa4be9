"""What a sentence says of here and now: its clauses on plans, history and other places blanked out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from codeserve.notes.spans import Span
from codeserve.rules.reading import pattern
from codeserve.rules.tables import rows

_SUBJECT = "he|she|we|they|i|you|pt|patient|mother|mom|father|dad|parents?"
_TURN = "and|but|so|then|which|who|however|because|since|although|though|after|as"
_LATER = (
    "will|declin\\w+|refus\\w+|schedul\\w+|refer\\w*|plan\\w*|order\\w*|follow|return\\w*|recheck|repeat|may|should"
)
_CUT = re.compile(
    rf";|[,:]\s+(?=(?:{_TURN}|{_SUBJECT}|{_LATER}|return|f/u)\b)|\s+(?=but\b|however\b|(?:and|then) (?:{_LATER})\b)"
    r"|\s(?=[-–—]+\s)|\.\s+|\)(?=\s)|\s(?=\()",
    re.IGNORECASE,
)
# A plan goes on in the next clause ("we will obtain an ECG, and spirometry") unless that tells of something done.
_TELLS = re.compile(
    r"\b(?:was|were|is|are|given|done|performed|obtained|administered|completed|applied|shows?|showed|positive|negative"
    r"|normal|\w+ed)\b",
    re.IGNORECASE,
)
NOT_DONE, ELSEWHERE = "not_done", "elsewhere"


def here_and_now(said: str, *, elsewhere: bool = True) -> str:
    """The sentence, as long as it was, with blanks for the clauses that tell of a plan, of the past, of something
    declined or, where `elsewhere`, of another place."""
    kept: list[str] = []
    carried = False
    for clause in _clauses(said):
        words = clause.of(said)
        plans = speaks(words, NOT_DONE)
        carried = plans or (carried and not _TELLS.search(words))
        barred = carried or (elsewhere and speaks(words, ELSEWHERE))
        kept.append(" " * len(words) if barred else words)
    return "".join(kept)


def speaks(said: str, sort: str) -> bool:
    """Whether words of a sort of data/rules/procedure_cues.tsv stand in a text."""
    return any(one.search(said) for one in _patterns(sort))


@lru_cache(maxsize=8)
def _patterns(sort: str) -> tuple[re.Pattern[str], ...]:
    return tuple(pattern(r["pattern"]) for r in rows("procedure_cues.tsv") if r["sort"] == sort)


def _clauses(said: str) -> Iterator[Span]:
    """Spans that touch and cover the sentence."""
    begin = 0
    for match in _CUT.finditer(said):
        yield Span(begin, match.end())
        begin = match.end()
    yield Span(begin, len(said))
