from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codeserve.capacity.simulation import Curve, simulate

SINGLE = Curve(((1, 1.0),))
EXPONENTIAL = tuple(-math.log(1 - (n + 0.5) / 1000) for n in range(1000))


def test_a_curve_between_and_beyond_its_points() -> None:
    curve = Curve(((2, 4.0), (4, 6.0)))
    assert [curve.at(n) for n in (1, 2, 3, 4, 9)] == [2.0, 4.0, 5.0, 6.0, 6.0]
    assert curve.most == 6.0


@pytest.mark.parametrize("works", [(1.0,), EXPONENTIAL], ids=["equal", "exponential"])
@pytest.mark.parametrize("load", [0.5, 0.8])
def test_processor_sharing_has_its_known_mean(load: float, works: tuple[float, ...]) -> None:
    """Mean time 1 / (1 - load), whatever the notes cost (Kleinrock, volume II, 4.4)."""
    run = simulate(load, SINGLE, 1, 10**6, works, arrivals=60_000, seed=1)
    mean = sum(run.latencies) / len(run.latencies)
    assert mean == pytest.approx(1 / (1 - load), rel=0.1)
    assert run.refused == 0


def test_a_full_house_refuses_what_theory_says() -> None:
    """Erlang's loss formula for one server, one place, load 1: a half."""
    assert simulate(1.0, SINGLE, 1, 1, EXPONENTIAL, arrivals=40_000).refused == pytest.approx(0.5, abs=0.02)


@given(st.floats(0.1, 1.8), st.integers(1, 4), st.integers(1, 40))
@settings(max_examples=25, deadline=None)
def test_every_note_is_answered_or_refused(rate: float, replicas: int, slots: int) -> None:
    run = simulate(rate, SINGLE, replicas, slots, (0.5, 1.5), arrivals=400)
    assert 0 <= run.refused <= 1
    assert all(latency > 0 for latency in run.latencies)
    assert len(run.latencies) >= round((1 - run.refused) * 360)
