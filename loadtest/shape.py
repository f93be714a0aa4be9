"""How many users there are at a moment of the run, and when a user sends. No Locust here: pure, so it can be tested."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise

Curve = Sequence[tuple[float, float]]


def share_at(curve: Curve, done: float) -> float:
    """The share of the users when `done` in [0, 1] of the run is over: the curve, its times squeezed into the run."""
    first, last = curve[0][0], curve[-1][0]
    at = first + min(max(done, 0.0), 1.0) * (last - first)
    for (begin, low), (end, high) in pairwise(curve):
        if at <= end:
            return low + (high - low) * (at - begin) / (end - begin)
    return curve[-1][1]


def users_at(curve: Curve, users: int, elapsed_s: float, length_s: float) -> int | None:
    """Whole users, at least one; none when the run is over."""
    if elapsed_s >= length_s:
        return None
    return max(1, round(users * share_at(curve, elapsed_s / length_s)))


class Pace:
    """When one user's requests are due: a Poisson process. A request that waits for the last one's answer is late, and
    its latency counts from when it was due, or a slow server would make itself look quick by being sent less."""

    def __init__(self, every_s: float | None, begin: float, rng: random.Random) -> None:
        self._every_s, self._rng = every_s, rng
        # Somewhere in its first interval, so that users who come together do not send together.
        self.due = begin + (rng.uniform(0, every_s) if every_s else 0.0)

    def next(self, now: float) -> None:
        """The last request is over."""
        self.due = self.due + self._rng.expovariate(1 / self._every_s) if self._every_s else now
