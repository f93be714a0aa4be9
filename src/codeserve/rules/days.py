"""Days as notes write them beside a result: 3/14/2026, 2026-03-14, 3/14, March 2026, Mar 3, three months ago."""

from __future__ import annotations

import re
from datetime import date, timedelta

MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
NUMBERS = ["a", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
DAYS = {"day": 1, "week": 7, "month": 30, "year": 365}
_MONTH = (
    r"(?P<month>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\b\.?"
)
_FORMS = tuple(
    re.compile(form, re.IGNORECASE)
    for form in (
        r"(?P<y>(?:19|20)\d\d)-(?P<m>\d{1,2})-(?P<d>\d{1,2})\b",
        r"(?P<m>\d{1,2})[/-](?P<d>\d{1,2})[/-](?P<y>(?:19|20)?\d\d)\b",
        r"(?P<m>\d{1,2})/(?P<y>(?:19|20)\d\d)\b",
        r"(?P<m>0?[1-9]|1[0-2])/(?P<d>0?[1-9]|[12]\d|3[01])\b(?!/)",
        _MONTH + r",? (?:(?P<d>\d{1,2})(?:st|nd|rd|th)?\b,? ?)?(?:of )?(?P<y>(?:19|20)\d\d)\b",
        _MONTH + r"(?: (?P<d>\d{1,2})(?:st|nd|rd|th)?\b(?! ?%|\.\d))?",
        r"(?:in|since|from) (?P<m>)(?P<y>(?:19|20)\d\d)\b",
    )
)
_AGO = re.compile(
    rf"(?:about |approximately |over )?(?P<n>\d{{1,2}}|{'|'.join(NUMBERS)}) (?P<unit>day|week|month|year)s? "
    r"(?:ago|earlier|prior)\b",
    re.IGNORECASE,
)


def day_at(text: str, position: int, seen: date | None) -> tuple[int, date | None] | None:
    """Where a day that begins at `position` ends, and which it is, as far as it can be told; None where none begins.

    A day without a year is the last such day up to `seen`, the note's own day; without a day of the month the first.
    """
    if found := _AGO.match(text, position):
        return found.end(), seen and seen - timedelta(days=_number(found["n"]) * DAYS[found["unit"].lower()])
    for form in _FORMS:
        if found := form.match(text, position):
            return found.end(), _day(found.groupdict(), seen)
    return None


def _number(word: str) -> int:
    return int(word) if word.isdigit() else max(1, NUMBERS.index(word.lower()))


def _day(told: dict[str, str | None], seen: date | None) -> date | None:
    named = told.get("month")
    month = MONTHS.index(named[:3].lower()) + 1 if named else told.get("m") or 1
    year = told.get("y")
    try:
        if year:
            return date(int(year) + (2000 if len(year) == 2 else 0), int(month), int(told.get("d") or 1))
        if seen is None:
            return None
        day = date(seen.year, int(month), int(told.get("d") or 1))
        return day if day <= seen else day.replace(year=day.year - 1)
    except ValueError:
        return None
