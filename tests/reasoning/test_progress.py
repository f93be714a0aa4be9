from __future__ import annotations

from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeserve.reasoning.progress import WINDOW_S, Progress


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_an_idle_engine_has_not_stalled() -> None:
    clock = Clock()
    progress = Progress(clock)
    clock.now += 1000
    assert (progress.running, progress.queued_tokens, progress.stalled_s, progress.first_token_s) == (0, 0, 0, 0)
    with progress.request(10):
        assert progress.stalled_s == 0


def test_a_running_engine_without_a_token_stalls_and_any_answer_ends_it() -> None:
    clock = Clock()
    progress = Progress(clock)
    with progress.request(10):
        with progress.request(30) as answered:
            clock.now += 20
            assert (progress.running, progress.queued_tokens, progress.stalled_s) == (2, 40, 20)
            answered()
        clock.now += 3
        assert (progress.running, progress.queued_tokens, progress.stalled_s) == (1, 10, 3)


def test_a_cancelled_request_is_gone_without_an_answer() -> None:
    progress = Progress(Clock())
    with pytest.raises(RuntimeError), progress.request(10):
        raise RuntimeError
    assert (progress.running, progress.first_token_s) == (0, 0)


def test_the_time_to_an_answer_is_the_recent_mean_and_never_hides_what_waits() -> None:
    clock = Clock()
    progress = Progress(clock)
    for seconds in (1, 3):
        with progress.request(5) as answered:
            clock.now += seconds
            answered()
    assert progress.first_token_s == 2
    with progress.request(5):
        clock.now += 8
        assert progress.first_token_s == 8
    clock.now += WINDOW_S
    assert progress.first_token_s == 0


@given(st.lists(st.integers(1, 500), max_size=30))
def test_queued_tokens_are_those_of_the_open_requests(prompts: list[int]) -> None:
    progress = Progress(Clock())
    with ExitStack() as stack:
        for tokens in prompts:
            stack.enter_context(progress.request(tokens))
        assert progress.queued_tokens == sum(prompts)
    assert progress.queued_tokens == progress.running == 0
