"""What is under way in an engine, when it last moved, and how long an answer takes: for health and for scaling.

Pure but for the clock. One event loop uses it, so nothing is locked.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

WINDOW_S = 30.0
MOST_SAMPLES = 1024


class Progress:
    """Counts requests and their prompt tokens. Times in seconds of `clock`, which never goes back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._open: dict[int, tuple[float, int]] = {}  # number -> (begun, tokens), oldest first
        self._number = 0
        self._moved = clock()
        self._answers: deque[tuple[float, float]] = deque(maxlen=MOST_SAMPLES)  # (when, seconds to the first token)

    @contextmanager
    def request(self, tokens: int) -> Iterator[Callable[[], None]]:
        """Of a prompt of `tokens`; call what it gives when the answer is there."""
        begun = self._clock()
        if not self._open:
            self._moved = begun  # an idle engine has not stood still
        self._number += 1
        number = self._number
        self._open[number] = (begun, tokens)

        def answered() -> None:
            self._moved = self._clock()
            self._answers.append((self._moved, self._moved - begun))

        try:
            yield answered
        finally:
            del self._open[number]

    @property
    def running(self) -> int:
        return len(self._open)

    @property
    def queued_tokens(self) -> int:
        """Prompt tokens of everything that has no answer yet."""
        return sum(tokens for _, tokens in self._open.values())

    @property
    def stalled_s(self) -> float:
        """How long no token has come although something runs; 0 for an idle engine."""
        return self._clock() - self._moved if self._open else 0.0

    @property
    def first_token_s(self) -> float:
        """Mean time to an answer over the last half minute, or the age of what waits longest where that is more: a
        standing engine must not look quick. 0 when there is neither."""
        now = self._clock()
        recent = [took for when, took in self._answers if now - when <= WINDOW_S]
        mean = sum(recent) / len(recent) if recent else 0.0
        oldest = next(iter(self._open.values()), (now, 0))[0]
        return max(mean, now - oldest)
