"""Edits of a visit's code by where the patient was seen, and by whether the patient is new.

Source: CPT E/M guidelines; CMS Claims Processing Manual, chapter 12, section 30.6, and chapter 26, section 10.5;
data/rules/em_places.tsv. Only claims are checked: a visit that was read in a note is chosen by its place.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import lru_cache

from codeserve.rules.edits_case import Case
from codeserve.rules.edits_modifiers import kind_of
from codeserve.rules.edits_words import say
from codeserve.rules.encounter import Encounter
from codeserve.rules.results import Finding
from codeserve.rules.tables import rows

NEW, ESTABLISHED = "new", "established"
THREE_YEARS = timedelta(days=3 * 365)  # so that no leap year makes a patient established a day too long


def setting_edits(case: Case) -> Iterator[Finding]:
    for line in case.lines if case.billed else ():
        row = _place_of(line.code)
        place = case.encounter.place_of_service
        if row and place and place not in row["places"].split("|"):
            yield say("em-place", (line.code,), place=place, what=row["what"])
        status = _status_of(line.code)
        if status == NEW and (seen := _seen(case.encounter)):
            yield say("em-new-but-seen", (line.code,), seen=seen)
        elif status and case.encounter.patient_status not in (None, status):
            yield say("em-patient-status", (line.code,), says=status, told=case.encounter.patient_status)


@lru_cache(maxsize=4096)
def _place_of(code: str) -> dict[str, str] | None:
    return next((row for row in rows("em_places.tsv") if row["from"] <= code <= row["to"]), None)


@lru_cache(maxsize=4096)
def _status_of(code: str) -> str:
    """Whether a visit's code is one of new patients or of established ones; "" where it is neither."""
    families = {row["family"] for row in rows("em_codes.tsv") if row["code"] == code}
    told = {row["status"] for row in rows("em_preventive.tsv") if row["code"] == code}
    told |= {family.rpartition("_")[2] for family in families if not family.startswith("home")}
    return next(iter(told), "") if told in ({NEW}, {ESTABLISHED}) else ""


def _seen(encounter: Encounter) -> str:
    """The earlier visit to the same physician or group within three years; "" where none is known."""
    day = encounter.date_of_service
    for recent in encounter.recent_procedures if day else ():
        if day and kind_of(recent.code) == "em" and timedelta() < day - recent.date < THREE_YEARS:
            return f"{recent.code} of {recent.date}"
    return ""
