"""What the figures of a period must be: data/rollout/bars.tsv."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal, get_args

from codeserve.errors import SetupError
from codeserve.rollout.families import rows
from codeserve.rollout.figures import NAMES
from codeserve.rollout.intervals import Figure
from codeserve.rollout.modes import Mode

FALLBACK = "fallback"
STEPS = (Mode.ASSISTED.value, Mode.AUTOMATED.value, FALLBACK)
Relation = Literal["at least", "at most"]


@dataclass(frozen=True, slots=True)
class Bar:
    """Of one figure: `value` in [0, 1], from `cases` notes on."""

    figure: str
    relation: Relation
    value: float
    cases: int
    why: str

    def holds(self, figure: float) -> bool:
        return figure >= self.value if self.relation == "at least" else figure <= self.value

    def careful(self, figure: Figure) -> float:
        """The end of the interval that is further from the good side."""
        return figure.low if self.relation == "at least" else figure.high


Bars = Mapping[str, tuple[Bar, ...]]


@dataclass(frozen=True, slots=True)
class Check:
    """A bar beside the period's figure; `judged`: the number that was held against it, None where there was none."""

    bar: Bar
    figure: Figure | None
    judged: float | None
    holds: bool

    @property
    def text(self) -> str:
        asked = f"{self.bar.figure} {self.bar.relation} {self.bar.value:g}"
        if self.judged is None or self.figure is None:
            return f"{asked}: nothing to measure it by"
        if self.figure.cases < self.bar.cases:
            return f"{asked}: {self.figure.cases} notes, at least {self.bar.cases} are needed"
        return f"{asked}: {self.judged:.3f} (measured {self.figure.value:.3f}, {self.figure.cases} notes)"


def check_step(bar: Bar, figure: Figure | None) -> Check:
    """A step up is judged by the careful end of the interval."""
    if figure is None:
        return Check(bar, None, None, False)
    judged = bar.careful(figure)
    return Check(bar, figure, judged, figure.cases >= bar.cases and bar.holds(judged))


def check_fallback(bar: Bar, figure: Figure | None) -> Check:
    """By the figure itself: to go back on a doubt is safe, but not on a handful of notes."""
    if figure is None:
        return Check(bar, None, None, True)
    return Check(bar, figure, figure.value, figure.cases < bar.cases or bar.holds(figure.value))


def make_bars(table: Iterable[Mapping[str, str]]) -> Bars:
    """Raises SetupError for a row that cannot be, a step without a bar, or a fallback bar that is not further out than
    that of the step."""
    found: dict[str, dict[str, Bar]] = {step: {} for step in STEPS}
    for row in table:
        step, figure, relation = row["step"], row["figure"], row["relation"]
        if step not in found or figure not in NAMES or relation not in get_args(Relation) or figure in found[step]:
            raise SetupError(f"the bar {step} {figure} {relation} cannot be, or is there twice")
        bar = Bar(figure, relation, float(row["bar"]), int(row["cases"]), row["why"])  # type: ignore[arg-type]
        found[step][figure] = bar
    for figure, bar in found[FALLBACK].items():
        up = found[Mode.AUTOMATED.value].get(figure)
        if up is None or up.relation != bar.relation or up.value == bar.value or not bar.holds(up.value):
            raise SetupError(f"the fallback bar of {figure} is not further out than that of the step")
    if missing := [step for step in STEPS if not found[step]]:
        raise SetupError(f"there are no bars for {', '.join(missing)}")
    return {step: tuple(bars.values()) for step, bars in found.items()}


@cache
def load_bars() -> Bars:
    """The shipped bars, read once."""
    return make_bars(rows("bars"))
