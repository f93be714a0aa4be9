"""Who is let in, who waits, who is turned away: slots shared fairly among API keys, interactive before batch.

A key is whoever calls: an API key's name, or the pseudonym of a token's subject (`Principal.id`).
Plain state and a clock that is handed in; `Admission` at the end is its one asynchronous part.

- A key that asks faster than its rate is turned away (token bucket).
- A free slot goes to the oldest waiter of the key that holds the fewest slots for its weight; interactive ones first.
  Batch requests never hold more than `batch_slots`, so that interactive ones need not wait for them all.
- The line of each class is short, and a key may have as many waiters in it as places are free, times its weight: alone
  it fills half of the line, two a third each. So there is room for one key more, and whoever is refused is told at
  once (dynamic thresholds, Choudhury and Hahne 1998).
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal, get_args

from codeserve.config import GatewaySettings, KeyLimits, PriorityName
from codeserve.errors import Overloaded

Clock = Callable[[], float]
Reason = Literal["rate", "full"]
State = Literal["waiting", "inside", "gone"]
PRIORITIES: tuple[PriorityName, ...] = get_args(PriorityName)
SMOOTHING = 0.1
MAX_RETRY_AFTER_S = 60


class Bucket:
    """Tokens that come back at `rate` a second, `burst` at most. `rate` None: no limit."""

    def __init__(self, rate: float | None, burst: int, clock: Clock) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._tokens, self._at = float(burst), clock()

    def take(self) -> float:
        """0 with a token taken, else the seconds until there will be one."""
        if self._rate is None:
            return 0.0
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens < 1:
            return (1 - self._tokens) / self._rate
        self._tokens -= 1
        return 0.0


@dataclass(eq=False, slots=True)
class Ticket:
    """One request's place. `changed` is called when a waiter is let in."""

    key: str
    priority: PriorityName
    state: State = "waiting"
    entered: float = 0.0
    changed: Callable[[], None] = lambda: None


class Refused(Exception):
    """`retry_after` in seconds."""

    def __init__(self, reason: Reason, retry_after: float) -> None:
        super().__init__(reason)
        self.reason: Reason = reason
        self.retry_after = retry_after


@dataclass(slots=True)
class Line:
    """The waiters of one class, oldest first within a key."""

    most: int
    waiters: dict[str, deque[Ticket]] = field(default_factory=dict)

    def __len__(self) -> int:
        return sum(map(len, self.waiters.values()))

    def takes(self, key: str, weight: float) -> bool:
        return len(self.waiters.get(key, ())) < weight * (self.most - len(self))

    def add(self, ticket: Ticket) -> None:
        self.waiters.setdefault(ticket.key, deque()).append(ticket)

    def remove(self, ticket: Ticket) -> None:
        line = self.waiters[ticket.key]
        line.remove(ticket)
        if not line:
            del self.waiters[ticket.key]
        else:
            # Served or gone: the other keys come first among equals.
            self.waiters[ticket.key] = self.waiters.pop(ticket.key)


