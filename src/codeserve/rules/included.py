"""Services that are part of another, or have one code together, in the same visit (procedure_included.tsv).

Source: NCCI Policy Manual, chapter I and the chapters of the codes; the codes' own definitions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from codeserve.codesets.procedures import Procedures
from codeserve.rules.reading import pattern
from codeserve.rules.results import Procedure
from codeserve.rules.tables import rows

SIDES = frozenset({"LT", "RT", "50"})


def combined(procedures: Sequence[Procedure], table: Procedures) -> tuple[Procedure, ...]:
    """The services with one code for those that have one together (data/rules/procedure_combined.tsv)."""
    found = list(procedures)
    for row in rows("procedure_combined.tsv"):
        parts = [next((p for p in found if p.code == code), None) for code in row["codes"].split("|")]
        first, known = parts[0], table.get(row["becomes"])
        if first is None or None in parts or known is None:
            continue
        evidence = tuple(sorted({span for part in parts if part for span in part.evidence}))
        one = replace(first, code=known.code, description=known.description, evidence=evidence)
        found = [one if p is first else p for p in found if p is first or p not in parts]
    return tuple(found)


def without_included(procedures: Sequence[Procedure]) -> tuple[Procedure, ...]:
    """The services less those that another one includes; what was done on the other side stays."""
    return tuple(p for p in procedures if not any(_within(p, other) for other in procedures if other is not p))


def _within(part: Procedure, whole: Procedure) -> bool:
    """Whether `part` is included in `whole`."""
    sides, others = SIDES & set(part.modifiers), SIDES & set(whole.modifiers)
    apart = bool(sides and others) and not sides & others and "50" not in sides | others
    return not apart and bool(includes(part.code, whole.code))


@lru_cache(maxsize=4096)
def includes(part: str, whole: str) -> bool:
    """Whether the table says that a code is part of another."""
    return part != whole and any(
        pattern(rf"(?:{row['part']})").match(part)
        and pattern(rf"(?:{row['whole']})").match(whole)
        and not (row["not_whole"] and pattern(rf"(?:{row['not_whole']})").match(whole))
        for row in rows("procedure_included.tsv")
    )
