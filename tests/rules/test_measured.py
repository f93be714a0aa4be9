from __future__ import annotations

from datetime import date

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from codeserve.notes.prepare import prepare
from codeserve.notes.redaction import Redactor
from codeserve.rules.days import day_at
from codeserve.rules.encounter import Encounter
from codeserve.rules.measured import Measure, latest, measures
from codeserve.rules.reading import Reading
from tests.rules.making import document

SEEN = date(2026, 5, 20)


def read(text: str) -> tuple[Measure, ...]:
    reading = Reading.of(document(text), (), Encounter())
    return measures(reading.document, reading.sentences, SEEN)


def values(text: str) -> list[tuple[float, float, date | None]]:
    return [(m.low, m.high, m.day) for m in read(f"RESULTS: {text}")]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("A1c 7.2%", 7.2),
        ("Hemoglobin A1c was 7.2 today", 7.2),
        ("HbA1c: 58 mmol/mol", 7.46),
        ("Goal A1c <7%, A1c today 6.8", 6.8),
        ("eGFR 41 mL/min/1.73 m2", 41),
        ("eGFR 55 (normal >60)", 55),
        ("Platelets 85 K/uL (150-400)", 85),
        ("platelets 85,000", 85),
        ("platelets 84,000/mm3", 84),
        ("platelets 1,200", 1200),
        ("albumin 28 g/L", 2.8),
        ("LVEF of 30 %", 30),
        ("BMI: 43.1 kg/m2", 43.1),
        ("PHQ-9 = 17/27", 17),
    ],
)
def test_a_result_in_its_own_unit(text: str, value: float) -> None:
    assert values(text) == [(value, value, SEEN)]


@pytest.mark.parametrize(
    "text",
    [
        "A1c goal < 7",
        "keep A1c under 8",
        "A1c 7 or less",
        "Recheck A1c in 3 months",
        "A1c in 2014",
        "If eGFR <30, stop metformin",
        "urine albumin 2.8",
        "albumin/creatinine ratio 2.8",
        "albumin 25% infusion",
        "microalbumin 2.5",
        "BMI 95th percentile",
        "mother's A1c 9",
        "RV ejection fraction 38%",
        "eGFR pending",
        "A1c 72",
    ],
)
def test_what_is_no_result_is_not_read(text: str) -> None:
    assert values(text) == []


def test_bounds_and_ranges() -> None:
    assert values("A1c <7") == [(3.0, 6.99, SEEN)]
    assert values("eGFR >60") == [(60.01, 200.0, SEEN)]
    assert values("eGFR >= 60") == [(60.0, 200.0, SEEN)]
    assert values("EF 35-40%") == [(35.0, 40.0, SEEN)]


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("eGFR (2/14): 52", [date(2026, 2, 14)]),
        ("eGFR 48 on 05/03/2026", [date(2026, 5, 3)]),
        ("eGFR was 50 in January 2026, and 47 on 3/12/26", [date(2026, 1, 1), date(2026, 3, 12)]),
        ("eGFR (1/5) 52, (5/4) 48", [date(2026, 1, 5), date(2026, 5, 4)]),
        ("eGFR 39 (1/12: 41)", [SEEN, date(2026, 1, 12)]),
        ("eGFR 41, was 44 six months ago", [SEEN, date(2025, 11, 21)]),
        ("EF 30% in 2015, now 60%", [date(2015, 1, 1), SEEN]),
        ("A1c 6.9, previously 7.8", [SEEN, None]),
    ],
)
def test_days_belong_to_their_values(text: str, days: list[date | None]) -> None:
    assert [day for _, _, day in values(text)] == days


@pytest.mark.parametrize(
    ("text", "newest"),
    [
        ("A1c 7.9 -> 7.2%", 7.2),
        ("A1c improved from 8.2 to 7.0", 7.0),
        ("A1c down to 6.1% from 7.9%", 6.1),
        ("PHQ-9 = 17/27 (was 20)", 17),
        ("EF 30% in 2019, now 58%", 58),
        ("A1c (5/4) 7.4, (1/5) 6.9", 7.4),
    ],
)
def test_the_newest_of_several(text: str, newest: float) -> None:
    last = latest(read(f"RESULTS: {text}"))
    assert last is not None
    assert last.low == newest
    assert latest(()) is None


def test_a_day_that_redaction_hid_is_read_where_it_was(redactor: Redactor) -> None:
    ready = prepare("RESULTS: eGFR 48 on 03/02/2026.", (), redactor)
    assert "[DATE]" in ready.text
    reading = Reading.of(ready, (), Encounter())
    (one,) = measures(ready, reading.sentences, SEEN)
    assert one.day == date(2026, 3, 2)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("12/30", date(2025, 12, 30)),  # the last such day before the note
        ("2026-03-14", date(2026, 3, 14)),
        ("3/2026", date(2026, 3, 1)),
        ("March 14, 2025", date(2025, 3, 14)),
        ("Feb 3rd", date(2026, 2, 3)),
        ("three months ago", date(2026, 2, 19)),
        ("2/30/2026", None),
    ],
)
def test_days_as_notes_write_them(text: str, day: date | None) -> None:
    assert day_at(text, 0, SEEN) == (len(text), day)


def test_no_day() -> None:
    assert day_at("17/27", 0, SEEN) is None
    assert day_at("tomorrow", 0, SEEN) is None
    assert day_at("3/14", 0, None) == (4, None)


PIECES = [
    "A1c",
    "eGFR",
    "platelets",
    "albumin",
    " 7.2",
    " 52",
    "%",
    " (2/14)",
    ": ",
    " -> ",
    " was ",
    " < ",
    "1,200",
    "\n",
]


@example("albumin < 1,2001,200")
@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_any_text_is_read_and_spans_lie_in_it(text: str) -> None:
    for one in read(text):
        assert 0 <= one.span.start < one.span.end <= len(text)
        assert text[one.span.end - 1].strip()
        assert one.low <= one.high
