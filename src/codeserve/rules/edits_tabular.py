"""The instructional notes of the tabular list as edits need them: read once a code, then at hand.

Source: ICD-10-CM Official Guidelines, section I.A.12 to I.A.17; the CDC's tabular list.
"""

from __future__ import annotations

import re
from functools import lru_cache

from codeserve.codesets.icd10cm import Icd10cm
from codeserve.codesets.ranges import CodeRange, parse_ranges

KEPT = 16384  # answers a kind of note: a release has 75,000 billable codes, an office uses a few thousand
Ranges = tuple[CodeRange, ...]
# Words that make an instruction one for some patients only.
_CONDITION = re.compile(r"\b(?:if|any|when|where|such as|to (?:identify|specify) (?:any|the associated))\b", re.I)
_UNDERLYING = re.compile(r"(?:the )?underlying\b", re.I)
# Organisms, drugs and external causes are added where they are known (guidelines I.A.17, I.C.20).
_WHERE_KNOWN = ("B95", "B96", "B97", "T", "V", "W", "X", "Y", "Z3A")

_parsed = lru_cache(maxsize=KEPT)(parse_ranges)


def _ranges(notes: tuple[str, ...]) -> Ranges:
    return tuple(r for note in notes for r in _parsed(note))


@lru_cache(maxsize=KEPT)
def excludes1(icd: Icd10cm, code: str) -> Ranges:
    """From the code's own line up to its chapter (I.A.12.a)."""
    return _ranges(icd.inherited(code, "excludes1"))


@lru_cache(maxsize=KEPT)
def excludes2(icd: Icd10cm, code: str) -> Ranges:
    """Of the code's own lines up to its category: those of blocks and chapters name half of the classification."""
    return _ranges(tuple(note for line in _category_lines(icd, code) for note in _own(icd, line, "excludes2")))


@lru_cache(maxsize=KEPT)
def code_first(icd: Icd10cm, code: str) -> Ranges:
    return _ranges(icd.inherited(code, "codeFirst"))


@lru_cache(maxsize=KEPT)
def wants_underlying(icd: Icd10cm, code: str) -> bool:
    """Whether a "code first" note asks for the underlying condition of every patient."""
    notes = icd.inherited(code, "codeFirst")
    return any(_UNDERLYING.match(note) and "applicable" not in note and "if " not in note for note in notes)


@lru_cache(maxsize=KEPT)
def additional(icd: Icd10cm, code: str) -> tuple[tuple[str, Ranges], ...]:
    """What "use additional code" asks for without a condition: each note with the codes that it names."""
    notes = (note for line in _category_lines(icd, code) for note in _own(icd, line, "useAdditionalCode"))
    asked = ((note, _parsed(note)) for note in notes if note.startswith("code") and not _CONDITION.search(note))
    return tuple((note, r) for note, r in asked if r and not any(x.first.startswith(_WHERE_KNOWN) for x in r))


def named(ranges: Ranges, code: str) -> bool:
    return any(r.matches(code) for r in ranges)


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


def _category_lines(icd: Icd10cm, code: str) -> list[str]:
    lines = [code, *icd.ancestors(code)]
    return [one for one in lines if (line := icd.get(one)) and line.kind not in ("chapter", "block")]


def _own(icd: Icd10cm, code: str, kind: str) -> tuple[str, ...]:
    line = icd.get(code)
    return line.notes.get(kind, ()) if line else ()
