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
from codeserve.rules.em_visit import says
from codeserve.rules.reading import PLACES, Reading, Sentence, counts, pattern
from codeserve.rules.results import Element, ElementItem, Procedure
from codeserve.rules.tables import rows
from codeserve.rules.terms import Terms

OWN_TESTS = ("office", "home", "other")  # settings whose practice bills the whole test
LIMITED, MODERATE = 2, 3
BEHIND = "TESTS"
READING = "2"
WHO = ("child", "incapable")
CHILD = 11  # years
REACH = 100  # characters between a test and its body part


@dataclass(frozen=True, slots=True)
class NamedTest:
    """A unique test as a text names it: "ECG", "X-ray (knee)". `general`: "labs", where none is named. `read`: there is
    something to interpret. `part_of`: the panel beside which it is no test of its own."""

    name: str
    span: Span
    general: bool = False
    read: bool = False
    part_of: str = ""


@dataclass(frozen=True, slots=True)
class _Found:
    """`key` tells unique items apart; `test` is the one that it is about, if any."""

    key: str
    test: NamedTest | None
    item: ElementItem


def data_element(reading: Reading, procedures: Sequence[Procedure] = ()) -> Element:
    """Each unique test, document and source once, in categories 1 to 3 of the table."""
    billed = {test.name for p in procedures if _interpreted(p.code) for test in find_tests(p.description)}
    billed |= _own_tests(reading)
    found: dict[str, _Found] = {}
    for one in (*_tests(reading), *_others(reading)):
        billed_here = one.test is not None and _same(one.test.name, billed)
        if not billed_here and not any(_one_document(one, other) for other in found.values()):
            found.setdefault(one.key, one)
    items = sorted((f.item for f in found.values() if not _told_better(f, found)), key=lambda item: item.evidence)
    return Element(data_level([item.kind for item in items]), tuple(items))


def _own_tests(reading: Reading) -> set[str]:
    """Tests with an interpretation that the note says this practice does and bills itself."""
    if reading.setting not in OWN_TESTS:
        return set()
    told = (s for s in reading.within("any") if says(s.text, "own_test"))
    return {test.name for sentence in told for test in find_tests(sentence.text) if test.read and not test.general}


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
    for span, row in Terms.of("mdm_tests.tsv").find(text):
        if row["sited"] == "none":
            continue
        site = _site(text, span) if row["sited"] == "yes" else ""
        name = f"{row['test']} ({site})" if site else row["test"]
        yield NamedTest(name, span, row["sited"] == "general", row["read"] == "yes", row["part_of"])


def _same(name: str, others: Collection[str]) -> bool:
    """Whether a test is one of others: by name, or an imaging test without a body part beside one with it."""
    return any(other == name or other.startswith(f"{name} (") for other in others)


def _one_document(one: _Found, other: _Found) -> bool:
    """Whether two mentions name one document by two of its marks."""
    same = one.item.kind == other.item.kind == "external_note"
    return same and any(a.overlaps(b) for a in one.item.evidence for b in other.item.evidence)


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


def _tests(reading: Reading) -> Iterator[_Found]:
    """Tests that were ordered or reviewed; the words that name a diagnosis are none."""
    for sentence in reading.within("any"):
        tests = list(find_tests(sentence.text))
        for test in tests:
            if test.part_of and any(other.name == test.part_of for other in tests):
                continue
            words = test.span.shift(sentence.span.start)
            if any(words.overlaps(name) for name in reading.named):
                continue
            row = next((row for row in _of_tests() if _worked(sentence, test, row)), None)
            if row:
                yield _Found(test.name, test, ElementItem(row["kind"], f"{row['message']}: {test.name}", (words,)))


@lru_cache(maxsize=1)
def _of_tests() -> tuple[dict[str, str], ...]:
    return tuple(row for row in rows("mdm_data_cues.tsv") if row["kind"] in ("ordered", "reviewed"))


def _worked(sentence: Sentence, test: NamedTest, row: dict[str, str]) -> bool:
    """Whether a row tells that a test was ordered or reviewed."""
    if sentence.section not in PLACES[row["sections"]]:
        return False
    if row["pattern"].startswith(BEHIND):
        told = pattern(row["pattern"].removeprefix(BEHIND)).match(sentence.text, test.span.end)
    else:
        told = pattern(row["pattern"]).search(sentence.text)
    return bool(told) and counts(sentence.text, test.span.start, "data", row["kind"], end=test.span.end)


def _others(reading: Reading) -> Iterator[_Found]:
    """Documents, people and own interpretations."""
    patient = frozenset(who for who in WHO if _is(reading, who))
    for row in rows("mdm_data_cues.tsv"):
        if row["kind"] in ("ordered", "reviewed") or (row["who"] and not patient & set(row["who"].split("|"))):
            continue
        for sentence in reading.within(row["sections"]):
            yield from _cued(reading, sentence, row)


def _cued(reading: Reading, sentence: Sentence, row: dict[str, str]) -> Iterator[_Found]:
    if row["needs"] and not _needed(sentence, row):
        return
    for match in pattern(row["pattern"]).finditer(sentence.text):
        span, test = Span(*match.span()), None
        if not counts(sentence.text, span.start, "data", row["kind"], end=span.end):
            continue
        source = match.groupdict().get("source") or ""
        if source and any(find_tests(match[0])):
            continue  # the report of a test counts as the test
        if row["category"] == READING:
            test = _read_test(reading, sentence, span)
            if test is None:
                continue
        words = span.shift(sentence.span.start)
        yield _Found(f"{row['kind']} {source.lower()}", test, ElementItem(row["kind"], row["message"], (words,)))


def _needed(sentence: Sentence, row: dict[str, str]) -> bool:
    found = pattern(row["needs"]).finditer(sentence.text)
    return any(counts(sentence.text, match.start(), "data", row["kind"]) for match in found)


def _read_test(reading: Reading, sentence: Sentence, at: Span) -> NamedTest | None:
    """The test that an interpretation is of: the nearest of the sentence, else one of a neighbouring sentence."""
    own = [test for test in find_tests(sentence.text) if test.read]
    near = (test for other in reading.beside(sentence) for test in find_tests(other.text) if test.read)
    return min(own, key=lambda test: _gap(at, test.span), default=None) or next(near, None)


@lru_cache(maxsize=8)
def _who(who: str) -> re.Pattern[str]:
    return pattern(rf"\b(?:{{{who}}})\b")


def _is(reading: Reading, who: str) -> bool:
    """Whether the patient is a child, or cannot tell the history."""
    age = reading.encounter.age
    if who == "child" and age is not None:
        return age <= CHILD
    told = ((s, match) for s in reading.within("any") for match in _who(who).finditer(s.text))
    return any(counts(s.text, match.start(), "problems", who) for s, match in told)
