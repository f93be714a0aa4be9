"""What the rules leave open in the problems of a visit, as a few yes/no questions, and what the answers make of it.

The counting stays in rules/mdm_problems.py: an answer only changes the kind of one problem there.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from codeserve.notes.document import Document
from codeserve.reasoning.questions import OpenQuestion
from codeserve.rules.results import Em, OpenItem
from codeserve.rules.tables import rows

MOST = 3


def left_open(em: Em) -> tuple[OpenItem, ...]:
    """At most MOST of the visit's open problems, the first-listed first."""
    return em.problems.open[:MOST]


def questions(document: Document, asked: Sequence[OpenItem]) -> tuple[OpenQuestion, ...]:
    """One question a problem, in their order."""
    text = document.text
    return tuple(
        OpenQuestion(one.question, one.term.of(text), " ".join(span.of(text) for span in one.said)) for one in asked
    )


def settle(asked: Sequence[OpenItem], sure: Sequence[float], threshold: float) -> dict[str, str]:
    """The kind by code of each problem that was answered with yes by at least `threshold`."""
    return {one.code: _yes()[one.question] for one, p in zip(asked, sure, strict=True) if p >= threshold}


def billed(em: Em | None) -> tuple[str, ...]:
    """What of a visit an answer can change: its code and those beside it."""
    return () if em is None else (em.code, *(one.code for one in em.also))


@lru_cache(maxsize=1)
def _yes() -> dict[str, str]:
    return {row["question"]: row["yes"] for row in rows("mdm_questions.tsv")}
