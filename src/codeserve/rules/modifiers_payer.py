"""What place, ownership and payer ask for: 26 and TC, 33 and PT, 51.

Source: the indicators of CMS's physician fee schedule (PC/TC, multiple procedure); CMS Claims Processing Manual,
chapter 12, section 40.6, chapter 13, section 20.1; data/rules/preventive_services.tsv.
"""

from __future__ import annotations

from collections.abc import Iterator

from codeserve.rules.modifier_cues import cued
from codeserve.rules.modifier_words import because
from codeserve.rules.modifiers_case import Marked, Services
from codeserve.rules.results import Diagnosis, Procedure
from codeserve.rules.tables import rows

BOTH_PARTS = "1"  # PC/TC indicator: a test with a professional and a technical part
REDUCED_WITH_OTHERS = frozenset({"2", "3"})  # multiple procedure indicator: operations, endoscopies
BY_DAYS = {"090": 3.0, "010": 2.0, "000": 1.0}  # which of two is the larger, where no values are there


def components(services: Services) -> Iterator[Marked]:
    """26 where the equipment is a facility's; TC where the office made the images and somebody else reads them."""
    for number, line in enumerate(services.lines):
        fee = services.schedule.fee(line.code)
        if fee is None or fee.pctc != BOTH_PARTS or "26" in line.modifiers:
            continue
        if services.in_facility:
            yield number, because("facility", "26")
        elif not cued("read_here", services.document, line.evidence) and (
            elsewhere := cued("read_elsewhere", services.document, line.evidence)
        ):
            yield number, because("read-elsewhere", "TC", elsewhere)


def preventive(services: Services) -> Iterator[Marked]:
    """33 for payers under the Affordable Care Act, PT for Medicare, on services that are preventive by their reason;
    none where the payer was not told."""
    sort = services.encounter.payer_sort
    for number, line in enumerate(services.lines):
        for reason, turned in _preventive_reasons(line, services):
            if sort == "commercial":
                told = {"diagnosis": reason.code, "payer": services.encounter.payer}
                yield number, because("preventive", "33", reason.evidence, **told)
            elif sort == "medicare" and turned:
                yield number, because("screening-turned", "PT", reason.evidence, diagnosis=reason.code)


def _preventive_reasons(line: Procedure, services: Services) -> Iterator[tuple[Diagnosis, bool]]:
    """The first diagnosis that makes a service a preventive one, and whether a screening turned into it."""
    for row in rows("preventive_services.tsv"):
        if line.code.startswith(tuple(row["codes"].split("|"))):
            reasons = tuple(row["diagnoses"].split("|"))
            found = [d for d in services.pointed(line) if d.code.startswith(reasons)]
            yield from ((d, row["turned"] == "yes") for d in found[:1])


def further(services: Services) -> Iterator[Marked]:
    """51 on all but the service of the highest value, where the fee schedule reduces several of a session. Medicare's
    contractors append it themselves."""
    among = several(services)
    if services.encounter.medicare or len(among) < 2:
        return
    values = {n: _value(services, services.lines[n]) for n in among}
    highest = max(values.values())
    first = [n for n in among if values[n] == highest]
    if len(first) == 1:
        reason = because("further", "51", first=services.lines[first[0]].code)
        yield from ((n, reason) for n in among if n != first[0])


def several(services: Services) -> list[int]:
    """The numbers of the lines that the fee schedule reduces when several are done in one session."""
    return [
        n
        for n, line in enumerate(services.lines)
        if (fee := services.schedule.fee(line.code))
        and fee.multiple in REDUCED_WITH_OTHERS
        and not services.schedule.add_on(line.code)
        and "XE" not in line.modifiers
    ]


def _value(services: Services, line: Procedure) -> float:
    """Values where all are known, else by global days."""
    values = {n: services.value(services.lines[n]) for n in several(services)}
    if None not in values.values():
        return services.value(line) or 0.0
    fee = services.schedule.fee(line.code)
    return BY_DAYS.get(fee.global_days, 0.0) if fee else 0.0
