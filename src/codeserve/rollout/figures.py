"""How suggestions did beside the codes that people submitted: the figures that a mode is judged by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import numpy as np

from codeserve.evaluation.calibration import BINS, debiased_error
from codeserve.rollout.intervals import Figure, share
from codeserve.rollout.suggestion import Line, Suggestion

NAMES = ("exact", "lines", "modifiers", "overrides", "calibration")
RESAMPLES = 200
SEED = 7
ACCEPT = "accept"


@dataclass(frozen=True, slots=True)
class Case:
    """A suggestion, the lines that people submitted, and what a coder did with the suggested lines (`actions`: accept,
    edit, override, reject; none where no coder saw them, as in shadow). `at`: when the final codes came. What was
    posted and nobody looked at is no case: it would agree with itself."""

    suggestion: Suggestion
    final: tuple[Line, ...]
    at: datetime
    actions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Figures:
    """`exact`: notes whose codes and modifiers are all the same. `lines`: codes that both sides have, of all that
    either has. `modifiers`: procedures of both sides with the same modifiers. `overrides`: suggested lines that a coder
    changed or threw out. `calibration`: the debiased error between confidence and share of right ones. None: there
    was nothing to count."""

    cases: int
    first: datetime | None
    last: datetime | None
    exact: Figure | None
    lines: Figure | None
    modifiers: Figure | None
    overrides: Figure | None
    calibration: Figure | None

    def as_dict(self) -> dict[str, Any]:
        """For the stored row and the trail; numbers with 4 digits."""
        told: dict[str, Any] = {"cases": self.cases}
        told |= {name: at.isoformat() if at else None for name, at in (("first", self.first), ("last", self.last))}
        for name in NAMES:
            figure: Figure | None = getattr(self, name)
            told[name] = {k: round(v, 4) for k, v in asdict(figure).items()} if figure else None
        return told


def measure(cases: Iterable[Case]) -> Figures:
    """A suggestion that stands more than once counts once, by its latest final codes."""
    latest = {case.suggestion.id: case for case in sorted(cases, key=lambda case: case.at)}
    counted = sorted(latest.values(), key=lambda case: (case.at, case.suggestion.id))
    return Figures(
        cases=len(counted),
        first=counted[0].at if counted else None,
        last=counted[-1].at if counted else None,
        exact=share([(int(is_exact(case)), 1) for case in counted]),
        lines=share([_lines(case) for case in counted]),
        modifiers=share([_modifiers(case) for case in counted]),
        overrides=share([_overrides(case) for case in counted]),
        calibration=_calibration(counted),
    )


def is_exact(case: Case) -> bool:
    """The same lines with the same modifiers, in whatever order."""
    ours, theirs = (Counter((*_key(line), line.modifiers) for line in side) for side in _sides(case))
    return ours == theirs


def _sides(case: Case) -> tuple[Sequence[Line], Sequence[Line]]:
    return case.suggestion.lines, case.final


def _key(line: Line) -> tuple[bool, str]:
    return line.diagnosis, line.code


def _lines(case: Case) -> tuple[int, int]:
    ours, theirs = (Counter(map(_key, side)) for side in _sides(case))
    return (ours & theirs).total(), (ours | theirs).total()


def _modifiers(case: Case) -> tuple[int, int]:
    """Of procedures that both sides have; a code that stands twice is compared as often as both have it."""
    ours, theirs = (Counter(map(_key, _procedures(side))) for side in _sides(case))
    with_ours, with_theirs = (
        Counter((*_key(line), line.modifiers) for line in _procedures(side)) for side in _sides(case)
    )
    return (with_ours & with_theirs).total(), (ours & theirs).total()


def _procedures(lines: Sequence[Line]) -> list[Line]:
    return [line for line in lines if not line.diagnosis]


def _overrides(case: Case) -> tuple[int, int]:
    """By what the coder did; in shadow, where nobody saw the lines, by what did not come back."""
    if case.actions:
        return sum(action != ACCEPT for action in case.actions), len(case.actions)
    ours, theirs = (Counter(map(_key, side)) for side in _sides(case))
    return (ours - theirs).total(), ours.total()


def _calibration(cases: Sequence[Case]) -> Figure | None:
    """Interval: percentiles over notes drawn with replacement, which the noise of the drawing makes rather wide."""
    judged = [pairs for pairs in map(_judged, cases) if pairs]
    count = sum(map(len, judged))
    if count < BINS:
        return None
    value = _error(judged)
    draws = np.random.default_rng(SEED).integers(0, len(judged), (RESAMPLES, len(judged)))
    drawn = [[judged[i] for i in draw] for draw in draws]
    errors = [_error(some) for some in drawn if sum(map(len, some)) >= BINS]
    low, high = np.percentile([value, *errors], (2.5, 97.5))
    return Figure(value, min(value, float(low)), max(value, float(high)), count, len(judged))


def _judged(case: Case) -> list[tuple[float, bool]]:
    """Of each suggested line with a confidence: whether the people have the code too."""
    final = {_key(line) for line in case.final}
    return [(line.confidence, _key(line) in final) for line in case.suggestion.lines if line.confidence is not None]


def _error(judged: Sequence[Sequence[tuple[float, bool]]]) -> float:
    pairs = [pair for some in judged for pair in some]
    return min(1.0, debiased_error([confidence for confidence, _ in pairs], [right for _, right in pairs]))
