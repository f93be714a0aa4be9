"""Services told by an act and a place, not by one name: "the knee was injected", "liquid nitrogen to 5 lesions".

data/rules/procedure_acts.tsv holds the acts, data/rules/procedure_frames.tsv the code for each place or condition that
decides, data/rules/procedure_refined.tsv what a word elsewhere makes of a code ("ultrasound guidance").
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from codeserve.rules.reading import pattern
from codeserve.rules.tables import rows


@dataclass(frozen=True, slots=True)
class Act:
    """`said` names it; `proof` are words that say it was done; `replaces` the codes of terms that it knows better."""

    family: str
    kind: str
    said: re.Pattern[str]
    proof: re.Pattern[str] | None
    unless: re.Pattern[str] | None
    replaces: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Frame:
    """`near`: what must stand near the act; None decides where nothing else does. `codes` may be empty: not billed."""

    near: re.Pattern[str] | None
    unless: re.Pattern[str] | None
    codes: tuple[str, ...]

    def fits(self, place: str) -> bool:
        return bool(self.near and self.near.search(place)) and not (self.unless and self.unless.search(place))


@lru_cache(maxsize=1)
def acts() -> tuple[Act, ...]:
    return tuple(
        Act(
            row["family"],
            row["kind"],
            pattern(row["said"]),
            _optional(row["proof"]),
            _optional(row["unless"]),
            tuple(code for code in row["replaces"].split("|") if code),
        )
        for row in rows("procedure_acts.tsv")
    )


@lru_cache(maxsize=128)
def frames(family: str) -> tuple[Frame, ...]:
    return tuple(
        Frame(_optional(r["near"]), _optional(r["unless"]), tuple(code for code in r["codes"].split("|") if code))
        for r in rows("procedure_frames.tsv")
        if r["family"] == family
    )


def decide(family: str, places: Sequence[str]) -> tuple[str, ...]:
    """The codes of an act by what stands near: the first frame that fits in the nearest place. The last place is the
    whole note, where all that fits must agree."""
    known = frames(family)
    for place in places[:-1]:
        if fitting := next((frame for frame in known if frame.fits(place)), None):
            return fitting.codes
    said_anywhere = {frame.codes for frame in known if frame.fits(places[-1])}
    if len(said_anywhere) == 1:
        return said_anywhere.pop()
    return next((frame.codes for frame in known if frame.near is None), ())


def refined(code: str, place: str) -> str:
    """What words near the service make of its code."""
    for row in _refinements(code):
        if pattern(row["said"]).search(place) and not (row["unless"] and pattern(row["unless"]).search(place)):
            return row["becomes"]
    return code


@lru_cache(maxsize=1024)
def _refinements(code: str) -> tuple[dict[str, str], ...]:
    return tuple(row for row in rows("procedure_refined.tsv") if code in row["codes"].split("|"))


def _optional(text: str) -> re.Pattern[str] | None:
    return pattern(text) if text else None


def named(kept: str, performed: bool, admits: Sequence[str]) -> Iterator[Act]:
    """The acts that a sentence tells of as done: in a place for what was performed, by a word that proves it, or under
    a cue for its kind."""
    for act in acts():
        if not act.said.search(kept) or (act.unless and act.unless.search(kept)):
            continue
        if performed or act.kind in admits or (act.proof and act.proof.search(kept)):
            yield act
