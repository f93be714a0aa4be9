from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import foldnorm

from codeserve.evaluation.calibration import Bin, _folded_mean, calibration, debiased_error

DRAWN = st.lists(st.tuples(st.floats(0.01, 0.99), st.booleans()), min_size=5, max_size=60)


def drawn(count: int, shift: float) -> tuple[list[float], list[bool]]:
    """Suggestions that are right with their confidence less `shift`."""
    rng = np.random.default_rng(3)
    p = rng.uniform(0.3, 0.95, count)
    return p.tolist(), (rng.uniform(size=count) < p - shift).tolist()


def test_true_confidences_have_hardly_an_error_and_debiasing_takes_the_noise_off() -> None:
    found = calibration(*drawn(2000, 0.0))
    assert found.ece < 0.04
    assert found.ece < found.ece_plain


def test_boasting_shows() -> None:
    assert calibration(*drawn(2000, 0.2)).ece == pytest.approx(0.2, abs=0.03)


@given(DRAWN)
def test_bins_hold_everything_and_coverage_ends_at_one(pairs: list[tuple[float, bool]]) -> None:
    found = calibration([p for p, _ in pairs], [right for _, right in pairs])
    assert sum(b.count for b in found.bins) == len(pairs)
    assert found.curve[-1].coverage == 1
    assert all(a.coverage < b.coverage for a, b in zip(found.curve, found.curve[1:], strict=False))
    assert all(point.low <= point.precision for point in found.curve)
    assert found.best is None or found.best.precision >= 0.95


def test_the_widest_coverage_of_enough_precision() -> None:
    confidences = [0.99 - 0.001 * i for i in range(100)]
    best = calibration(confidences, [i < 57 and i != 10 for i in range(100)]).best
    assert best is not None
    assert (best.coverage, best.precision) == (0.58, pytest.approx(56 / 58)) or best.precision >= 0.95
    assert best.coverage == pytest.approx(0.58)


def test_too_few_are_refused() -> None:
    with pytest.raises(ValueError, match="too few"):
        calibration([0.5], [True])


@given(DRAWN)
def test_the_error_alone_is_the_same(pairs: list[tuple[float, bool]]) -> None:
    confidences, right = [p for p, _ in pairs], [y for _, y in pairs]
    assert debiased_error(confidences, right) == calibration(confidences, right).ece


@pytest.mark.parametrize(("confidence", "right", "count"), [(0.9, 0.8, 50), (0.5, 0.5, 10), (0.99, 0.2, 5)])
def test_the_folded_mean_is_the_librarys(confidence: float, right: float, count: int) -> None:
    error = (right * (1 - right) / count) ** 0.5
    expected = foldnorm.mean(abs(confidence - right) / error, scale=error)
    assert _folded_mean(Bin(confidence, right, count)) == pytest.approx(expected, rel=1e-12)
