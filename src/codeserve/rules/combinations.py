"""Codes that the classification joins, settles or leaves out beside one another. Rows: data/rules/*.tsv."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from codeserve.rules.tables import rows

GENERAL_SYMPTOMS = "R"
PAINS = ("G89", "M25.4", "M25.5", "M25.6", "M54.2", "M54.5", "M54.6", "M54.9", "M79.6")
ADDED = "+"
_DENIED = re.compile(r"\b(?:no|not|without|denies|never|free of|negative for)\b[^.,;]*\Z", re.IGNORECASE)


class Coded(Protocol):
    @property
    def code(self) -> str: ...

    @property
    def group(self) -> int: ...

    @property
    def own_text(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Joined:
    """`code` takes the place of the code at `place`, or with `added` stands behind it; `source` in the guideline."""

    place: int
    code: str
    source: str
    added: bool = False


def join(coded: Sequence[Coded]) -> Joined | None:
    """The first combination that the codes ask for, or None. Call again until it is None."""
    for row in rows("combinations.tsv"):
        stems = row["all"].split()
        places = [_place(coded, stem) for stem in stems]
        if None in places:
            continue
        added = row["replaces"] == ADDED
        place = places[0] if added else _place(coded, row["replaces"])
        if place is None or coded[place].code == row["result"]:
            continue
        if added and _there(row["result"], stems, coded):
            continue
        if not row["cue"] or _states(coded[place].own_text, row["cue"]):
            return Joined(place, row["result"], row["source"], added)
    return None


def _there(result: str, stems: Sequence[str], coded: Sequence[Coded]) -> bool:
    """Whether an added code stands there already, be it as another code of its category where that is not one of the
    joined codes' own: a dementia that has become more specific is not added again."""
    own = any(stem[:3] == result[:3] for stem in stems)
    return any(one.code == result or (not own and one.code[:3] == result[:3]) for one in coded)


def _states(said: str, cues: str) -> bool:
    """Whether a text holds one of the cues, parted by "|", and does not deny it just before."""
    found = re.finditer("|".join(map(re.escape, cues.split("|"))), said, re.IGNORECASE)
    return any(not _DENIED.search(said, max(0, match.start() - 30), match.start()) for match in found)


def _place(coded: Sequence[Coded], stem: str) -> int | None:
    return next((i for i, one in enumerate(coded) if one.code.startswith(stem)), None)


@lru_cache(maxsize=1)
def _integral() -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple((row["diagnosis"], tuple(row["symptoms"].split())) for row in rows("integral_symptoms.tsv"))


@lru_cache(maxsize=1)
def _beside() -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple((row["diagnosis"], tuple(row["symptoms"].split())) for row in rows("symptoms_beside.tsv"))


def explained(symptom: Coded, others: Sequence[Coded]) -> str | None:
    """The code of the diagnosis that a symptom is part of (guideline I.B.5), or None.

    By the table, or because both stand in one line of the assessment ("Foot pain due to a fracture").
    """
    for other in others:
        if other.code == symptom.code or is_symptom(other.code):
            continue
        if any(other.code.startswith(d) and symptom.code.startswith(s) for d, s in _beside()):
            continue
        if is_symptom(symptom.code) and other.group == symptom.group:
            return other.code
        if any(other.code.startswith(d) and symptom.code.startswith(s) for d, s in _integral()):
            return other.code
    return None


@lru_cache(maxsize=4096)
def is_symptom(code: str) -> bool:
    """Chapter 18, pain not elsewhere classified, and pain, swelling, stiffness of a joint, limb or back."""
    return code.startswith(
        (GENERAL_SYMPTOMS, "G89", "M25.4", "M25.5", "M25.6", "M54.2", "M54.5", "M54.6", "M54.9", "M79.6")
    )


def history_code(code: str) -> tuple[str, str] | None:
    """What a past condition is coded as, with its source: the longest stem that fits; None where it stays current."""
    fitting = [row for row in rows("history_codes.tsv") if code.startswith(row["current"])]
    if not fitting:
        return None
    best = max(fitting, key=lambda row: len(row["current"]))
    return (best["history"], best["source"]) if best["history"] else None
