from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from codeserve.scaling import FIRST_TOKEN_S, QUEUED_TOKENS, Targets, desired_replicas

TARGETS = Targets(tokens=1000, first_token_s=2.0, requests=10, stale_s=30)
NOW = 1_000.0


def desired(
    current: int, *, ongoing: float = 0, tokens: float = 0, first_token_s: float = 0, age_s: float = 0, told: int = -1
) -> float:
    """With the same reading of every replica, of which `told` have one (all unless said)."""
    replicas = [f"r{n}" for n in range(current if told < 0 else told)]
    readings = {
        QUEUED_TOKENS: {r: [(NOW - age_s - 5, 9e9), (NOW - age_s, tokens)] for r in replicas},
        FIRST_TOKEN_S: {r: [(NOW - age_s, first_token_s)] for r in replicas},
    }
    return desired_replicas(current, 7, ongoing, readings, NOW, TARGETS)


def test_the_larger_of_tokens_and_requests_counts() -> None:
    assert desired(2, tokens=2000, ongoing=5) == 4
    assert desired(2, tokens=100, ongoing=55) == 5.5
    assert desired(4, tokens=250, ongoing=0) == 1


def test_a_slow_first_token_asks_for_one_more() -> None:
    assert desired(2, tokens=10, first_token_s=2.1) == 3
    assert desired(2, tokens=4000, first_token_s=2.1) == 8


def test_no_replica_goes_while_the_first_token_is_near_its_target() -> None:
    assert desired(3, tokens=10, first_token_s=1.5) == 3
    assert desired(3, tokens=10, first_token_s=0.9) < 3


def test_stale_or_missing_readings_hold_what_was_asked_for() -> None:
    assert desired(2, tokens=9000, age_s=31) == 7
    assert desired(2, tokens=9000, told=1) == 7
    assert desired(0) == 7


@given(st.integers(1, 20), st.floats(0, 1e5), st.floats(0, 1e5), st.floats(0, 20), st.floats(0, 20))
def test_more_load_never_asks_for_fewer(current: int, low: float, high: float, quick: float, slow: float) -> None:
    low, high, quick, slow = *sorted((low, high)), *sorted((quick, slow))
    assert desired(current, tokens=low, first_token_s=quick) <= desired(current, tokens=high, first_token_s=slow)
