"""Set scores over notes, with intervals from resampling the notes (Efron 1979): a note's codes hang together."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
SEED = 7
T = TypeVar("T")
Counts = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Score:
    """Micro precision, recall and F1 in [0, 1]; `low`, `high` the 95 % interval of F1."""

    precision: float
    recall: float
    f1: float
    low: float
    high: float
    right: int
    suggested: int
    gold: int


def counts(gold: Set[T], suggested: Set[T]) -> tuple[int, int, int]:
    """Right, suggested, gold."""
    return len(gold & suggested), len(suggested), len(gold)


def f1(totals: Counts) -> Counts:
    """F1 of rows of right, suggested, gold; 1 where nothing was to be found and nothing was suggested."""
    right, both = totals[..., 0], totals[..., 1] + totals[..., 2]
    return np.where(both > 0, 2 * right / np.maximum(both, 1), 1.0)


def score(per_note: Sequence[tuple[int, int, int]]) -> Score:
    """One row of counts a note."""
    table = np.array(per_note, dtype=np.float64).reshape(-1, 3)
    right, suggested, gold = table.sum(axis=0)
    low, high = np.percentile(f1(_resampled(table)), (2.5, 97.5)) if len(table) else (0.0, 0.0)
    return Score(
        precision=float(right / suggested) if suggested else 0.0,
        recall=float(right / gold) if gold else 0.0,
        f1=float(f1(table.sum(axis=0))),
        low=float(low),
        high=float(high),
        right=int(right),
        suggested=int(suggested),
        gold=int(gold),
    )


def difference(
    ours: Sequence[tuple[int, int, int]], theirs: Sequence[tuple[int, int, int]]
) -> tuple[float, float, float]:
    """F1 of `ours` less that of `theirs` on the same notes in the same order, with its 95 % interval (paired)."""
    a, b = (np.array(rows, dtype=np.float64).reshape(-1, 3) for rows in (ours, theirs))
    spread = f1(_resampled(a)) - f1(_resampled(b))
    low, high = np.percentile(spread, (2.5, 97.5))
    return float(f1(a.sum(axis=0)) - f1(b.sum(axis=0))), float(low), float(high)


def _resampled(table: Counts) -> Counts:
    """Totals of notes drawn with replacement; the same seed draws the same notes of another table."""
    draws = np.random.default_rng(SEED).integers(0, len(table), (RESAMPLES, len(table)))
    return np.asarray(table[draws].sum(axis=1))


def as_dict(found: Score) -> dict[str, Any]:
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in asdict(found).items()}
