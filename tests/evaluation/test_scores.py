from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeserve.evaluation.scores import counts, difference, score

CODES = st.sets(st.sampled_from(["A00.0", "B01.9", "I10", "J45.909", "M25.561"]))
ROWS = st.lists(st.builds(counts, CODES, CODES), min_size=1, max_size=12)


def test_micro_scores_pool_the_codes_of_all_notes() -> None:
    found = score([counts({"I10", "E11.9"}, {"I10"}), counts({"J02.9"}, {"J02.9", "R05.9", "R50.9"})])
    assert (found.right, found.suggested, found.gold) == (2, 4, 3)
    assert (found.precision, found.recall) == (0.5, pytest.approx(2 / 3))
    assert found.f1 == pytest.approx(4 / 7)


@given(ROWS)
def test_the_interval_is_the_same_twice_and_within_bounds(rows: list[tuple[int, int, int]]) -> None:
    assert score(rows) == score(rows)
    assert 0 <= score(rows).low <= score(rows).high <= 1


@given(ROWS)
def test_nothing_differs_from_itself(rows: list[tuple[int, int, int]]) -> None:
    assert difference(rows, rows) == (0, 0, 0)


def test_a_paired_difference_sees_what_two_intervals_hide() -> None:
    ours = [(1, 1, 2), (1, 1, 1), (0, 1, 1), (1, 2, 2)] * 10
    theirs = [(right, suggested + 1, gold) for right, suggested, gold in ours]
    change, low, high = difference(ours, theirs)
    assert 0 < low < change < high
    assert score(ours).low < score(theirs).high
