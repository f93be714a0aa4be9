"""Proposed codes beside the codes that the platform holds already. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache

from codeserve.api import checks
from codeserve.api.schemas import Comparison, Conflict
from codeserve.codesets.icd10cm import normalise_code


def compare(existing: Sequence[str], diagnoses: Sequence[str], procedures: Sequence[str]) -> Comparison:
    """Sort both sides into same, added, missing and conflicting.

    Conflicting are codes of one family where each side holds one that the other lacks: E11.9 beside E11.65, 99213
    beside 99214. Modifiers are not compared; an existing code is returned as it was sent, in capitals.
    """
    proposed = _unique([*diagnoses, *procedures])
    held = {code: _resolve(code, proposed) for code in _unique(existing)}
    same = [code for code, plain in held.items() if plain in proposed]
    ours = [code for code in proposed if code not in held.values()]
    theirs = [code for code in held if code not in same]
    conflicts = _conflicts({code: family(held[code]) for code in theirs}, {code: family(code) for code in ours})
    in_conflict = {code for conflict in conflicts for code in (*conflict.existing, *conflict.proposed)}
    return Comparison(
        same=same,
        added=[code for code in ours if code not in in_conflict],
        missing=[code for code in theirs if code not in in_conflict],
        conflicting=conflicts,
    )


def family(code: str) -> str:
    """The name of a code's family: the category of a diagnosis, the service of a procedure; else the code itself."""
    if not checks.PROCEDURE.fullmatch(code):
        return code[:3]
    for first, last, name in _families():
        if first <= code <= last:
            return name
    return code[:4] if code.isdigit() else code


@cache
def _families() -> tuple[tuple[str, str, str], ...]:
    return tuple((row["first"], row["last"], row["family"]) for row in checks.rows("code_families.tsv"))


def _resolve(code: str, proposed: Sequence[str]) -> str:
    """The existing code without modifiers, and with its dot when it is a diagnosis.

    E1165 may be HCPCS or a diagnosis without its dot; what is proposed decides, else it is taken for HCPCS.
    """
    plain = code.partition("-")[0]
    dotted = normalise_code(plain)
    if checks.PROCEDURE.fullmatch(plain) and dotted not in proposed:
        return plain
    return dotted


def _conflicts(theirs: dict[str, str], ours: dict[str, str]) -> list[Conflict]:
    families = [name for name in _unique(theirs.values()) if name in ours.values()]
    return [
        Conflict(
            family=name,
            existing=[code for code, of in theirs.items() if of == name],
            proposed=[code for code, of in ours.items() if of == name],
        )
        for name in families
    ]


def _unique(codes: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(codes))
