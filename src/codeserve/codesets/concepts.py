"""Concepts: billable codes that differ only in side, trimester or 7th character, told apart by the note's details.

Retrieval and the LLM choose a concept ("Sprain of unspecified ligament of ankle"); `specify` then picks the code.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import orjson

from codeserve.codesets.grouping import Stem, describe, groups
from codeserve.codesets.icd10cm import Icd10cm, normalise_code
from codeserve.errors import SetupError

FILE = "concepts.json"
# The 7th character that stands when the note says nothing, by what it says: an active treatment (guideline I.C.19.a),
# a closed fracture (I.C.19.c), a single fetus, an unspecified stage, and last the one that claims least.
_DEFAULTS = ("initial encounter for closed", "initial encounter", "not applicable", "unspecified", "without", "stable")
_STATED = 3  # the first so many need no word of the note


class Member(NamedTuple):
    """A billable code and what tells it apart within its concept.

    `side`: "right", "left", "bilateral", "unilateral" or None for unspecified; `dominant` for the side affected by a
    paralysis; `trimester` 1 to 3; `seventh` the 7th character. None where it says nothing or has no such part.
    """

    code: str
    side: str | None = None
    trimester: int | None = None
    seventh: str | None = None
    dominant: bool | None = None


@dataclass(frozen=True)
class Concept:
    """`key`: the member that says least (no side, no trimester, default 7th character); names the concept.

    `description` is without side, trimester and 7th character. `seventh` is the 7th character to take when the note
    says nothing; `assumed` tells that a guideline allows it (initial encounter) rather than that it is a guess.
    """

    key: str
    description: str
    category: str
    members: tuple[Member, ...]
    inclusion_terms: tuple[str, ...] = ()
    seventh: str | None = None
    assumed: bool = True

    @cached_property
    def codes(self) -> tuple[str, ...]:
        return tuple(member.code for member in self.members)

    @cached_property
    def sides(self) -> frozenset[str]:
        """The sides that have a code of their own; empty where the concept knows no sides."""
        return frozenset(m.side for m in self.members if m.side)

    @property
    def sided(self) -> bool:
        return bool(self.sides)


@dataclass(frozen=True, slots=True)
class Specified:
    """`codes`: one, or right and left where both are affected and no code says so (guideline I.B.13).

    `exact`: the codes say all that was asked and nothing is missing. `missing`: what the note would have to say for
    a more exact code: "side", "trimester", "stage" (any 7th character that is no episode of care).
    """

    codes: tuple[str, ...]
    exact: bool
    missing: tuple[str, ...] = ()

    @property
    def code(self) -> str:
        return self.codes[0]


class Concepts:
    """All concepts of a code set, read-only. Without `concepts` they are worked out from the titles (seconds)."""

    def __init__(self, icd: Icd10cm, concepts: Iterable[Concept] | None = None) -> None:
        self._icd = icd
        self._all = tuple(_work_out(icd) if concepts is None else concepts)
        self._by_code = {member.code: concept for concept in self._all for member in concept.members}

    @classmethod
    def load(cls, icd: Icd10cm, folder: Path) -> Concepts:
        """Read what `build` wrote for this very code set. Raises SetupError when it is missing or for another one."""
        file = folder / FILE
        if not file.is_file():
            raise SetupError("the concepts have not been built", hint="run `codeserve setup`")
        held = orjson.loads(file.read_bytes())
        if held["sha256"] != icd.sha256:
            raise SetupError("the concepts were built for another code set", hint="run `codeserve setup`")
        rows = held["concepts"]
        return cls(
            icd, (Concept(k, d, c, tuple(Member(*m) for m in ms), tuple(ts), *s) for k, d, c, ms, ts, *s in rows)
        )

    def of(self, code: str) -> Concept | None:
        """The concept of a billable code; None for anything else."""
        return self._by_code.get(code) or self._by_code.get(normalise_code(code))

    def leaves_side_open(self, code: str) -> bool:
        """Whether a code says no side where codes of its concept do (guideline I.B.13)."""
        concept = self.of(code)
        return bool(concept and concept.sided and all(m.side is None for m in concept.members if m.code == code))

    def all(self) -> tuple[Concept, ...]:
        """In the order of the tabular list."""
        return self._all

    def by_stem(self, stem: str) -> tuple[Concept, ...]:
        """The concepts that a billable code, or the beginning of codes ("M25.56-", "S93.40"), names; maybe none."""
        if (concept := self.of(stem)) is not None:
            return (concept,)
        prefix = normalise_code(stem.strip().rstrip("-").rstrip("."))
        found: dict[str, Concept] = {}
        for code in self._codes[bisect_left(self._codes, prefix) :]:
            if not code.startswith(prefix):
                break
            concept = self._by_code[code]
            found.setdefault(concept.key, concept)
        return tuple(found.values())

    def documents(self) -> Iterator[tuple[Concept, tuple[str, ...]]]:
        """Each concept with the texts to index: description, inclusion terms, and the category's title where the
        description does not share a word with it."""
        titles = {concept.category: self._icd.description(concept.category) for concept in self._all}
        for concept in self._all:
            title = titles[concept.category]
            context = () if _words(title) & _words(concept.description) else (title,)
            yield concept, (concept.description, *concept.inclusion_terms, *context)

    @cached_property
    def _codes(self) -> list[str]:
        return sorted(self._by_code)


def build(icd: Icd10cm, folder: Path) -> Path:
    """Work the concepts out and write them into `folder`."""
    rows = [
        (c.key, c.description, c.category, [_row(m) for m in c.members], c.inclusion_terms, c.seventh, c.assumed)
        for c in _work_out(icd)
    ]
    path = folder / FILE
    path.write_bytes(orjson.dumps({"sha256": icd.sha256, "concepts": rows}))
    return path


def specify(
    concept: Concept,
    *,
    side: str | None = None,
    episode: str | None = None,
    trimester: int | None = None,
    dominant: bool | None = None,
) -> Specified:
    """The members that fit the details; None for what the note does not say.

    `side`: "right", "left" or "bilateral"; `episode`: a 7th character (the concept's default where it has no such);
    `dominant`: whether the affected side is the dominant one (guideline I.C.6.a: unsaid, right is, left is not).
    A detail for which there is no member takes the unspecified one.
    """
    asked = _Asked(list(concept.members))
    asked.choose_seventh(concept, episode)
    asked.choose_trimester(trimester)
    sides = asked.choose_side(side, dominant)
    return Specified(tuple(m.code for m in sides), asked.exact and not asked.missing, tuple(asked.missing))


class _Asked:
    """The members that are still possible while one detail after the other is applied."""

    def __init__(self, members: list[Member]) -> None:
        self.members = members
        self.missing: list[str] = []
        self.exact = True

    def choose_seventh(self, concept: Concept, episode: str | None) -> None:
        if concept.seventh is None:
            return
        known = {m.seventh for m in self.members}
        if episode not in known:
            if not concept.assumed:
                self.missing.append("stage")
            elif episode is not None and concept.seventh.isalpha():
                self.exact = False
            episode = concept.seventh
        self.members = [m for m in self.members if m.seventh == episode] or self.members

    def choose_trimester(self, trimester: int | None) -> None:
        if not any(m.trimester for m in self.members):
            return
        if trimester is None:
            self.missing.append("trimester")
        self._take([m for m in self.members if m.trimester == trimester], [m for m in self.members if not m.trimester])

    def choose_side(self, side: str | None, dominant: bool | None) -> list[Member]:
        sides = {m.side for m in self.members}
        if not sides - {None}:
            return self.members[:1]
        if side is None:
            self.missing.append("side")
        if side == "bilateral" and "bilateral" not in sides and {"right", "left"} <= sides:
            return [self._one(part, dominant) for part in ("right", "left")]
        return [self._one(side, dominant)]

    def _one(self, side: str | None, dominant: bool | None) -> Member:
        everyone = self.members
        fitting = [m for m in everyone if m.side == side]
        if side in ("right", "left") and not fitting:
            fitting = [m for m in everyone if m.side == "unilateral"]
        spare = [m for m in everyone if m.side is None] or [m for m in everyone if m.side == "unilateral"]
        self._take(fitting, spare)
        wanted = side == "right" if dominant is None else dominant
        chosen = next((m for m in self.members if m.dominant == wanted), self.members[0])
        self.members = everyone
        return chosen

    def _take(self, fitting: list[Member], spare: list[Member]) -> None:
        if not fitting:
            self.exact = False
        self.members = fitting or spare or self.members


def _row(member: Member) -> tuple[object, ...]:
    cells: list[object] = list(member)
    while cells[-1] is None:
        cells.pop()
    return tuple(cells)


def _work_out(icd: Icd10cm) -> list[Concept]:
    place = {code: i for i, code in enumerate(icd.billable_codes())}
    found = [_concept(icd, group, place) for group in groups(icd)]
    return sorted(found, key=lambda concept: place[concept.members[0].code])


def _concept(icd: Icd10cm, group: list[Stem], place: dict[str, int]) -> Concept:
    by_side = len({(stem.side, stem.title.dominant) for stem in group}) > 1
    by_trimester = len({stem.title.trimester for stem in group}) > 1
    members: dict[Member, Stem] = {}
    for stem in group:
        side, dominant = (stem.side, stem.title.dominant) if by_side else (None, None)
        trimester = stem.title.trimester if by_trimester else None
        members.update({Member(code, side, trimester, char, dominant): stem for code, char in stem.codes})
    ordered = tuple(sorted(members, key=lambda m: place[m.code]))
    seventh, assumed = _default_seventh(icd, ordered)

    def says(member: Member) -> tuple[object, ...]:
        sure = (member.side is not None) + (member.side not in (None, "unilateral"))
        return sure, member.trimester is not None, member.seventh != seventh, place[member.code]

    key = min(ordered, key=says)
    terms = _inclusion_terms(icd, [m.code for m in ordered])
    return Concept(key.code, describe(group, members[key]), key.code[:3], ordered, terms, seventh, assumed)


def _default_seventh(icd: Icd10cm, members: tuple[Member, ...]) -> tuple[str | None, bool]:
    meanings: dict[str, str] = defaultdict(str)
    for member in members:
        if member.seventh and member.seventh not in meanings:
            meanings[member.seventh] = icd.seventh_characters(member.code)[member.seventh]
    for rank, words in enumerate(_DEFAULTS):
        for char, meaning in meanings.items():
            if words in meaning:
                return char, rank < _STATED
    return next(iter(meanings), None), not meanings


def _inclusion_terms(icd: Icd10cm, codes: list[str]) -> tuple[str, ...]:
    """Those of the members and of every line above them that holds nothing but members."""
    inside = set(codes)
    lines: dict[str, None] = {}
    for code in codes:
        lines[code] = None
        for above in icd.ancestors(code):
            if above in lines or "-" in above or not inside.issuperset(icd.leaves(above)):
                break
            lines[above] = None
    texts: dict[str, None] = {}
    for line in sorted(lines, key=len):
        held = icd.get(line)
        for kind in ("inclusionTerm", "includes"):
            texts.update(dict.fromkeys(held.notes.get(kind, ()) if held else ()))
    return tuple(texts)


def _words(text: str) -> set[str]:
    """Content words, plurals evened out by their first letters."""
    return {word[:6] for word in re.findall(r"[a-z]{4,}", text.lower())} - {"other", "unspec", "specif", "with"}
