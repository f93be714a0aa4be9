"""The second element of medical decision making: amount and complexity of data reviewed and analysed.

Source: AMA CPT E/M guidelines, "Amount and/or Complexity of Data to Be Reviewed and Analyzed". A test counts once, be
it ordered, reviewed or both; a test whose interpretation this visit bills does not count (same guidelines).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from codeserve.notes.spans import Span
from codeserve.rules.reading import Reading, Sentence, counts, pattern
from codeserve.rules.results import Element, ElementItem, Procedure
from codeserve.rules.tables import rows

LIMITED, MODERATE = 2, 3
BEHIND = "TESTS"
READING = "2"
REACH = 100  # characters between a test and its body part


@dataclass(frozen=True, slots=True)
class NamedTest:
    """A unique test as a text names it: "ECG", "X-ray (knee)". `general`: "labs", where none is named. `read`: there is
    something to interpret."""

    name: str
    span: Span
    general: bool = False
    read: bool = False


@dataclass(frozen=True, slots=True)
class _Found:
    """`key` tells unique items apart; `test` is the one that it is about, if any."""

    key: str
    test: NamedTest | None
    item: ElementItem


def data_element(reading: Reading, procedures: Sequence[Procedure] = ()) -> Element:
    """Each unique test, document and source once, in categories 1 to 3 of the table."""
    billed = {test.name for p in procedures if _interpreted(p.code) for test in find_tests(p.description)}
    found: dict[str, _Found] = {}
    for row in rows("mdm_data_cues.tsv"):
        for one in _all(reading, row):
            if one.test is None or not _same(one.test.name, billed):
                found.setdefault(one.key, one)
    items = sorted((f.item for f in found.values() if not _told_better(f, found)), key=lambda item: item.evidence)
    return Element(data_level([item.kind for item in items]), tuple(items))


def data_level(kinds: Sequence[str]) -> str:
    """Limited: two of category 1, or an independent historian. Moderate: three of category 1, or one of category 2 or
    of category 3. Extensive: two of these three."""
    numbers = [_categories()[kind] for kind in kinds]
    met = (numbers.count("1") >= MODERATE) + ("2" in numbers) + ("3" in numbers)
    if met:
        return "high" if met > 1 else "moderate"
    return "low" if numbers.count("1") >= LIMITED or "historian" in kinds else "straightforward"


def find_tests(text: str) -> Iterator[NamedTest]:
    """The tests that a text names, in order; imaging with the body part that stands nearest."""
    for match in _any_test().finditer(text):
        row = rows("mdm_tests.tsv")[int(str(match.lastgroup)[1:])]
        span = Span(*match.span())
        site = _site(text, span) if row["sited"] == "yes" else ""
        yield NamedTest(
            f"{row['test']} ({site})" if site else row["test"], span, row["sited"] == "general", row["read"] == "yes"
        )


def _same(name: str, others: Collection[str]) -> bool:
    """Whether a test is one of others: by name, or an imaging test without a body part beside one with it."""
    return any(other == name or other.startswith(f"{name} (") for other in others)


def _told_better(one: _Found, found: dict[str, _Found]) -> bool:
    """Whether a vaguer mention says nothing beyond the named tests of the note."""
    if one.test is None or one.key != one.test.name:
        return False
    others = [f.test for f in found.values() if f.test and f is not one]
    if one.test.general:
        return any(not other.general for other in others)
    return any(other.name.startswith(f"{one.test.name} (") for other in others)


@lru_cache(maxsize=1)
def _categories() -> dict[str, str]:
    return {row["kind"]: row["category"] for row in rows("mdm_data_cues.tsv")}


@lru_cache(maxsize=1)
def _any_test() -> re.Pattern[str]:
    named = (f"(?P<t{n}>{row['pattern']})" for n, row in enumerate(rows("mdm_tests.tsv")))
    return pattern(rf"(?<![\w-])(?:{'|'.join(named)})(?!\w)")


def _site(text: str, at: Span) -> str:
    """The body part of an imaging test: the first behind "of", else the nearest in its sentence; "" for none."""
    of = text[at.end : at.end + REACH].lstrip().startswith("of ")
    begin = at.end if of else max(0, at.start - REACH)
    near = [
        (_gap(at, Span(*match.span())), row["site"])
        for row in rows("mdm_sites.tsv")
        for match in pattern(rf"\b(?:{row['pattern']})\b").finditer(text, begin, at.end + REACH)
    ]
    return min(near, default=(0, ""))[1]


def _gap(one: Span, other: Span) -> int:
    return max(one.start - other.end, other.start - one.end, 0)


def _interpreted(code: str) -> bool:
    """Whether the code holds an interpretation: imaging and medicine services; laboratory tests are results only."""
    return code[:1] in ("7", "9") and code[:2] != "99"


def _all(reading: Reading, row: dict[str, str]) -> Iterator[_Found]:
    if row["max_age"] and (reading.encounter.age is None or reading.encounter.age > int(row["max_age"])):
        return
    for sentence in reading.within(row["sections"]):
        yield from (
            _ordered_or_reviewed(sentence, row) if row["kind"] in ("ordered", "reviewed") else _others(sentence, row)
        )


def _ordered_or_reviewed(sentence: Sentence, row: dict[str, str]) -> Iterator[_Found]:
    behind = row["pattern"].removeprefix(BEHIND) if row["pattern"].startswith(BEHIND) else ""
    if not behind and not pattern(row["pattern"]).search(sentence.text):
        return
    for test in find_tests(sentence.text):
        if behind and not pattern(behind).match(sentence.text, test.span.end):
            continue
        if counts(sentence.text, test.span.start, "data", row["kind"]):
            words = (test.span.shift(sentence.span.start),)
            yield _Found(test.name, test, ElementItem(row["kind"], f"{row['message']}: {test.name}", words))


def _others(sentence: Sentence, row: dict[str, str]) -> Iterator[_Found]:
    for match in pattern(row["pattern"]).finditer(sentence.text):
        span = Span(*match.span())
        if not counts(sentence.text, span.start, "data", row["kind"]):
            continue
        test = None
        if row["category"] == READING:
            test = min((t for t in find_tests(sentence.text) if t.read), key=lambda t: _gap(span, t.span), default=None)
            if test is None:
                continue
            span = span.cover(test.span)
        yield _Found(row["kind"], test, ElementItem(row["kind"], row["message"], (span.shift(sentence.span.start),)))
