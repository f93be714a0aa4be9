"""Edits of the global period: what is done within the days that a surgery's payment already covers.

Source: CMS Claims Processing Manual, chapter 12, section 40. The global days are read by rules/schedule.py, the earlier
services by rules/postoperative.py; that the same physician or group did them is assumed, and said.
"""

from __future__ import annotations

from collections.abc import Iterator

from codeserve.rules.edits_case import Case
from codeserve.rules.edits_words import say
from codeserve.rules.kinds import kind_of
from codeserve.rules.postoperative import Period, periods
from codeserve.rules.results import Finding

UNRELATED_VISIT = frozenset({"24"})
POSTOPERATIVE = frozenset({"58", "78", "79"})


def global_edits(case: Case) -> Iterator[Finding]:
    for period in periods(case.encounter, case.schedule):
        yield from _after(period, case)
    if case.billed:
        yield from _same_day(case)


def _after(period: Period, case: Case) -> Iterator[Finding]:
    recent = period.recent.code
    for line in case.lines:
        if kind_of(line.code) == "em" and line.code != "99024" and not UNRELATED_VISIT & set(line.modifiers):
            yield say("global-visit", (line.code, recent), **period.told)
        elif kind_of(line.code) == "surgery" and not POSTOPERATIVE & set(line.modifiers):
            yield say("global-procedure", (line.code, recent), **period.told)


def _same_day(case: Case) -> Iterator[Finding]:
    """A visit beside a procedure of the same claim, where no NCCI pair says the same already."""
    visits = [line for line in case.lines if kind_of(line.code) == "em"]
    for visit in visits:
        wanted = {"25": [], "57": []}  # type: dict[str, list[str]]
        for line in case.lines:
            if (modifier := case.schedule.visit_modifier(line.code)) and not _paired(visit.code, line.code, case):
                wanted[modifier].append(line.code)
        if wanted["57"] and not {"57", "24"} & set(visit.modifiers):
            yield say("visit-modifier-57", (visit.code, *wanted["57"]))
        elif wanted["25"] and not {"25", "24", "57"} & set(visit.modifiers):
            yield say("visit-modifier-25", (visit.code, *wanted["25"]))


def _paired(visit: str, code: str, case: Case) -> bool:
    return bool(case.codesets.reference.pairs((visit, code), case.day))
