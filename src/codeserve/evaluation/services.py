"""How right procedures, modifiers, units and the E/M level are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Protocol

from codeserve.evaluation.gold import Note, Service
from codeserve.evaluation.scores import as_dict, counts, score
from codeserve.pipeline import Coded


class Read(Protocol):
    """A note and what was made of it."""

    @property
    def note(self) -> Note: ...

    @property
    def coded(self) -> Coded: ...


def suggested(coded: Coded) -> tuple[Service, ...]:
    """All that is billed beside the visit's own code."""
    beside = coded.em.also if coded.em else ()
    return (
        *(Service(p.code, p.modifiers, p.units) for p in coded.procedures),
        *(Service(a.code, a.modifiers, a.units) for a in beside),
    )


def services(outcomes: Sequence[Read]) -> dict[str, Any] | None:
    """None without a note. The notes must have gold services. Codes count once a note; modifiers in any order."""
    if not outcomes:
        return None
    rows, with_modifiers = [], []
    modifiers, units = Counter[bool](), Counter[bool]()
    for outcome in outcomes:
        gold = {one.code: one for one in outcome.note.gold.services or ()}
        ours = {one.code: one for one in suggested(outcome.coded)}
        rows.append(counts(set(gold), set(ours)))
        with_modifiers.append(counts(_modified(gold), _modified(ours)))
        for code in gold.keys() & ours.keys():
            modifiers[set(gold[code].modifiers) == set(ours[code].modifiers)] += 1
            units[gold[code].units == ours[code].units] += 1
    return {
        "notes": len(outcomes),
        "procedures": as_dict(score(rows)),
        "procedures with modifiers": as_dict(score(with_modifiers)),
        "modifiers right on matched codes": [modifiers[True], modifiers.total()],
        "units right on matched codes": [units[True], units.total()],
        "em": _em(outcomes),
    }


def _modified(found: dict[str, Service]) -> set[tuple[str, frozenset[str]]]:
    return {(one.code, frozenset(one.modifiers)) for one in found.values()}


def _em(outcomes: Sequence[Read]) -> dict[str, int]:
    seen = Counter(agreement(o.note.gold.em, o.coded.em.code if o.coded.em else None) for o in outcomes)
    return dict(seen.most_common())


def agreement(gold: str | None, ours: str | None) -> str:
    """How an E/M code compares with the gold one, in words; None: no visit is billed."""
    if gold == ours:
        return "exact" if gold else "rightly none"
    if gold is None or ours is None:
        return "one too many" if gold is None else "missing"
    if gold[:4] != ours[:4]:
        return "another family"
    return f"off by {abs(int(gold) - int(ours))}"
