"""What kind of visit a note tells of: the family of E/M codes, new or established, the provider's total time.

Source: AMA CPT E/M guidelines, "New and Established Patients", "Guidelines for Selecting Level of Service Based on
Time"; the tables em_families.tsv and em_words.tsv.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from codeserve.notes.document import Document, SectionKind
from codeserve.notes.spans import Span
from codeserve.rules.encounter import Encounter
from codeserve.rules.reading import pattern, setting_of
from codeserve.rules.tables import rows

NO_VISIT = ("operative", "procedure")
BY_STATUS = frozenset({"office", "home", "preventive", "video", "audio"})
LONGEST = 600
OLDEST = 120
TITLE = 300  # characters in which a note says what it is
AFTER = 60
BEFORE = 160
HALF_DAY = 12 * 60


@dataclass(frozen=True, slots=True)
class Visit:
    """`family` of em_families.tsv; `status` "new" or "established"; `inferred` when nobody told the status."""

    family: str
    status: str
    inferred: bool = False

    @property
    def codes(self) -> str:
        """The family's name in em_codes.tsv."""
        return f"{self.family}_{self.status}" if self.family in BY_STATUS else self.family

    @property
    def words(self) -> str:
        return self.codes.replace("_", " ")


def has_visit(document: Document, encounter: Encounter) -> bool:
    """Whether there is a visit at all: an operative or procedure note has none."""
    if encounter.note_type:
        return encounter.note_type not in NO_VISIT
    return not says(document.text, "no_visit") and not _not_seen(document)


def _not_seen(document: Document) -> bool:
    """Whether the note begins with that the patient was not seen; one with an examination tells of another day."""
    told = where(document.text, "not_seen")
    examined = any(section.kind is SectionKind.EXAM for section in document.sections)
    return told is not None and told.start < TITLE and not examined


def visit_of(document: Document, encounter: Encounter) -> Visit:
    """The family by setting (told, or by place of service), service, note type and payer."""
    service = "same_day" if _same_day(document, encounter) else encounter.service
    payer = "medicare" if encounter.medicare else encounter.payer
    told = {
        "setting": setting_of(encounter),
        "service": service,
        "note_type": encounter.note_type,
        "payer": payer,
    }
    family = next(r["family"] for r in rows("em_families.tsv") if all(_fits(r[k], v) for k, v in told.items()))
    if encounter.medicare and family == "office" and service is None and _wellness(document.text):
        family = "preventive"
    if family == "office" and encounter.modality in ("video", "audio") and _takes_telehealth_codes(encounter):
        family = encounter.modality
    inferred = family in BY_STATUS and encounter.patient_status is None
    return Visit(family, encounter.patient_status or _status(document.text), inferred)


def _wellness(text: str) -> bool:
    """Whether one of Medicare's own preventive visits is named."""
    return any(says(text, sort) for sort in ("wellness", "wellness_first", "welcome"))


def _takes_telehealth_codes(encounter: Encounter) -> bool:
    payer = encounter.payer or ""
    fitting = (r["takes"] for r in rows("em_telehealth_payers.tsv") if pattern(r["payer"]).search(payer))
    return bool(payer) and next(fitting, "no") == "yes"


def _fits(cell: str, value: str | None) -> bool:
    return cell == "*" or (value or "-") in cell.split("|")


def _same_day(document: Document, encounter: Encounter) -> bool:
    return encounter.service in (None, "initial", "discharge") and says(document.text, "same_day")


def _status(text: str) -> str:
    """New where the note says so and nothing of an earlier visit, or says that there was none; else established."""
    new = says(text, "new_sure") or (says(text, "new") and not says(text, "established"))
    return "new" if new else "established"


def says(text: str, sort: str) -> bool:
    """Whether a text holds words of a sort of em_words.tsv."""
    return where(text, sort) is not None


def where(text: str, sort: str) -> Span | None:
    """Their first place."""
    found = (pattern(r["pattern"]).search(text) for r in rows("em_words.tsv") if r["sort"] == sort)
    return next((Span(*match.span()) for match in found if match), None)


def stated_age(text: str) -> int | None:
    """The patient's age in years as the note states it first; None where it does not."""
    row = next(r for r in rows("em_words.tsv") if r["sort"] == "age")
    match = pattern(row["pattern"]).search(text)
    if match is None:
        return None
    years = int(match["years"]) if match["years"] else int(match["months"] or 0) // 12
    return years if years <= OLDEST else None


def total_minutes(document: Document, encounter: Encounter) -> tuple[int | None, Span | None]:
    """The provider's total time on the date of service: as the platform tells it, or else as the note states it last.

    Time for separately billed work (tobacco counselling, procedures) is none of it.
    """
    if encounter.minutes is not None:
        return encounter.minutes, None
    stated = sorted(_stated(document.text), key=lambda one: one[1])
    return stated[-1] if stated else (None, None)


def _stated(text: str) -> Iterator[tuple[int, Span]]:
    """The provider's own time statements: a number of minutes, or from when to when."""
    for row in rows("em_words.tsv"):
        if row["sort"] in ("time", "clock"):
            for match in pattern(row["pattern"]).finditer(text):
                minutes = _by_clock(match) if row["sort"] == "clock" else _minutes(text, match)
                sentence = text[max(0, match.start() - BEFORE) : match.start()].rpartition("\n")[2].rpartition(". ")[2]
                own = not says(sentence + match[0], "others_time") or says(match[0], "first_person")
                if own and 0 < minutes <= LONGEST and not _other_work(text[match.start() : match.end() + AFTER]):
                    yield minutes, Span(*match.span())


def _minutes(text: str, match: re.Match[str]) -> int:
    """The minutes of a statement; "more than 30" is 31."""
    minutes = 60 * int(match["hours"] or 0) if "hours" in match.re.groupindex else 0
    minutes += int(match["minutes"] or 0)
    number = match.start("minutes") if match["minutes"] else match.start("hours")
    return minutes + says(text[max(0, number - AFTER) : number], "more_than")


def _by_clock(match: re.Match[str]) -> int:
    """The minutes from one time of day to another; across noon where the clock has 12 hours."""
    begin, end = (60 * int(match[f"h{n}"]) + int(match[f"m{n}"]) for n in (1, 2))
    return end - begin if end >= begin else end - begin + HALF_DAY


def _other_work(said: str) -> bool:
    """Whether a time statement is about work that is billed apart, and not merely set off from it."""
    sentence = said.split("\n")[0].split(". ")[0]
    apart = next(pattern(r["pattern"]) for r in rows("em_words.tsv") if r["sort"] == "but_not").search(sentence)
    return says(sentence[: apart.start()] if apart else sentence, "not_time")
