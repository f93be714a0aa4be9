"""What became of the requests, by kind of traffic. Workers send theirs to the master, which adds them up."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

GOOD, SLOW, REFUSED, FAILED = "good", "slow", "refused", "failed"
OUTCOMES = (GOOD, SLOW, REFUSED, FAILED)
GRAIN_MS = 5


@dataclass(slots=True)
class Row:
    """`sent` counts at the start of a request: what is neither of the outcomes at the end was never answered.
    `answered_ms`: how many proper answers took so long, in steps of GRAIN_MS. `why`: failures by reason."""

    sent: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    answered_ms: Counter[int] = field(default_factory=Counter)
    why: Counter[str] = field(default_factory=Counter)

    @property
    def unanswered(self) -> int:
        return self.sent - self.outcomes.total()

    def share(self, *outcomes: str) -> float:
        return sum(self.outcomes[one] for one in outcomes) / self.sent if self.sent else 0.0

    @property
    def errors(self) -> float:
        """The share that was neither answered properly nor refused."""
        return (self.outcomes[FAILED] + self.unanswered) / self.sent if self.sent else 0.0

    def percentile_s(self, q: float) -> float | None:
        """Of the proper answers, the upper edge of the step; none without one."""
        rank, total = 0, self.answered_ms.total()
        for ms in sorted(self.answered_ms):
            rank += self.answered_ms[ms]
            if rank >= q * total:
                return ms / 1000
        return None

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for msgpack and JSON."""
        pairs = [list(pair) for pair in sorted(self.answered_ms.items())]
        return {"sent": self.sent, "outcomes": dict(self.outcomes), "answered_ms": pairs, "why": dict(self.why)}


class Tally:
    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}

    def row(self, traffic: str) -> Row:
        return self.rows.setdefault(traffic, Row())

    @property
    def sent(self) -> int:
        return sum(row.sent for row in self.rows.values())

    def begun(self, traffic: str) -> None:
        self.row(traffic).sent += 1

    def ended(self, traffic: str, outcome: str, seconds: float, why: str = "") -> None:
        """`seconds` from when the request was due; `why` of a failure: a status or a kind, never a text."""
        row = self.row(traffic)
        row.outcomes[outcome] += 1
        if outcome in (GOOD, SLOW):
            row.answered_ms[math.ceil(seconds * 1000 / GRAIN_MS) * GRAIN_MS] += 1
        if why:
            row.why[why] += 1

    def drain(self) -> dict[str, Any]:
        """All of it, as plain values; begins anew."""
        told = {traffic: row.as_dict() for traffic, row in self.rows.items()}
        self.rows = {}
        return told

    def merge(self, told: Mapping[str, Mapping[str, Any]]) -> None:
        for traffic, one in told.items():
            row = self.row(traffic)
            row.sent += one["sent"]
            row.outcomes.update(one["outcomes"])
            row.answered_ms.update({int(ms): count for ms, count in one["answered_ms"]})
            row.why.update(one["why"])
