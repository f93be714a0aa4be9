"""Edits of the global period: what is done within the days that a surgery's payment already covers.

Source: CMS Claims Processing Manual, chapter 12, section 40; the global days of CMS's physician fee schedule, or else
those of data/rules/em_modifiers.tsv. What was done before comes with the encounter (`recent_procedures`); that the same
physician or group did it is assumed, and said.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from codeserve.rules.edits_case import Case
from codeserve.rules.edits_modifiers import kind_of
from codeserve.rules.edits_words import say
from codeserve.rules.encounter import RecentProcedure
from codeserve.rules.results import Finding, Procedure
from codeserve.rules.tables import rows

MINOR, MAJOR = 10, 90
DAYS = {"000": 0, "010": MINOR, "090": MAJOR}
UNRELATED_VISIT = frozenset({"24"})
POSTOPERATIVE = frozenset({"58", "78", "79"})
SURGICAL_CARE_ONLY = frozenset({"54", "80", "81", "82", "AS", "26"})


def global_edits(case: Case) -> Iterator[Finding]:
    for recent in case.encounter.recent_procedures:
        yield from _after(recent, case)
    if case.billed:
        yield from _same_day(case)


def global_days(code: str, case: Case) -> int | None:
    """0, 10 or 90 days after the day of the service; None where the service has no global period or none is known."""
    fee = case.codesets.reference.fee(code, day=case.day)
    return DAYS.get(fee.global_days) if fee else _starter_days(code)


@lru_cache(maxsize=4096)
def _starter_days(code: str) -> int | None:
    if not code.isdigit():
        return None
    fitting = (int(r["days"]) for r in rows("em_modifiers.tsv") if int(r["from"]) <= int(code) <= int(r["to"]))
    return next(fitting, None) if kind_of(code) == "surgery" else None


def _after(recent: RecentProcedure, case: Case) -> Iterator[Finding]:
    days = global_days(recent.code, case)
    if case.day is None or not days or SURGICAL_CARE_ONLY & set(recent.modifiers):
        return
    passed = (case.day - recent.date).days
    if not 0 < passed <= days:
        return
    told = {"days": days, "passed": passed, "date": recent.date, "recent": recent.code}
    for line in case.lines:
        if kind_of(line.code) == "em" and line.code != "99024" and not UNRELATED_VISIT & set(line.modifiers):
            yield say("global-visit", (line.code, recent.code), **told)
        elif kind_of(line.code) == "surgery" and not POSTOPERATIVE & set(line.modifiers):
            yield say("global-procedure", (line.code, recent.code), **told)


def _same_day(case: Case) -> Iterator[Finding]:
    """A visit beside a procedure of the same claim, where no NCCI pair says the same already."""
    visits = [line for line in case.lines if kind_of(line.code) == "em"]
    for visit in visits:
        wanted = {"25": [], "57": []}  # type: dict[str, list[str]]
        for line in case.lines:
            if (modifier := _asks(line, case)) and not _paired(visit.code, line.code, case):
                wanted[modifier].append(line.code)
        if wanted["57"] and not {"57", "24"} & set(visit.modifiers):
            yield say("visit-modifier-57", (visit.code, *wanted["57"]))
        elif wanted["25"] and not {"25", "24", "57"} & set(visit.modifiers):
            yield say("visit-modifier-25", (visit.code, *wanted["25"]))


def _asks(line: Procedure, case: Case) -> str | None:
    """The modifier that a visit needs beside a line: 57 for the decision on major surgery, 25 for a minor one."""
    if kind_of(line.code) == "em":
        return None
    days = global_days(line.code, case)
    return None if days is None else "57" if days == MAJOR else "25"


def _paired(visit: str, code: str, case: Case) -> bool:
    return bool(case.codesets.reference.pairs((visit, code), case.day))
