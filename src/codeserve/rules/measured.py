"""Results in a note as numbers: the measure, its value in one unit, how sure a bound it is, and its day.

Only what is written as a result is read ("eGFR (2/14): 52", "A1c 7.9 -> 7.2%", "EF 35-40 %", "platelets 85,000"):
between the name and a number stand only words of a short list, so a goal, a reference range and a plan are none. Names,
units and what is believed: data/rules/measured.tsv; the words: measured_words.tsv.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache

from codeserve.notes.document import Document
from codeserve.notes.spans import Span
from codeserve.rules.days import day_at
from codeserve.rules.reading import Sentence, pattern
from codeserve.rules.tables import rows

REACH = 60  # characters from one value to the next
BELOW, AT_MOST = ("<", "less than", "under", "below"), ("<=", "≤")
ABOVE = (">", "greater than", "more than", "over", "above")
HAIR = 0.01  # what "< 60" stays below 60 by, in any unit
_NUMBER = re.compile(
    r"(?P<sign><=|>=|[<>≤≥]|(?:less|greater|more) than|under|over|above|below)?\s*"
    r"(?P<low>\d{1,3}(?:,\d{3})+|\d+(?:\.\d+)?)(?!\d)(?:\s?%?\s?(?:-|–|to)\s?(?P<high>\d+(?:\.\d+)?)(?![\d/]))?"
)
_PLACEHOLDER = re.compile(r"\[DATE\]")


@lru_cache(maxsize=16)
def _words(kind: str) -> re.Pattern[str]:
    return next(pattern(row["pattern"]) for row in rows("measured_words.tsv") if row["kind"] == kind)


@dataclass(frozen=True, slots=True)
class Measure:
    """`low` to `high` is what the value can be, in the measure's own unit; a number alone has both the same. `day` is
    when it was measured, None where it cannot be told. `earlier`: the note says that another is newer. `span` goes from
    the name to the value, in `Document.text`."""

    name: str
    low: float
    high: float
    span: Span
    day: date | None = None
    earlier: bool = False


def measures(document: Document, sentences: Iterable[Sentence], seen: date | None) -> tuple[Measure, ...]:
    """All results of some sentences, in order. `seen` is the note's day: that of results without another."""
    return tuple(m for sentence in sentences for m in _of_sentence(document, sentence, seen))


def latest(found: Iterable[Measure]) -> Measure | None:
    """The newest of results of one measure; of those of one day the last written."""
    ranked = sorted(enumerate(found), key=lambda one: (not one[1].earlier, one[1].day or date.min, one[0]))
    return ranked[-1][1] if ranked else None


@dataclass(frozen=True, slots=True)
class _Unit:
    unit: re.Pattern[str] | None
    factor: float
    plus: float
    low: float
    high: float

    def value(self, number: float) -> float | None:
        value = number * self.factor + self.plus
        return round(value, 2) if self.low <= value <= self.high else None


@lru_cache(maxsize=1)
def _table() -> tuple[tuple[str, re.Pattern[str], re.Pattern[str] | None, tuple[_Unit, ...]], ...]:
    units: dict[str, list[_Unit]] = {}
    first: dict[str, dict[str, str]] = {}
    for row in rows("measured.tsv"):
        first.setdefault(row["measure"], row)
        written = re.compile(rf"\s?(?:{row['unit']})(?![\w/])", re.IGNORECASE) if row["unit"] else None
        numbers = (float(row[key]) for key in ("factor", "plus", "low", "high"))
        units.setdefault(row["measure"], []).append(_Unit(written, *numbers))
    return tuple(
        (
            name,
            re.compile(rf"(?<![\w-])(?:{row['words']})(?![\w-])", re.IGNORECASE),
            re.compile(row["not_before"], re.IGNORECASE) if row["not_before"] else None,
            tuple(units[name]),
        )
        for name, row in first.items()
    )


def _of_sentence(document: Document, sentence: Sentence, seen: date | None) -> Iterator[Measure]:
    text = sentence.text
    for name, words, not_before, units in _table():
        for match in words.finditer(text):
            before = text[: match.start()]
            if _words("goal_before").search(before) or (not_before and not_before.search(before)):
                continue
            found = _Walk(document, sentence, units, seen).values(match)
            yield from (replace(one, name=name) for one in found)


