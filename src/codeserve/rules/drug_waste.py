"""JW and JZ: what was thrown away of a drug in a single-dose container, as Medicare wants it told.

Source: CMS Claims Processing Manual, chapter 17, section 40: the discarded amount on a line of its own with JW, in
whole units that are left beside those of the given dose; JZ where none is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from codeserve.notes.spans import Span
from codeserve.rules.doses import amounts, of_one_unit
from codeserve.rules.modifier_cues import every, first
from codeserve.rules.modifier_words import because, marked
from codeserve.rules.modifiers_case import Services
from codeserve.rules.results import Procedure

FOLLOWS = 160  # characters behind the sentence of a drug that may still speak of it
REACH = 40  # characters between an amount and the word that says it was thrown away


def with_waste(services: Services) -> Iterator[Procedure]:
    """The lines; a drug's with JZ, or followed by a line of what was thrown away, where Medicare pays."""
    for line in services.lines:
        code = services.codesets.procedures.get(line.code)
        unit = of_one_unit(code) if code else None
        told = _told(line, services) if services.encounter.medicare else None
        if unit is None or told is None or first("several_doses", told.of(services.document.text)):
            yield line
        else:
            yield from _of_drug(line, told, unit, services.document.text)


def _told(line: Procedure, services: Services) -> Span | None:
    """The sentence of a drug with what follows on it."""
    text = services.document.text
    span = line.evidence[0] if line.evidence else None
    return Span(span.start, min(len(text), span.end + FOLLOWS)) if span else None


def _of_drug(line: Procedure, told: Span, unit: tuple[str, float], text: str) -> Iterator[Procedure]:
    said = told.of(text)
    none = first("none_wasted", said)
    away = None if none else _away(said, unit[0])
    if none:
        yield marked(line, because("not-wasted", "JZ", (Span(*none.span()).shift(told.start),)))
    elif away is None:
        yield line
    else:
        amount, place = away
        given = _given(said, unit[0], place) or line.units * unit[1]
        billed = math.ceil(round(given / unit[1], 6))
        left = math.floor(round((given + amount) / unit[1], 6)) - billed
        line = replace(line, units=max(1, billed))
        span = (place.shift(told.start),)
        if left < 1:
            yield marked(line, because("not-wasted", "JZ", span))
        else:
            yield line
            alone = replace(
                line, units=left, modifiers=(), modifier_reasons=(), rationale=f"thrown away of {line.code}"
            )
            yield marked(alone, because("wasted", "JW", span, amount=place.of(said)))


def _away(said: str, kind: str) -> tuple[float, Span] | None:
    """The amount of a kind ("mg", "unit", "ml") nearest to a word for throwing away, and where it stands."""
    words = [match.span() for match in every("wasted", said)]
    near = sorted(
        (min(_gap(place, word) for word in words), place.start, amount, place)
        for amount, unit, place in amounts(said)
        if unit == kind and words
    )
    return (near[0][2], near[0][3]) if near and near[0][0] <= REACH else None


def _given(said: str, kind: str, wasted: Span) -> float | None:
    return next((amount for amount, unit, place in amounts(said) if unit == kind and place != wasted), None)


def _gap(place: Span, word: tuple[int, int]) -> int:
    return max(word[0] - place.end, place.start - word[1], 0)
