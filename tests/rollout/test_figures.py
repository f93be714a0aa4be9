from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codeserve.rollout.figures import NAMES, is_exact, measure
from tests.rollout.making import START, case

CODES = ["I10", "E11.9", "99213", "99213-25", "99214", "93000-26", "20610-RT"]
notes = st.lists(st.sampled_from(CODES), max_size=5)


def test_figures_of_three_notes() -> None:
    found = measure(
        [
            case(0, ["I10", "99213-25"], ["I10", "99213-25"]),
            case(1, ["I10", "99213-25"], ["I10", "99213"], actions=("accept", "edit")),
            case(2, ["I10", "99213"], ["E11.9", "99214"]),
        ]
    )
    assert (found.cases, found.first, found.last) == (3, START, START + timedelta(minutes=2))
    values = {name: getattr(found, name) for name in NAMES}
    assert (values["exact"].value, values["exact"].count) == (pytest.approx(1 / 3), 3)
    assert (values["lines"].value, values["lines"].count) == (pytest.approx(4 / 8), 8)
    assert (values["modifiers"].value, values["modifiers"].count, values["modifiers"].cases) == (0.5, 2, 2)
    assert (values["overrides"].value, values["overrides"].count) == (pytest.approx(3 / 6), 6)
    assert values["calibration"].count == 6
    assert values["calibration"].value > 0.2


@settings(max_examples=50, deadline=None)
@given(notes)
def test_what_agrees_is_exact_in_any_order(codes: list[str]) -> None:
    found = measure([case(0, codes, codes[::-1])])
    assert is_exact(case(0, codes, codes[::-1]))
    for figure, value in ((found.exact, 1.0), (found.lines, 1.0), (found.modifiers, 1.0), (found.overrides, 0.0)):
        assert figure is None or figure.value == value
    assert found.exact is not None


@settings(max_examples=50, deadline=None)
@given(notes, notes)
def test_lines_and_exactness_do_not_depend_on_the_side(ours: list[str], theirs: list[str]) -> None:
    one, other = measure([case(0, ours, theirs)]), measure([case(0, theirs, ours)])
    assert (one.exact, one.lines, one.modifiers) == (other.exact, other.lines, other.modifiers)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(notes, notes), max_size=6), st.randoms(use_true_random=False))
def test_the_order_of_cases_does_not_count(pairs: list[tuple[list[str], list[str]]], random: object) -> None:
    cases = [case(number, *pair) for number, pair in enumerate(pairs)]
    shuffled = cases[:]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert measure(cases) == measure(shuffled)


def test_the_latest_final_codes_count_once() -> None:
    first, second = case(0, ["I10"], ["E11.9"]), case(0, ["I10"], ["I10"], at=START + timedelta(days=1))
    found = measure([second, first])
    assert (found.cases, found.exact.value if found.exact else None) == (1, 1.0)


def test_a_true_confidence_has_a_small_error_and_a_boast_a_large_one() -> None:
    true = [case(n, ["I10"], ["I10"] if n % 10 < 8 else [], confidence=0.8) for n in range(300)]
    boast = [case(n, ["I10"], ["I10"] if n % 2 else [], confidence=0.99) for n in range(300)]
    good, bad = measure(true).calibration, measure(boast).calibration
    assert good is not None
    assert bad is not None
    assert good.high < 0.1
    assert bad.low > 0.4
    assert good.low <= good.value <= good.high


def test_nothing_came_yet() -> None:
    found = measure([])
    assert found.as_dict() == {"cases": 0, "first": None, "last": None, **dict.fromkeys(NAMES)}


def test_what_is_stored_holds_no_code() -> None:
    told = measure([case(n, ["I10"], ["I10"]) for n in range(6)]).as_dict()
    assert told["exact"] == {"value": 1.0, "low": 0.6097, "high": 1.0, "count": 6, "cases": 6}
    assert "I10" not in str(told)
