"""Where a gold code is lost on its way, and what is wrong with a suggestion that is not in the gold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from codeserve.codesets.concepts import Concepts
from codeserve.reasoning.questions import Answer, Candidate


class Fate(StrEnum):
    """What became of a gold code, in the order of the chain."""

    RIGHT = "suggested"
    DETAIL = "side or 7th character wrong"
    CATEGORY = "another code of its category suggested"
    DROPPED = "chosen, then dropped by the rules"
    NOT_CHOSEN = "among the candidates, not chosen"
    NOT_RETRIEVED = "asked about, not among the candidates"
    NOT_TAGGED = "its condition was never asked about"
    EXTERNAL = "external cause not found"


@dataclass(frozen=True, slots=True)
class Asked:
    """A question's candidates and its answer."""

    candidates: tuple[Candidate, ...]
    answer: Answer


@dataclass(frozen=True, slots=True)
class Retrieved:
    """`tagged`: some question's candidates hold a code of its category; `rank` of its concept from 0 or None."""

    tagged: bool
    rank: int | None
    chosen: bool


def retrieved(code: str, asked: Sequence[Asked], concepts: Concepts) -> Retrieved:
    """How near the questions of a note came to a gold code."""
    concept = concepts.of(code)
    key = concept.key if concept else code
    ranks = [place for one in asked for place, candidate in enumerate(one.candidates) if candidate.code == key]
    return Retrieved(
        tagged=any(c.code[:3] == code[:3] for one in asked for c in one.candidates),
        rank=min(ranks, default=None),
        chosen=any(one.answer.judged and one.answer.judged[0].candidate.code == key for one in asked),
    )


def fate(code: str, suggested: Sequence[str], asked: Sequence[Asked], concepts: Concepts) -> Fate:
    """What became of a gold code."""
    if code in suggested:
        return Fate.RIGHT
    if code[0] in "VWXY":
        return Fate.CATEGORY if any(s[:3] == code[:3] for s in suggested) else Fate.EXTERNAL
    own = concepts.of(code)
    if own is not None and any(concepts.of(s) is own for s in suggested):
        return Fate.DETAIL
    if any(s[:3] == code[:3] for s in suggested):
        return Fate.CATEGORY
    found = retrieved(code, asked, concepts)
    if found.chosen:
        return Fate.DROPPED
    if found.rank is not None:
        return Fate.NOT_CHOSEN
    return Fate.NOT_RETRIEVED if found.tagged else Fate.NOT_TAGGED


def excess(code: str, gold: Sequence[str], concepts: Concepts) -> str:
    """What is wrong with a suggestion that is not in the gold."""
    own = concepts.of(code)
    if own is not None and any(concepts.of(g) is own for g in gold):
        return "side or 7th character wrong"
    if any(g[:3] == code[:3] for g in gold):
        return "another code of the category is right"
    if code[0] in "VWXY":
        return "external cause that was not coded"
    if code[0] == "R":
        return "symptom that was not coded"
    return "status or factor that was not coded" if code[0] == "Z" else "condition that was not coded"
