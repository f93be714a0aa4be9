"""A discrete-event simulation of replicas that share their speed among the notes they hold.

Each replica is a processor-sharing server whose total speed depends on how many notes it has at once, as measured in
a closed loop (Kleinrock, Queueing Systems II, chapter 4; a load-dependent server). A new note goes to the replica with
fewest, as the router does; beyond the slots it is refused, as the gateway does.
"""

from __future__ import annotations

import heapq
import random
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

WARM_UP = 0.1  # of the arrivals, before anything is counted


@dataclass(frozen=True, slots=True)
class Curve:
    """Notes a second of one replica by how many it has at once, the numbers rising; flat beyond the last."""

    points: tuple[tuple[int, float], ...]

    def at(self, notes: int) -> float:
        """Between two measured points on a line; below the first it is measured as proportional."""
        numbers = [number for number, _ in self.points]
        place = bisect_left(numbers, notes)
        if place == len(numbers):
            return self.points[-1][1]
        number, speed = self.points[place]
        if number == notes or not place:
            return speed * min(1.0, notes / number)
        before, slower = self.points[place - 1]
        return slower + (speed - slower) * (notes - before) / (number - before)

    @property
    def most(self) -> float:
        return max(speed for _, speed in self.points)


@dataclass(frozen=True, slots=True)
class Run:
    """Seconds in the system of each counted note, and the share that was refused."""

    latencies: tuple[float, ...]
    refused: float

    def quantile(self, share: float) -> float:
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class _Replica:
    """Processor sharing in virtual time: every note gets the same service, so they end in the order of their end."""

    __slots__ = ("_curve", "_ends", "_served", "_since")

    def __init__(self, curve: Curve) -> None:
        self._curve = curve
        self._ends: list[tuple[float, float]] = []  # (service at which it ends, arrival)
        self._served = 0.0
        self._since = 0.0

    def __len__(self) -> int:
        return len(self._ends)

    def next_end(self) -> float:
        if not self._ends:
            return float("inf")
        return self._since + (self._ends[0][0] - self._served) / self._speed()

    def arrive(self, now: float, work: float) -> None:
        self._serve(now)
        heapq.heappush(self._ends, (self._served + work, now))

    def end(self, now: float) -> float:
        """When the note that ends now had arrived."""
        self._serve(now)
        return heapq.heappop(self._ends)[1]

    def _serve(self, now: float) -> None:
        if self._ends:
            self._served += (now - self._since) * self._speed()
        self._since = now

    def _speed(self) -> float:
        return self._curve.at(len(self._ends)) / len(self._ends)


def simulate(
    rate: float, curve: Curve, replicas: int, slots: int, works: Sequence[float], arrivals: int = 20_000, seed: int = 0
) -> Run:
    """Poisson arrivals of `rate` notes a second. `works`: what notes cost relative to the mean one, drawn from at
    random; `slots`: notes admitted at once by all gateways."""
    draw = random.Random(seed)
    mean = sum(works) / len(works)
    group = [_Replica(curve) for _ in range(replicas)]
    latencies: list[float] = []
    refused = counted = 0
    now = 0.0
    for number in range(arrivals):
        now += draw.expovariate(rate)
        counts = number >= WARM_UP * arrivals
        _finish(group, now, latencies if counts else [])
        work = draw.choice(works) / mean
        counted += counts
        if sum(map(len, group)) >= slots:
            refused += counts
        else:
            min(group, key=len).arrive(now, work)
    _finish(group, float("inf"), latencies)
    return Run(tuple(latencies), refused / counted)


def _finish(group: Sequence[_Replica], until: float, latencies: list[float]) -> None:
    """End, in order of time, what ends before `until`."""
    while True:
        first = min(group, key=_Replica.next_end)
        end = first.next_end()
        if end > until or end == float("inf"):
            return
        latencies.append(end - first.end(end))
