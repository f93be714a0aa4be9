"""How true the confidences are: reliability, calibration error, Brier score, and precision over coverage."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import beta

BINS = 5
PRECISION = 0.95


@dataclass(frozen=True, slots=True)
class Bin:
    """A bin of equal mass: mean confidence, share of right ones, and how many."""

    confidence: float
    right: float
    count: int


@dataclass(frozen=True, slots=True)
class Point:
    """Suggestions with at least `confidence`: their share of all (coverage) and how many of them are right."""

    confidence: float
    coverage: float
    precision: float
    low: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """`ece` debiased, `ece_plain` not; `best`: the widest coverage at a precision of 0.95, None if
    there is none."""

    ece: float
    ece_plain: float
    brier: float
    bins: tuple[Bin, ...]
    curve: tuple[Point, ...]
    best: Point | None


def calibration(confidences: Sequence[float], right: Sequence[bool]) -> Calibration:
    """Over suggestions; raises ValueError where there are fewer than bins."""
    if len(confidences) < BINS:
        raise ValueError("too few suggestions to speak of calibration")
    p, y = _sorted(confidences, right)
    bins = _bins(p, y)
    curve = tuple(_curve(p, y))
    good = [point for point in curve if point.precision >= PRECISION]
    return Calibration(
        ece=_debiased(bins),
        ece_plain=sum(b.count * abs(b.confidence - b.right) for b in bins) / len(p),
        brier=float(((p - y) ** 2).mean()),
        bins=bins,
        curve=curve,
        best=max(good, key=lambda point: point.coverage) if good else None,
    )


def debiased_error(confidences: Sequence[float], right: Sequence[bool]) -> float:
    """`Calibration.ece` alone, quick enough for resampling; raises ValueError where there are fewer than bins."""
    if len(confidences) < BINS:
        raise ValueError("too few suggestions to speak of calibration")
    return _debiased(_bins(*_sorted(confidences, right)))


def _sorted(confidences: Sequence[float], right: Sequence[bool]) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(np.array(confidences), kind="stable")
    return np.array(confidences, dtype=np.float64)[order], np.array(right, dtype=np.float64)[order]


def _bins(p: np.ndarray, y: np.ndarray) -> tuple[Bin, ...]:
    return tuple(
        Bin(float(ps.mean()), float(ys.mean()), len(ps))
        for ps, ys in zip(np.array_split(p, BINS), np.array_split(y, BINS), strict=True)
    )


def _debiased(bins: Sequence[Bin]) -> float:
    """Twice the plain error less its mean under each bin's own noise (Kumar, Liang and Ma 2019, for the absolute
    error): even a perfect confidence shows a plain error where bins are small."""
    total = sum(b.count for b in bins)
    plain = sum(b.count * abs(b.confidence - b.right) for b in bins) / total
    noisy = sum(b.count * _folded_mean(b) for b in bins) / total
    return max(0.0, 2 * plain - noisy)


def _folded_mean(one: Bin) -> float:
    """Mean of |gap + noise| for normal noise of the bin's standard error: of the folded normal distribution."""
    gap = abs(one.confidence - one.right)
    error = (one.right * (1 - one.right) / one.count) ** 0.5
    if not error:
        return gap
    ratio = gap / error
    return error * math.sqrt(2 / math.pi) * math.exp(-ratio * ratio / 2) + gap * math.erf(ratio / math.sqrt(2))


def _curve(p: np.ndarray, y: np.ndarray) -> list[Point]:
    """One point a distinct confidence, from the surest; `low` is the one-sided 95 % bound of Clopper and Pearson."""
    points: list[Point] = []
    for threshold in sorted(set(p.tolist()), reverse=True):
        chosen = y[p >= threshold]
        hits, count = int(chosen.sum()), len(chosen)
        low = float(beta.ppf(0.05, hits, count - hits + 1)) if hits else 0.0
        points.append(Point(float(threshold), count / len(p), hits / count, low))
    return points