class Gate:
    """`slots` at once, `batch_slots` of them for batch requests, and a line of `waiting[priority]` for each class."""

    def __init__(
        self,
        slots: int,
        batch_slots: int,
        waiting: Mapping[PriorityName, int],
        limits: Callable[[str], KeyLimits],
        clock: Clock = time.monotonic,
    ) -> None:
        self._slots = {"interactive": slots, "batch": batch_slots}
        self._limits, self._clock = limits, clock
        self._lines = {priority: Line(waiting[priority]) for priority in PRIORITIES}
        self._held: Counter[str] = Counter()
        self._inside: Counter[PriorityName] = Counter()
        self._buckets: dict[str, Bucket] = {}
        self._service_s = 1.0

    @property
    def slots(self) -> int:
        return self._slots["interactive"]

    @property
    def inside(self) -> int:
        return self._inside.total()

    def waiting(self, priority: PriorityName) -> int:
        return len(self._lines[priority])

    def arrive(self, key: str, priority: PriorityName) -> Ticket:
        """A ticket that is inside or waiting. Raises Refused."""
        self.charge(key)
        ticket, line = Ticket(key, priority), self._lines[priority]
        if self._free(priority) and not line:
            self._let_in(ticket)
            return ticket
        if not line.takes(key, self._limits(key).weight):
            raise Refused("full", self.retry_after())
        line.add(ticket)
        return ticket

    def charge(self, key: str) -> None:
        """Count a request that needs no slot against the key's rate. Raises Refused."""
        wait = self._bucket(key).take()
        if wait:
            raise Refused("rate", wait)

    def leave(self, ticket: Ticket) -> None:
        """Give a slot back, or stop waiting. A second call does nothing."""
        if ticket.state == "inside":
            spent = self._clock() - ticket.entered
            self._service_s += SMOOTHING * (spent - self._service_s)
            self._inside[ticket.priority] -= 1
            self._held[ticket.key] -= 1
            if not self._held[ticket.key]:
                del self._held[ticket.key]
        elif ticket.state == "waiting":
            self._lines[ticket.priority].remove(ticket)
        ticket.state = "gone"
        self._call_next()

    def retry_after(self) -> float:
        """Seconds after which a request that is refused now would probably be let in: those before it, at the
        smoothed time that a request has lately taken, over all slots."""
        ahead = 1 + sum(map(len, self._lines.values()))
        return ahead * self._service_s / self._slots["interactive"]

    def _bucket(self, key: str) -> Bucket:
        if key not in self._buckets:
            limits = self._limits(key)
            self._buckets[key] = Bucket(limits.rate, limits.burst, self._clock)
        return self._buckets[key]

    def _free(self, priority: PriorityName) -> bool:
        all_free = self.inside < self._slots["interactive"]
        return all_free and (priority == "interactive" or self._inside["batch"] < self._slots["batch"])

    def _let_in(self, ticket: Ticket) -> None:
        ticket.state, ticket.entered = "inside", self._clock()
        self._inside[ticket.priority] += 1
        self._held[ticket.key] += 1

    def _call_next(self) -> None:
        for priority in PRIORITIES:
            line = self._lines[priority]
            while line.waiters and self._free(priority):
                key = min(line.waiters, key=lambda key: self._held[key] / self._limits(key).weight)
                ticket = line.waiters[key][0]
                line.remove(ticket)
                self._let_in(ticket)
                ticket.changed()


class Admission:
    """The gate for coroutines. `refused` is told the reason of each refusal."""

    def __init__(
        self,
        settings: GatewaySettings,
        refused: Callable[[Reason], None] = lambda _: None,
        clock: Clock = time.monotonic,
    ) -> None:
        own = settings.admission
        self._limits = own.limits
        self._refused = refused
        self.gate = Gate(
            settings.max_in_flight,
            max(1, int(settings.max_in_flight * own.batch_share)),
            {"interactive": own.max_waiting, "batch": own.max_waiting_batch},
            own.limits,
            clock,
        )

    @asynccontextmanager
    async def enter(self, key: str, priority: PriorityName | None = None) -> AsyncIterator[None]:
        """A slot for the body; no `priority`: the key's own. Raises Overloaded."""
        try:
            ticket = self.gate.arrive(key, priority or self._limits(key).priority)
        except Refused as refusal:
            raise self._overloaded(refusal) from None
        try:
            if ticket.state == "waiting":
                await self._wait(ticket)
            yield
        finally:
            self.gate.leave(ticket)

    def charge(self, key: str) -> None:
        """Of a request that needs no slot. Raises Overloaded."""
        try:
            self.gate.charge(key)
        except Refused as refusal:
            raise self._overloaded(refusal) from None

    @staticmethod
    async def _wait(ticket: Ticket) -> None:
        changed = asyncio.Event()
        ticket.changed = changed.set
        await changed.wait()

    def _overloaded(self, refusal: Refused) -> Overloaded:
        self._refused(refusal.reason)
        seconds = min(MAX_RETRY_AFTER_S, max(1, math.ceil(refusal.retry_after)))
        detail = "This key asks faster than it may" if refusal.reason == "rate" else "Too many requests at once"
        return Overloaded(detail, retry_after=seconds)