class _Walk:
    """Goes through a sentence behind a measure's name, from word to word, as long as they speak of its values."""

    def __init__(self, document: Document, sentence: Sentence, units: tuple[_Unit, ...], seen: date | None) -> None:
        self._document, self._sentence, self._units, self._seen = document, sentence, units, seen
        self._found: list[Measure] = []
        self._days: list[date | None] = []  # told ahead of the value that they belong to
        self._dated = self._days_first = self._earlier = False

    def values(self, name: re.Match[str]) -> list[Measure]:
        position = name.end()
        while position < len(self._sentence.text) and position - name.end() < REACH * (1 + len(self._found)):
            position = _past_blanks(self._sentence.text, position)
            moved = self._told_day(position) or self._marked(position) or self._value(position, name.start())
            if moved is None and (filler := _words("filler").match(self._sentence.text, position)):
                moved = filler.end()
            if moved is None:
                break
            position = moved
        return self._found

    def _told_day(self, position: int) -> int | None:
        """A day belongs to the value behind it where one stood before the first value or a colon follows, else to the
        value before it."""
        number = _NUMBER.match(self._sentence.text, position)
        if number and any(one.unit and one.unit.match(number.string, number.end("low")) for one in self._units):
            return None  # "17/27" of a score is no day
        told = _day(self._document, self._sentence, position, self._seen)
        if told is None:
            return None
        end, day = told
        self._days_first = self._days_first or not self._found
        if self._days_first or _words("ahead").match(self._sentence.text, end):
            self._days = [day]
        elif not self._dated:
            self._found[-1] = replace(self._found[-1], day=day, earlier=day is None)
            self._dated = True
        return end

    def _marked(self, position: int) -> int | None:
        """Words that say which value is the older one, and reference ranges, which are none."""
        text = self._sentence.text
        if moved := _words("range").match(text, position):
            return moved.end()
        if (moved := _words("earlier").match(text, position)) or (
            self._found and (moved := _words("was").match(text, position))
        ):
            self._earlier = True
            return moved.end()
        if moved := _words("step").match(text, position):
            undated = [one.day == self._seen for one in self._found]
            self._found = [
                replace(one, day=None, earlier=True) if old else one
                for one, old in zip(self._found, undated, strict=True)
            ]
            return moved.end()
        return None

    def _value(self, position: int, start: int) -> int | None:
        text = self._sentence.text
        number = _NUMBER.match(text, position)
        read = _read(text, number, self._units, self._earlier) if number else None
        if read is None or _words("goal_behind").match(text, read[2]):
            return None
        low, high, end = read
        past = self._earlier or bool(_words("earlier_behind").match(text, end))
        day = self._days[0] if self._days else None if past else self._seen
        span = Span(position if self._found else start, end).shift(self._sentence.span.start)
        self._found.append(Measure("", low, high, span, day, day is None and (past or bool(self._days))))
        self._days, self._dated, self._earlier = [], False, False
        return end


def _day(document: Document, sentence: Sentence, position: int, seen: date | None) -> tuple[int, date | None] | None:
    """A day in the sentence at a position; one that redaction hid is read where it was."""
    if hidden := _PLACEHOLDER.match(sentence.text, position):
        span = Span(*hidden.span()).shift(sentence.span.start)
        read = day_at(document.to_original(span).of(document.original), 0, seen)
        return hidden.end(), read[1] if read else None
    return day_at(sentence.text, position, seen)


def _read(text: str, number: re.Match[str], units: tuple[_Unit, ...], earlier: bool) -> tuple[float, float, int] | None:
    """The bounds of a value in the measure's own unit and where it ends; None where it is no value of the measure.
    "from 8.2 to 7.0" (`earlier`) and "8.2 to 7.0" are two values and no range."""
    low, high = _float(number["low"]), _float(number["high"] or number["low"])
    ranged = number["high"] is not None and low <= high and not earlier
    meant, end = _unit(text, number.end() if ranged else number.end("low"), units)
    for one in meant:
        least, most = one.value(low), one.value(high if ranged else low)
        if least is not None and most is not None:
            sign = (number["sign"] or "").lower()
            if sign in BELOW or sign in AT_MOST:
                most -= HAIR * (sign in BELOW)
                return min(one.low, most), most, end
            least += HAIR * (sign in ABOVE)
            return least, max(one.high, least) if sign else most, end
    return None


def _unit(text: str, position: int, units: tuple[_Unit, ...]) -> tuple[tuple[_Unit, ...], int]:
    """Which rows of the table can be meant by what stands behind a number; none where it is another thing's unit."""
    for one in units:
        if one.unit and (match := one.unit.match(text, position)):
            return (one,), match.end()
    if _words("alien").match(text, position):
        return (), position
    return tuple(one for one in units if one.unit is None), position


def _past_blanks(text: str, position: int) -> int:
    while position < len(text) and text[position].isspace():
        position += 1
    return position


def _float(text: str) -> float:
    return float(text.replace(",", ""))
