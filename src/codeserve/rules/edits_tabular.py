"""The instructional notes of the tabular list as edits need them: read once a code, then at hand.

Source: ICD-10-CM Official Guidelines, section I.A.12 to I.A.17; the CDC's tabular list.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from codeserve.codesets.icd10cm import Icd10cm
from codeserve.codesets.ranges import CodeRange, parse_ranges

KEPT = 16384  # answers a kind of note: a release has 75,000 billable codes, an office uses a few thousand
Notes = tuple[str, ...]
# Words that make an instruction one for some patients only.
_CONDITION = re.compile(r"\b(?:if|any|when|where|such as|to (?:identify|specify) (?:any|the associated))\b", re.I)
_UNDERLYING = re.compile(r"(?:the )?underlying\b", re.I)
# Organisms, drugs and external causes are added where they are known (guidelines I.A.17, I.C.20).
_WHERE_KNOWN = ("B95", "B96", "B97", "T", "V", "W", "X", "Y", "Z3A")

_parsed = lru_cache(maxsize=KEPT)(parse_ranges)


class Named:
    """The codes that some notes name. Most ranges are one line of the list and what is below it: those are looked up by
    their beginning, the others compared one by one."""

    __slots__ = ("_lengths", "_others", "_stems")

    def __init__(self, ranges: Iterable[CodeRange] = ()) -> None:
        unique = dict.fromkeys(ranges)
        self._stems = frozenset(r.first for r in unique if r.first == r.last and not r.pattern)
        self._others = tuple(r for r in unique if r.first != r.last or r.pattern)
        self._lengths = tuple(sorted({len(stem) for stem in self._stems}))

    def __bool__(self) -> bool:
        return bool(self._stems or self._others)

    def name(self, code: str) -> bool:
        bare = code.replace(".", "")
        for length in self._lengths:
            if bare[:length] in self._stems:
                return True
        return any(r.matches(bare) for r in self._others)


NOTHING = Named()


@dataclass(frozen=True, slots=True)
class Instructions:
    """What the notes of a line of the list, and of those above it, say about other codes.

    `excludes1` and `code_first` hold from the chapter down (I.A.12.a); `excludes2` and `additional` from the category
    down, since those of blocks and chapters name half of the classification. `wants_underlying`: a "code first" note
    asks for the underlying condition of every patient. `additional`: each unconditional "use additional code" note
    with the codes that it names.
    """

    excludes1: Named = NOTHING
    excludes2: Named = NOTHING
    code_first: Named = NOTHING
    wants_underlying: bool = False
    additional: tuple[tuple[str, Named], ...] = ()


@lru_cache(maxsize=KEPT)
def instructions(icd: Icd10cm, code: str) -> Instructions:
    """Nothing for an unknown code."""
    excludes2, additional = (_from_category(icd, code, kind) for kind in ("excludes2", "useAdditionalCode"))
    return _compiled(icd.inherited(code, "excludes1"), excludes2, icd.inherited(code, "codeFirst"), additional)


def _from_category(icd: Icd10cm, code: str, kind: str) -> Notes:
    """The notes of the lines from a code up to its category, without those of block and chapter."""
    notes = icd.inherited(code, kind)
    return notes[: max(0, len(notes) - _above_category(icd, code[:3], kind))] if notes else ()


@lru_cache(maxsize=KEPT)
def _above_category(icd: Icd10cm, category: str, kind: str) -> int:
    """How many notes the lines above a category have."""
    return len(icd.inherited(next(iter(icd.ancestors(category)), ""), kind))


@lru_cache(maxsize=KEPT)
def _compiled(excludes1: Notes, excludes2: Notes, code_first: Notes, additional: Notes) -> Instructions:
    """Once for all codes that share their notes."""
    return Instructions(
        _named(excludes1),
        _named(excludes2),
        _named(code_first),
        any(_wants_underlying(note) for note in code_first),
        tuple(_additional(additional)),
    )


def _named(notes: Iterable[str]) -> Named:
    return Named(r for note in notes for r in _parsed(note))


def _wants_underlying(note: str) -> bool:
    return bool(_UNDERLYING.match(note)) and "applicable" not in note and "if " not in note


def _additional(notes: Iterable[str]) -> Iterator[tuple[str, Named]]:
    for note in notes:
        ranges = _parsed(note) if note.startswith("code") and not _CONDITION.search(note) else ()
        if ranges and not any(r.first.startswith(_WHERE_KNOWN) for r in ranges):
            yield note, Named(ranges)


@lru_cache(maxsize=KEPT)
def ending(icd: Icd10cm, code: str) -> tuple[str, str, tuple[str, ...]]:
    """(what is wrong with a code that is none, the line of the list that it stands below, the codes to use).

    "seventh-missing": the line takes a 7th character; "seventh-invalid": another one than this; "placeholder": X is
    missing before it; "not-billable"; "" where the code is billable; "unknown" else (I.A.4, I.A.5, I.B.2).
    """
    if icd.is_billable(code):
        return "", code, ()
    if code in icd:
        children = icd.children(code)
        made = [c for c in children if (line := icd.get(c)) and line.kind == "extended"]
        return ("seventh-missing" if made else "not-billable"), code, icd.leaves(code)
    return _not_listed(icd, code)


def _not_listed(icd: Icd10cm, code: str) -> tuple[str, str, tuple[str, ...]]:
    bare = code.replace(".", "")
    for length in range(len(bare) - 1, 2, -1):
        stem = bare[:length].rstrip("X") if length > 3 else bare[:length]
        if stem not in icd or not (sevenths := icd.seventh_characters(stem)):
            continue
        rest, last = bare[len(stem) :].strip("X"), bare[-1]
        full = tuple(c for c in icd.leaves(stem) if c[-1] == last)
        if len(rest) <= 1 and last in sevenths and full and len(bare) < 7:
            return "placeholder", stem, full
        if len(bare) == 7 and len(rest) <= 1:
            return "seventh-invalid", stem, icd.leaves(stem)
        break
    return "unknown", code, ()
