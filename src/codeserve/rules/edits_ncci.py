"""Edits of CMS's National Correct Coding Initiative: pairs (PTP), units (MUE), add-on codes.

Source: NCCI Policy Manual for Medicare Services, chapter I; CMS's quarterly PTP, MUE and add-on files as the code sets
hold them for the date of service. Each finding names the table that it used.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from codeserve.codesets.reference import AddOn, PairEdit, UnitsEdit
from codeserve.rules.edits_case import Case
from codeserve.rules.edits_modifiers import allows_pair, groups
from codeserve.rules.edits_words import say
from codeserve.rules.kinds import kind_of
from codeserve.rules.results import Finding, Procedure

ALLOWED, NEVER = "1", "0"
OF_VISITS = frozenset({"24", "25", "27", "57"})
ON_EITHER_SIDE = frozenset({"side", "digit", "coronary"})
BY_LINE, BY_DAY = "1", "2"
SIDES = frozenset({"RT", "LT"})
Lines = dict[str, list[Procedure]]


def ncci_edits(case: Case) -> Iterator[Finding]:
    lines: Lines = {}
    for line in case.lines:
        lines.setdefault(line.code, []).append(line)
    for pair in case.codesets.reference.pairs(tuple(lines), case.day) if len(lines) > 1 else ():
        yield from _pair(pair, lines, case)
    for code, of_code in lines.items():
        if limit := case.codesets.reference.units(code, case.day):
            yield from _units(limit, of_code)
        if add_on := case.codesets.reference.add_on(code, case.day):
            yield from _add_on(add_on, lines)


def _pair(pair: PairEdit, lines: Lines, case: Case) -> Iterator[Finding]:
    """Silent where a modifier that CMS accepts stands on either code and the pair allows one."""
    first, second = lines[pair.column1], lines[pair.column2]
    told = {"column1": pair.column1, "column2": pair.column2, "rationale": pair.rationale, "table": pair.table.source}
    codes = (pair.column1, pair.column2)
    indicator = str(pair.indicator)
    if indicator == NEVER:
        yield say("ncci-ptp-never", codes, **told)
    elif indicator == ALLOWED:
        if not bypassed(first) and not bypassed(second):
            yield say("ncci-ptp", codes, modifier=_which(pair, case), **told)
        elif shared := same_site(first, second):
            yield say("ncci-ptp-same-site", codes, modifier=", ".join(sorted(shared)), **told)


def bypassed(lines: Sequence[Procedure]) -> bool:
    """Whether every line of a code carries a modifier that allows the pair; on a visit only those of visits do."""
    accepted = OF_VISITS if kind_of(lines[0].code) == "em" else allows_pair()
    return all(accepted & set(line.modifiers) for line in lines)


def same_site(first: Sequence[Procedure], second: Sequence[Procedure]) -> set[str]:
    """The sites that both codes name, where no modifier on either says that they are apart."""
    allowing = [allows_pair() & set(line.modifiers) for line in (*first, *second)]
    if any(m for m in allowing for one in m if not groups(one) & ON_EITHER_SIDE):
        return set()
    return set.intersection(*(set(m) for m in allowing)) if all(allowing) else set()


def _which(pair: PairEdit, case: Case) -> str:
    """The modifier that would allow the pair, were it documented, and the code that takes it."""
    codes = (pair.column2, pair.column1)
    visit = next((code for code in codes if kind_of(code) == "em"), None)
    if visit:
        other = next(code for code in codes if code != visit) if codes[0] != codes[1] else visit
        return f"{case.schedule.visit_modifier(other) or '25'} on {visit}"
    if all(_sided(code, case) for code in codes):
        return f"RT or LT on each if on two sides, else 59 or XS on {pair.column2}"
    if all(kind_of(code) == "lab" for code in codes):
        return f"59 or 91 on {pair.column2}"
    return f"59 or one of XE, XP, XS, XU on {pair.column2}"


def _sided(code: str, case: Case) -> bool:
    known = case.codesets.procedures.get(code)
    return known is not None and "side" in known.needs


def _units(limit: UnitsEdit, lines: Sequence[Procedure]) -> Iterator[Finding]:
    """By line where the adjudication indicator is 1; else what all lines of the day add up to. One unit with modifier
    50 is one unit."""
    told = {"most": limit.units, "rationale": limit.rationale, "table": limit.table.source, "code": limit.code}
    if str(limit.adjudication) == BY_LINE:
        for line in lines:
            if line.units > limit.units:
                yield say("mue-line", (limit.code,), units=line.units, **told)
        return
    total = sum(line.units for line in lines)
    if total <= limit.units:
        return
    if total == 2 and limit.units == 1 and {m for line in lines for m in line.modifiers} >= SIDES:
        yield say("mue-two-sides", (limit.code,), units=total, **told)
    else:
        rule = "mue-day" if str(limit.adjudication) == BY_DAY else "mue-day-reviewed"
        yield say(rule, (limit.code,), units=total, **told)


def _add_on(add_on: AddOn, lines: Lines) -> Iterator[Finding]:
    """Without any of its primary codes; where CMS names none, without any other service (kinds 2 and 3)."""
    told = {"code": add_on.code, "table": add_on.table.source}
    others = [code for code in lines if code != add_on.code]
    if set(add_on.primaries) & set(others):
        return
    if add_on.primaries and str(add_on.kind) == "1":
        primaries = sorted(add_on.primaries)[:6]
        few = ", ".join(primaries) + (" ..." if len(add_on.primaries) > len(primaries) else "")
        yield say("add-on-without-primary", (add_on.code,), primaries=few, **told)
    elif not others:
        yield say("add-on-alone", (add_on.code,), **told)
    else:
        yield say("add-on-primary-unlisted", (add_on.code,), kind=add_on.kind, **told)
