"""Whether the objectives were met."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from loadtest.scenario import Objectives, Scenario
from loadtest.tally import GOOD, REFUSED, Row


@dataclass(frozen=True, slots=True)
class Verdict:
    """`got` is none where there was nothing to measure, which is a miss."""

    traffic: str
    objective: str
    bound: float
    got: float | None
    met: bool


def judge(scenario: Scenario, rows: Mapping[str, Row]) -> list[Verdict]:
    """Every objective of every kind of traffic, in order."""
    return [verdict for name, one in scenario.traffic.items() for verdict in _of(name, one.slo, rows.get(name, Row()))]


def _of(name: str, slo: Objectives, row: Row) -> Iterator[Verdict]:
    sent = row.sent > 0

    def at_most(objective: str, bound: float, got: float | None) -> Verdict:
        return Verdict(name, objective, bound, got, got is not None and got <= bound)

    yield at_most("errors", slo.errors, row.errors if sent else None)
    if slo.p95_s is not None:
        yield at_most("p95_s", slo.p95_s, row.percentile_s(0.95))
    if slo.goodput is not None:
        goodput = row.share(GOOD) if sent else None
        yield Verdict(name, "goodput", slo.goodput, goodput, goodput is not None and goodput >= slo.goodput)
    if slo.refused is not None:
        yield at_most("refused", slo.refused, row.share(REFUSED) if sent else None)
