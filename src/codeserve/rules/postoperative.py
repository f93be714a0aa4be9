"""What is done within the global period of an earlier operation: 24 on the visit, 58, 78 and 79 on a service.

Source: CPT appendix A; CMS Claims Processing Manual, chapter 12, section 40; data/rules/global_related.tsv and
modifier_cues.tsv. The earlier services come with the encounter, by the same physician or group.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from codeserve.notes.document import Document
from codeserve.rules.encounter import Encounter, RecentProcedure
from codeserve.rules.kinds import kind_of, part_of
from codeserve.rules.mdm_problems import plain_kind
from codeserve.rules.modifier_cues import cued
from codeserve.rules.modifier_words import because
from codeserve.rules.reading import setting_of
from codeserve.rules.results import Diagnosis, ModifierReason, Procedure, Role
from codeserve.rules.schedule import Schedule
from codeserve.rules.tables import within

SURGICAL_CARE_ONLY = frozenset({"54", "80", "81", "82", "AS", "26"})
# Of any operation: complications of care, pain after it, aftercare and what it left behind.
COMPLICATIONS = ("T8", "G97", "H59", "H95", "I97", "J95", "K91", "K68.11", "L76", "M96", "N99", "E89", "D78", "O86")
AFTERCARE = ("Z09", "G89.1", *(f"Z{n}" for n in (42, 43, 44, 45, 46, 47, 48, 51, 79, 96, 97, 98)))
OPERATING_ROOM_PLACES = frozenset({"21", "22", "19", "24"})
SIDES = frozenset({"RT", "LT"})


@dataclass(frozen=True, slots=True)
class Period:
    """An earlier service within whose `days` the day of service falls, `passed` days after it."""

    recent: RecentProcedure
    days: int
    passed: int

    @property
    def told(self) -> dict[str, object]:
        return {"recent": self.recent.code, "date": self.recent.date, "days": self.days, "passed": self.passed}


def periods(encounter: Encounter, schedule: Schedule) -> tuple[Period, ...]:
    """The global periods that the day of service falls into, in the order in which they were told."""
    found = []
    for recent in encounter.recent_procedures:
        days = schedule.global_days(recent.code)
        if encounter.date_of_service and days and not SURGICAL_CARE_ONLY & set(recent.modifiers):
            passed = (encounter.date_of_service - recent.date).days
            if 0 < passed <= days:
                found.append(Period(recent, days, passed))
    return tuple(found)


def may_belong(diagnosis: str, operation: str) -> bool:
    """Whether a diagnosis could be part of the care of an operation; one that no table knows could."""
    listed = within("global_related.tsv", "diagnoses", operation)
    return not listed or diagnosis.startswith((*COMPLICATIONS, *AFTERCARE, *listed.split("|")))


def visit_apart(
    document: Document, diagnoses: Sequence[Diagnosis], encounter: Encounter, schedule: Schedule
) -> Iterator[ModifierReason]:
    """24 where a problem was assessed that belongs to none of the operations in whose periods the visit falls."""
    within_days = periods(encounter, schedule)
    apart = [
        d
        for d in diagnoses
        if d.role is Role.ASSESSED
        and plain_kind(d.code) != "administrative"
        and not any(may_belong(d.code, period.recent.code) for period in within_days)
    ]
    if within_days and apart:
        spans = (span for d in apart for span in d.evidence)
        problems = ", ".join(d.code for d in apart)
        yield because("other-reason", "24", spans, problems=problems, **within_days[-1].told)


def service_after(
    line: Procedure,
    pointed: Sequence[Diagnosis],
    document: Document,
    encounter: Encounter,
    schedule: Schedule,
) -> Iterator[ModifierReason]:
    """58, 78 or 79 on a surgical service, where the note or the codes tell which one; none where they tell two."""
    if kind_of(line.code) != "surgery":
        return
    for period in periods(encounter, schedule):
        found = list(_after(line, pointed, document, encounter, period))
        if len({one.modifier for one in found}) == 1:
            yield found[0]
            return


def _after(
    line: Procedure, pointed: Sequence[Diagnosis], document: Document, encounter: Encounter, period: Period
) -> Iterator[ModifierReason]:
    if planned := cued("staged", document, line.evidence):
        yield because("staged", "58", planned, **period.told)
    back = cued("return", document, line.evidence)
    if back and cued("complication", document) and _in_operating_room(encounter):
        yield because("return", "78", back, **period.told)
    if how := _unrelated(line, pointed, document, period):
        spans = cued("unrelated", document, line.evidence) or line.evidence
        yield because("unrelated", "79", spans, how=how, **period.told)


def _in_operating_room(encounter: Encounter) -> bool:
    """78 is for the operating room alone: what is done at the bedside or in the office is part of the operation."""
    if encounter.place_of_service:
        return encounter.place_of_service in OPERATING_ROOM_PLACES
    return encounter.note_type in ("operative", "procedure") or setting_of(encounter) == "inpatient"


def _unrelated(line: Procedure, pointed: Sequence[Diagnosis], document: Document, period: Period) -> str:
    """How the note or the codes tell that a service is no part of an earlier one; "" where nothing tells."""
    if cued("unrelated", document, line.evidence):
        return "the note says that it is unrelated"
    sides, before = SIDES & set(line.modifiers), SIDES & set(period.recent.modifiers)
    if sides and before and sides != before:
        return "it is on the other side"
    part, other = part_of(line.code), part_of(period.recent.code)
    for_other = bool(pointed) and not any(may_belong(d.code, period.recent.code) for d in pointed)
    if part and other and part != other and for_other:
        return f"it is of the {part}, that of the {other}, for another problem"
    return ""
