"""Shares with a 95 % interval, where what is counted comes in notes and the lines of one note hang together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

Z = 1.959963984540054  # the normal distribution's 97.5 % point


@dataclass(frozen=True, slots=True)
class Figure:
    """`value` with its interval, all in [0, 1], over `count` of what is counted, in `cases` notes."""

    value: float
    low: float
    high: float
    count: int
    cases: int


def wilson(share: float, count: float) -> tuple[float, float]:
    """The score interval (Wilson 1927) of a share of `count` trials; of no trial all is possible."""
    if count <= 0:
        return 0.0, 1.0
    centre = share + Z * Z / (2 * count)
    half = Z * math.sqrt(share * (1 - share) / count + Z * Z / (4 * count * count))
    scale = 1 + Z * Z / count
    # Rounding must not leave the share outside of its own interval.
    return max(0.0, min(share, (centre - half) / scale)), min(1.0, max(share, (centre + half) / scale))


def share(per_case: Sequence[tuple[int, int]]) -> Figure | None:
    """Of (hits, trials) a note; None without a trial. The interval is Wilson's at the effective number of trials (Kish
    1965; Korn and Graubard 1998): many lines of few notes tell less than as many notes of a line."""
    rows = [(hits, trials) for hits, trials in per_case if trials]
    if not rows:
        return None
    count = sum(trials for _, trials in rows)
    value = sum(hits for hits, _ in rows) / count
    low, high = wilson(value, count / _design_effect(rows, value, count))
    return Figure(value, low, high, count, len(rows))


def _design_effect(rows: Sequence[tuple[int, int]], value: float, count: int) -> float:
    """The variance of the share between notes over that of independent trials; at least 1."""
    if len(rows) < 2 or not 0 < value < 1:
        return 1.0
    spread = sum((hits - value * trials) ** 2 for hits, trials in rows) * len(rows) / (len(rows) - 1)
    return max(1.0, spread / count / (value * (1 - value)))
