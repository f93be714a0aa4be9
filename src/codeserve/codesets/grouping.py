"""Which billable codes are one concept: same category, same title but for side, trimester and 7th character."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter

from codeserve.codesets.icd10cm import Icd10cm
from codeserve.codesets.titles import SIDE, Place, Title, apart, read, without


@dataclass(slots=True)
class Stem:
    """A title and its billable codes: one, or one for each 7th character.

    `unspecified`: where the title says that the side is not known.
    """

    code: str
    title: Title
    codes: list[tuple[str, str | None]] = field(default_factory=list)
    side: str | None = None
    unspecified: tuple[Place, ...] = ()


def stems(icd: Icd10cm) -> Iterator[Stem]:
    """All titles in the order of the list. A 7th character that names the side (E11.32-) is part of the title."""
    held: dict[str, Stem] = {}
    for code in icd.billable_codes():
        stem = icd.stem(code)
        seventh = code[-1] if stem != code else None
        if seventh and SIDE.match(icd.seventh_characters(code).get("1", "")):
            stem, seventh = code, None
        if stem not in held:
            title = read(icd.description(stem))
            held[stem] = Stem(stem, title, side=title.side)
        held[stem].codes.append((code, seventh))
    yield from held.values()


def groups(icd: Icd10cm) -> Iterator[list[Stem]]:
    """The stems of one concept each."""
    for _, category in groupby(stems(icd), key=lambda stem: stem.code[:3]):
        yield from _in_category(list(category))


def _in_category(found: list[Stem]) -> Iterable[list[Stem]]:
    homes = _Homes()
    for side in (("right", "left"), ("bilateral",), ("unilateral", None)):
        for stem in found:
            if stem.side in side:
                homes.add(stem)
    return [part for group in homes.groups.values() for part in _distinct(group)]


class _Homes:
    """The groups of a category by the core of their titles. Right and left come first, then what joins them."""

    def __init__(self) -> None:
        self.groups: dict[str, list[Stem]] = defaultdict(list)
        self._sided: set[str] = set()
        self._short: dict[str, set[str]] = defaultdict(set)

    def add(self, stem: Stem) -> None:
        core = stem.title.core
        if stem.side in ("right", "left"):
            self._sided.add(core)
            if short := stem.title.short_core:
                self._short[short].add(core)
        elif stem.side == "bilateral":
            full = self._short[core]
            core = next(iter(full)) if core not in self._sided and len(full) == 1 else core
            self._sided.add(core)
        else:
            core = self._of_unspecified(stem) or core
        self.groups[core].append(stem)

    def _of_unspecified(self, stem: Stem) -> str | None:
        """The core of the sided titles of which this one is the unspecified form."""
        for core, places in stem.title.unspecified_cores():
            if core in self._sided:
                stem.unspecified = places
                return core
        return None


def _distinct(group: list[Stem]) -> list[list[Stem]]:
    """Part a group in which two titles say the same side and trimester: by the line above them, one by one at last."""
    if len({_detail(stem) for stem in group}) == len(group):
        return [group]
    parts = [list(part) for _, part in groupby(sorted(group, key=attrgetter("code")), key=lambda s: s.code[:-1])]
    if len(parts) == len(group) or len(parts) == 1:
        return _by_wording(group)
    return [piece for part in parts for piece in _distinct(part)]


def _by_wording(group: list[Stem]) -> list[list[Stem]]:
    """Keep with the sided titles the one whose unknown side is spelled out; leave the others on their own."""
    kept: dict[object, Stem] = {}
    for stem in sorted(group, key=lambda s: (not s.side, not s.unspecified, s.code)):
        kept.setdefault(_detail(stem), stem)
    alone = [stem for stem in group if stem not in kept.values()]
    for stem in alone:
        stem.unspecified = ()
    return [sorted(kept.values(), key=attrgetter("code")), *([stem] for stem in alone)]


def _detail(stem: Stem) -> tuple[str | None, bool | None, int | None]:
    return stem.side, stem.title.dominant, stem.title.trimester


def describe(group: list[Stem], chosen: Stem) -> str:
    """The chosen stem's title without what tells the members of its group apart."""
    places: tuple[Place, ...] = ()
    if len({(s.side, s.title.dominant) for s in group}) > 1:
        places += chosen.unspecified + apart(chosen.title.sides, *chosen.unspecified)
    if len({s.title.trimester for s in group}) > 1:
        places += chosen.title.trimesters
    return without(chosen.title.text, places) if places else chosen.title.text
