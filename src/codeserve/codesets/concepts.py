"""Concepts: billable codes that differ only in side, trimester or 7th character, told apart by the note's details.

Retrieval and the LLM choose a concept ("sprain of unspecified ligament of ankle"); `specify` then picks the code.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

from codeserve.codesets.icd10cm import Icd10cm

SIDE = re.compile(r"\b(right|left|bilateral)\b", re.IGNORECASE)
TRIMESTER = re.compile(r"\b(first|second|third|unspecified) trimester\b", re.IGNORECASE)
UNSPECIFIED = re.compile(r"\bunspecified\b", re.IGNORECASE)
TRIMESTERS = {"first": 1, "second": 2, "third": 3, "unspecified": None}
EYES = {"right eye": "right", "left eye": "left", "bilateral": "bilateral", "unspecified eye": None}
SIDED = {"right", "left", "bilateral"}
INITIAL = "A"


@dataclass(frozen=True, slots=True)
class Member:
    """A billable code and what tells it apart within its concept. `seventh` is the 7th character where it has one."""

    code: str
    side: str | None = None
    trimester: int | None = None
    seventh: str | None = None


@dataclass(frozen=True)
class Concept:
    """`key` is the member without side, trimester or stage and for the initial encounter, or else the first."""

    key: str
    description: str
    members: tuple[Member, ...]
    category: str
    inclusion_terms: tuple[str, ...] = ()

    @cached_property
    def codes(self) -> tuple[str, ...]:
        return tuple(member.code for member in self.members)

    @cached_property
    def sided(self) -> bool:
        return any(member.side for member in self.members)


@dataclass(frozen=True, slots=True)
class Specified:
    """The codes that a concept comes to (two where both sides have no code of their own). `missing` names what the
    note would have to say for a more exact code: "side", "trimester"."""

    codes: tuple[str, ...]
    missing: tuple[str, ...] = ()

    @property
    def exact(self) -> bool:
        return not self.missing


@dataclass(slots=True)
class _Draft:
    description: str
    members: list[Member] = field(default_factory=list)


class Concepts:
    """All concepts of a code set. Building takes a few seconds; it is done at set-up and at start."""

    def __init__(self, icd: Icd10cm) -> None:
        self._icd = icd
        self._by_code: dict[str, Concept] = {}
        families: dict[str, list[str]] = defaultdict(list)
        for code in icd.billable_codes():
            families[_family(icd, code)].append(code)
        for codes in families.values():
            for draft in _group(icd, codes):
                concept = _finish(icd, draft)
                self._by_code.update((member.code, concept) for member in concept.members)

    def of(self, code: str) -> Concept | None:
        """The concept of a billable code; None for anything else."""
        return self._by_code.get(code)

    @cached_property
    def _all(self) -> tuple[Concept, ...]:
        return tuple({concept.key: concept for concept in self._by_code.values()}.values())

    def all(self) -> tuple[Concept, ...]:
        return self._all

    @cached_property
    def _codes(self) -> tuple[str, ...]:
        return tuple(sorted(self._by_code))

    def by_stem(self, stem: str) -> tuple[Concept, ...]:
        """The concepts that a code, or a stem with its trailing "-", names."""
        if not stem.endswith("-"):
            concept = self.of(stem)
            return (concept,) if concept else ()
        prefix = stem.rstrip("-").rstrip(".")
        found = {self._by_code[code].key: self._by_code[code] for code in self._codes if code.startswith(prefix)}
        return tuple(found.values())


def _base(icd: Icd10cm, code: str) -> tuple[str, str | None]:
    """The code whose title a billable code has, and its 7th character where it carries one."""
    held = icd.get(code)
    assert held is not None
    if len(code) == 8 and held.parent and not held.notes and held.description.startswith(icd.description(held.parent)):
        if held.description != icd.description(held.parent):
            return held.parent, code[-1]
    return code, None


def _family(icd: Icd10cm, code: str) -> str:
    base, _ = _base(icd, code)
    held = icd.get(base)
    return (held.parent if held and held.parent else base) if len(base) > 3 else base


def _template(text: str) -> str:
    """A title with its side and trimester blanked, plurals and commas evened out."""
    blanked = TRIMESTER.sub("% trimester", SIDE.sub("@", text))
    return re.sub(r"s\b", "", re.sub(r"ies\b", "y", blanked.replace(",", "").lower()))


def _without_side(text: str) -> set[str]:
    """The templates that a title with "unspecified" in the place of a side could have."""
    places = [match.span() for match in UNSPECIFIED.finditer(text)]
    single = {_template(text[:a] + "right" + text[b:]) for a, b in places}
    return single | {_template(UNSPECIFIED.sub("right", text))}


def _group(icd: Icd10cm, codes: Iterable[str]) -> list[_Draft]:
    drafts: dict[str, _Draft] = {}
    plain: list[tuple[str, str, str | None]] = []
    for code in codes:
        base, seventh = _base(icd, code)
        title = icd.description(base)
        side = SIDE.search(title)
        trimester = TRIMESTER.search(title)
        if side or (trimester and trimester[1].lower() != "unspecified"):
            draft = drafts.setdefault(_template(title), _Draft(_clean(title)))
            draft.members.append(_member(icd, code, base, seventh, title))
        else:
            plain.append((code, base, seventh))
    # "Pain in leg, unspecified" beside "Pain in right leg": the side is blank, not marked.
    bare = {re.sub(r"\s+", " ", name.replace("@", "")).strip(): [name] for name in drafts}
    for code, base, seventh in plain:
        title = icd.description(base)
        known = sorted(name for name in _without_side(title) | {_template(title)} if name in drafts)
        known = known or bare.get(_template(UNSPECIFIED.sub("", title)).strip(), [])
        draft = drafts[known[0]] if known else drafts.setdefault(f"={title}", _Draft(title))
        draft.members.append(_member(icd, code, base, seventh, title))
    return list(drafts.values())


def _member(icd: Icd10cm, code: str, base: str, seventh: str | None, title: str) -> Member:
    side = SIDE.search(title)
    trimester = TRIMESTER.search(title)
    named = side[1].lower() if side else None
    if seventh:
        meaning = icd.description(code)[len(title) + 2 :]
        if meaning in EYES:
            return Member(code, EYES[meaning], None, None)
    return Member(code, named, TRIMESTERS[trimester[1].lower()] if trimester else None, seventh)


def _clean(title: str) -> str:
    """The title without its side and trimester: "Pain in right knee" → "Pain in knee"."""
    bare = re.sub(r",?\s*\b(first|second|third) trimester\b", "", SIDE.sub("", title), flags=re.IGNORECASE)
    bare = re.sub(r"\s+", " ", bare).replace(" ,", ",").strip(" ,")
    return bare[:1].upper() + bare[1:]


def _finish(icd: Icd10cm, draft: _Draft) -> Concept:
    members = tuple(sorted(draft.members, key=lambda member: member.code))
    key = min(members, key=_unspecific).code
    base, _ = _base(icd, key)
    lineage = (key, base, *icd.ancestors(base))
    terms: list[str] = []
    for name in lineage[:3]:
        held = icd.get(name)
        if held and "-" not in name and len(name) > 3:
            terms += [t for t in held.notes.get("inclusionTerm", ()) if t not in terms]
    return Concept(key, draft.description, members, key[:3], tuple(terms))


def _unspecific(member: Member) -> tuple[bool, bool, bool, str]:
    first = member.seventh not in (None, INITIAL, "0", "9") or member.code.endswith(("D", "S"))
    return member.side is not None, member.trimester is not None, first, member.code


def specify(
    concept: Concept, *, side: str | None = None, episode: str | None = None, trimester: int | None = None
) -> Specified:
    """The member that fits the details; `side` "right", "left" or "bilateral", `episode` a 7th character (A when None).

    An unstated detail takes the unspecified member where there is one. Guideline I.B.13: both sides without a
    bilateral code are two codes.
    """
    members = _with_seventh(concept.members, episode or INITIAL)
    missing: list[str] = []
    if any(m.trimester for m in members):
        fitting = [m for m in members if m.trimester == trimester]
        missing += [] if fitting and trimester else ["trimester"]
        members = fitting or [m for m in members if m.trimester is None] or members
    if not any(m.side for m in members):
        return Specified((members[0].code,), tuple(missing))
    if side == "bilateral" and not any(m.side == "bilateral" for m in members):
        both = tuple(m.code for m in members if m.side in ("right", "left"))
        if both:
            return Specified(both, tuple(missing))
    fitting = [m for m in members if m.side == side]
    if side is None or not fitting:
        missing.append("side")
    chosen = fitting or [m for m in members if m.side is None] or members
    return Specified((chosen[0].code,), tuple(missing))


def _with_seventh(members: tuple[Member, ...], episode: str) -> list[Member]:
    wanted = [m for m in members if m.seventh == episode]
    if not wanted:
        wanted = [m for m in members if m.seventh in (None, INITIAL, "0", "9")]
    return wanted or list(members)
