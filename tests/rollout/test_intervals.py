from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from codeserve.rollout.intervals import share, wilson

rows = st.lists(st.integers(0, 8).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), max_size=40)


@pytest.mark.parametrize(("hits", "count"), [(0, 1), (1, 1), (0, 20), (20, 20), (19, 20), (7, 13), (271, 300)])
def test_wilson_is_the_librarys(hits: int, count: int) -> None:
    expected = binomtest(hits, count).proportion_ci(method="wilson")
    assert wilson(hits / count, count) == pytest.approx((expected.low, expected.high), abs=1e-12)


@given(rows)
def test_a_share_lies_in_its_interval(per_case: list[tuple[int, int]]) -> None:
    found = share(per_case)
    if found is None:
        assert not any(trials for _, trials in per_case)
        return
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.count == sum(trials for _, trials in per_case)
    assert found.cases == sum(trials > 0 for _, trials in per_case)


@given(rows)
def test_notes_never_tell_more_than_independent_lines(per_case: list[tuple[int, int]]) -> None:
    found = share(per_case)
    if found is not None:
        low, high = wilson(found.value, found.count)
        assert found.low <= low + 1e-12
        assert found.high >= high - 1e-12


def test_lines_that_hang_together_widen_the_interval() -> None:
    together = share([(5, 5)] * 80 + [(0, 5)] * 20)
    apart = share([(1, 1)] * 400 + [(0, 1)] * 100)
    assert together is not None
    assert apart is not None
    assert together.value == apart.value == 0.8
    assert together.high - together.low > 2 * (apart.high - apart.low)


def test_nothing_to_count() -> None:
    assert share([]) is share([(0, 0)]) is None
    assert wilson(0, 0) == (0, 1)
