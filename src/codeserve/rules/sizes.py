"""The code of a service by a number of the note: views, length, lesions, minutes (data/rules/procedure_sizes.tsv)."""

from __future__ import annotations

import re

from codeserve.rules.tables import rows

WORDS = {"single": 1.0, "one": 1.0, "two": 2.0, "three": 3.0, "four": 4.0, "five": 5.0, "six": 6.0}
_NUMBER = rf"(?P<number>\d+(?:\.\d+)?|{'|'.join(WORDS)})"
UNITS = {
    "views": re.compile(rf"\b{_NUMBER}[- ]views?\b", re.IGNORECASE),
    "cm": re.compile(rf"\b{_NUMBER}[- ]?(?:cm|centimeters?)\b", re.IGNORECASE),
    "lesions": re.compile(rf"\b{_NUMBER} (?:\w+ ){{0,2}}(?:lesions?|warts?)\b", re.IGNORECASE),
    "muscles": re.compile(rf"\b{_NUMBER} (?:\w+ ){{0,2}}muscles?\b", re.IGNORECASE),
    "minutes": re.compile(rf"\b{_NUMBER}[- ]?(?:minutes?|mins?)\b", re.IGNORECASE),
}


def sized(code: str, said: str) -> str | None:
    """The code of the same service that fits the number said; `code` itself where none is said or no table knows it;
    None where the number is too small to be billed. Lengths of one sentence are added (CPT, repair guidelines)."""
    own = next((row for row in rows("procedure_sizes.tsv") if row["code"] == code), None)
    if own is None:
        return code
    numbers = [_value(match["number"]) for match in UNITS[own["unit"]].finditer(said)]
    if not numbers:
        return code
    size = sum(numbers) if own["unit"] == "cm" else max(numbers)
    least = min(float(row["from"]) for row in rows("procedure_sizes.tsv") if row["family"] == own["family"])
    too_small = own["least"] == "yes" and size < least
    return fitting(own["family"], size) or (None if too_small else code)


def fitting(family: str, size: float) -> str | None:
    """The code of a family for a size in its unit; None where no range holds it."""
    ranges = (row for row in rows("procedure_sizes.tsv") if row["family"] == family)
    return next((r["code"] for r in ranges if float(r["from"]) <= size <= float(r["to"] or "inf")), None)


def _value(said: str) -> float:
    return WORDS.get(said.lower()) or float(said)
