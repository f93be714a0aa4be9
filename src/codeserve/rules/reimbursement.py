"""What Medicare's physician fee schedule pays for the lines of a claim, where CMS's file was imported.

Source: CMS Claims Processing Manual, chapter 12: section 20 (relative value units times the conversion factor), 20.4.3
(assistants, 16 % of the amount), 30.1 (several endoscopies of a family), 40.2 (78: the share of the operation alone),
40.6 (several operations: 100 %, 50 %, ...), 40.7 (both sides, 150 %), 40.8 (two surgeons, 62.5 %), 110.2 (no physician:
85 % of that). National amounts: no geographic adjustment, no sequestration, no share of the patient.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from codeserve.codesets.reference import Fee
from codeserve.reasoning.questions import System
from codeserve.rules.results import Em, EmAddOn, Expected, Procedure
from codeserve.rules.schedule import Schedule

PAID = frozenset({"A", "R", "T"})  # status codes of services that have a price there
OWN_ROWS = ("26", "TC", "53")
BOTH_SIDES = {"1": 1.5, "3": 2.0}
SHARES = {"80": 0.16, "81": 0.16, "82": 0.16, "AS": 0.136, "62": 0.625}
BY_REPORT = frozenset({"22", "52"})
FURTHER = 0.5  # second to fifth operation; those beyond are priced by report
OPERATIONS, ENDOSCOPIES = "2", "3"
MOST = 20  # units of one operation that are ranked one by one; those beyond are paid as the last


@dataclass(frozen=True, slots=True)
class _Priced:
    """A line with what one unit of it is paid before others are looked at."""

    line: Procedure
    fee: Fee
    each: float
    told: tuple[str, ...]


def expected(lines: Sequence[Procedure], schedule: Schedule) -> tuple[Expected | None, ...]:
    """One a line: in US dollars, None where no imported fee schedule has a price for it."""
    priced = [_priced(line, schedule) for line in lines]
    factors = _factors([p for p in priced if p], schedule)
    return tuple(_total(one, factors.get(id(one), ()), schedule) if one else None for one in priced)


def with_expected(
    procedures: Sequence[Procedure], em: Em | None, schedule: Schedule
) -> tuple[tuple[Procedure, ...], Em | None]:
    """A note's services and visit with what each is expected to be paid."""
    visits = [_as_line(em), *map(_as_line, em.also)] if em else []
    found = expected([*procedures, *visits], schedule)
    services = tuple(replace(p, expected=e) for p, e in zip(procedures, found, strict=False))
    if em is None:
        return services, None
    of_em, *others = found[len(procedures) :]
    also = tuple(replace(one, expected=e) for one, e in zip(em.also, others, strict=True))
    return services, replace(em, expected=of_em, also=also)


def _as_line(one: Em | EmAddOn) -> Procedure:
    units = one.units if isinstance(one, EmAddOn) else 1
    return Procedure(one.code, System.CPT, "", 1.0, (), "", one.modifiers, units)


def _priced(line: Procedure, schedule: Schedule) -> _Priced | None:
    own = next((row for m in OWN_ROWS if m in line.modifiers and (row := schedule.fee(line.code, m))), None)
    fee = own or schedule.fee(line.code)
    each = fee.payment(schedule.in_facility) if fee and fee.status in PAID else None
    if fee is None or not each:
        return None
    told = [f"modifier {own.modifier} has its own row"] if own else []
    if "53" in line.modifiers and own is None:
        each, told = each * 0.5, ["53: half"]
    if "50" in line.modifiers and fee.bilateral in BOTH_SIDES:
        each *= BOTH_SIDES[fee.bilateral]
        told.append(f"both sides: {BOTH_SIDES[fee.bilateral]:.0%}")
    for modifier in sorted(SHARES.keys() & set(line.modifiers)):
        each *= SHARES[modifier]
        told.append(f"{modifier}: {SHARES[modifier]:.1%}")
    if "78" in line.modifiers and fee.intra_op:
        each *= fee.intra_op
        told.append(f"78: the operation alone, {fee.intra_op:.0%}")
    told += [f"{m}: the payer decides on more or less" for m in sorted(BY_REPORT & set(line.modifiers))]
    return _Priced(line, fee, each, tuple(told))


def _factors(priced: Sequence[_Priced], schedule: Schedule) -> dict[int, tuple[float, ...]]:
    """What share of its price each unit of a line is paid, by the line's identity; lines that stand alone are left out.

    A family of endoscopies counts as one operation among the others."""
    groups = [[(p, 1.0)] for p in priced if p.fee.multiple == OPERATIONS for _ in range(min(p.line.units, MOST))]
    groups += _endoscopies([p for p in priced if p.fee.multiple == ENDOSCOPIES], schedule)
    groups.sort(key=lambda group: -sum(p.each * share for p, share in group))
    found: dict[int, tuple[float, ...]] = {}
    for place, group in enumerate(groups):
        for p, share in group:
            found[id(p)] = (*found.get(id(p), ()), share * (FURTHER if place else 1.0))
    return found


def _endoscopies(priced: Sequence[_Priced], schedule: Schedule) -> list[list[tuple[_Priced, float]]]:
    """Families by their base endoscopy: the highest is paid whole, the others what they are above the base."""
    families: dict[str, list[_Priced]] = {}
    for p in priced:
        families.setdefault(p.fee.endo_base or p.line.code, []).append(p)
    groups = []
    for base, members in families.items():
        base_fee = schedule.fee(base)
        looked = (base_fee.payment(schedule.in_facility) if base_fee else None) or 0.0
        ranked = sorted(members, key=lambda p: -p.each)
        rest = [(p, max(0.0, p.each - looked) / p.each) for p in ranked[1:]]
        groups.append([(ranked[0], 1.0), *rest])
    return groups


def _total(one: _Priced, shares: Iterable[float], schedule: Schedule) -> Expected:
    ranked = tuple(shares) or (1.0,)
    total = sum(ranked) + ranked[-1] * (one.line.units - len(ranked))
    told = list(one.told)
    if any(share < 1.0 for share in ranked):
        told.append("several services of a session: " + ", ".join(f"{share:.0%}" for share in ranked))
    if one.line.units > 1:
        told.append(f"{one.line.units} units")
    place = "facility" if schedule.in_facility else "non-facility"
    basis = f"{one.fee.table.source}: national {place} amount, before geographic adjustment"
    return Expected(round(one.each * max(0.0, total), 2), basis, tuple(told))
