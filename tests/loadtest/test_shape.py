from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from loadtest.shape import Pace, share_at, users_at

shares = st.floats(0, 1)
times = st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=8, unique_by=lambda at: round(at, 3)).map(sorted)
curves = times.flatmap(lambda found: st.tuples(*(st.tuples(st.just(at), shares) for at in found)))
DAY = ((7.0, 0.1), (9.0, 1.0), (19.0, 0.0))


@given(curves, st.floats(-1, 2))
def test_the_curve_stays_between_its_points(curve: tuple[tuple[float, float], ...], done: float) -> None:
    found = [share for _, share in curve]
    assert min(found) - 1e-9 <= share_at(curve, done) <= max(found) + 1e-9


@given(curves)
def test_the_run_begins_and_ends_with_the_curve(curve: tuple[tuple[float, float], ...]) -> None:
    assert abs(share_at(curve, 0.0) - curve[0][1]) < 1e-6
    assert abs(share_at(curve, 1.0) - curve[-1][1]) < 1e-6


def test_a_day_is_squeezed_into_the_run() -> None:
    assert abs(share_at(DAY, 1 / 12) - 0.55) < 1e-9  # eight o'clock, half way up
    assert share_at(DAY, 2 / 12) == 1.0
    assert abs(share_at(DAY, 7 / 12) - 0.5) < 1e-9  # two o'clock, half way down


@given(curves, st.integers(1, 500), st.floats(0, 100), st.floats(1, 100))
def test_there_is_always_somebody_until_the_end(
    curve: tuple[tuple[float, float], ...], users: int, elapsed: float, length: float
) -> None:
    found = users_at(curve, users, elapsed, length)
    if elapsed >= length:
        assert found is None
    else:
        assert found is not None
        assert 1 <= found <= users


@given(st.floats(0.1, 60), st.floats(0, 1e6), st.integers())
def test_a_user_begins_within_its_first_interval(every: float, begin: float, seed: int) -> None:
    assert begin <= Pace(every, begin, random.Random(seed)).due <= begin + every + 1e-6


@given(st.floats(0.1, 60), st.lists(st.floats(0, 1e4), max_size=20))
def test_answers_that_take_long_do_not_change_what_is_due(every: float, ends: list[float]) -> None:
    one, other = (Pace(every, 0.0, random.Random(1)) for _ in range(2))
    for at in ends:
        one.next(at)
        other.next(0.0)
    assert one.due == other.due


def test_without_a_pace_the_next_is_due_when_the_last_is_over() -> None:
    pace = Pace(None, 5.0, random.Random(1))
    assert pace.due == 5.0
    pace.next(7.5)
    assert pace.due == 7.5


def test_the_mean_is_what_was_asked_for() -> None:
    pace, begun = Pace(4.0, 0.0, random.Random(1)), 0.0
    begun = pace.due
    for _ in range(5000):
        pace.next(0.0)
    assert 3.8 < (pace.due - begun) / 5000 < 4.2
