from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeserve.api.admission import PRIORITIES, Admission, Bucket, Gate, Refused, Ticket
from codeserve.config import GatewaySettings, KeyLimits
from codeserve.errors import Overloaded


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def make_gate(slots: int = 2, batch: int = 1, line: int = 2, clock: Clock | None = None, **keys: KeyLimits) -> Gate:
    limits = lambda key: keys.get(key, KeyLimits())  # noqa: E731
    return Gate(slots, batch, {"interactive": line, "batch": line}, limits, clock or Clock())


def refused(gate: Gate, key: str, priority: Any = "interactive") -> str:
    with pytest.raises(Refused) as raised:
        gate.arrive(key, priority)
    return raised.value.reason


def test_the_slots_then_the_line_then_nothing() -> None:
    gate = make_gate(line=4)
    tickets = [gate.arrive("a", "interactive") for _ in range(4)]
    assert [ticket.state for ticket in tickets] == ["inside", "inside", "waiting", "waiting"]
    assert refused(gate, "a") == "full"
    gate.leave(tickets[0])
    assert tickets[2].state == "inside"
    assert (gate.inside, gate.waiting("interactive")) == (2, 1)


def test_whoever_floods_the_line_leaves_half_of_it() -> None:
    gate = make_gate(line=4)
    noisy = [gate.arrive("noisy", "interactive") for _ in range(4)]
    assert refused(gate, "noisy") == "full"
    quiet = gate.arrive("quiet", "interactive")
    assert refused(gate, "quiet") == "full"
    assert gate.arrive("third", "interactive").state == "waiting"
    gate.leave(noisy[0])
    assert quiet.state == "inside", "it holds fewer slots"
    assert noisy[2].state == "waiting"


def test_interactive_before_batch_and_room_beside_batch() -> None:
    gate = make_gate(slots=2, batch=1)
    batch = [gate.arrive("b", "batch") for _ in range(2)]
    assert [ticket.state for ticket in batch] == ["inside", "waiting"]
    first, second = gate.arrive("i", "interactive"), gate.arrive("i", "interactive")
    assert (first.state, second.state) == ("inside", "waiting")
    gate.leave(batch[0])
    assert (second.state, batch[1].state) == ("inside", "waiting")
    gate.leave(first)
    assert batch[1].state == "inside"


def test_a_weight_is_a_share_of_the_slots() -> None:
    gate = make_gate(slots=6, batch=6, line=200, heavy=KeyLimits(weight=2))
    tickets = [gate.arrive(key, "interactive") for _ in range(20) for key in ("heavy", "light")]
    inside = [ticket for ticket in tickets if ticket.state == "inside"]
    for _ in range(30):
        gate.leave(inside.pop(0))
        tickets.append(gate.arrive("heavy", "interactive"))
        tickets.append(gate.arrive("light", "interactive"))
        inside = [ticket for ticket in tickets if ticket.state == "inside"]
    assert Counter(ticket.key for ticket in inside) == {"heavy": 4, "light": 2}


def test_a_bucket_lets_a_burst_through_and_then_its_rate() -> None:
    clock = Clock()
    bucket = Bucket(2.0, 3, clock)
    assert [bucket.take() for _ in range(4)] == [0, 0, 0, 0.5]
    clock.now += 0.5
    assert bucket.take() == 0
    clock.now += 60
    assert [bucket.take() > 0 for _ in range(4)] == [False, False, False, True]


def test_a_rate_refuses_its_key_alone() -> None:
    gate = make_gate(slots=9, fast=KeyLimits(rate=1, burst=1))
    gate.arrive("fast", "interactive")
    assert refused(gate, "fast") == "rate"
    assert gate.arrive("other", "interactive").state == "inside"


def test_when_to_come_back_follows_how_long_requests_take() -> None:
    clock = Clock()
    gate = make_gate(slots=1, batch=1, line=0, clock=clock)
    for _ in range(100):
        ticket = gate.arrive("a", "interactive")
        clock.now += 20
        gate.leave(ticket)
    assert 19 < gate.retry_after() <= 20


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("arrive"), st.sampled_from("abc"), st.sampled_from(PRIORITIES)),
        st.tuples(st.just("leave"), st.integers(0, 50)),
        st.tuples(st.just("wait"), st.floats(0, 5)),
    ),
    max_size=120,
)


@given(STEPS, st.integers(1, 4), st.integers(1, 4), st.integers(0, 3))
def test_no_place_is_lost_and_none_is_free_while_somebody_waits(
    steps: list[Any], slots: int, batch: int, line: int
) -> None:
    clock, batch = Clock(), min(slots, batch)
    gate = make_gate(slots, batch, line, clock, c=KeyLimits(rate=1, burst=2, weight=3))
    told: list[Ticket] = []
    tickets: list[Ticket] = []
    waits: list[float] = []
    for step in steps:
        if step[0] == "arrive":
            try:
                ticket = gate.arrive(step[1], step[2])
            except Refused as refusal:
                waits.append(refusal.retry_after)
                continue
            ticket.changed = lambda ticket=ticket: told.append(ticket)
            tickets.append(ticket)
        elif step[0] == "leave" and tickets:
            gate.leave(tickets.pop(step[1] % len(tickets)))
        elif step[0] == "wait":
            clock.now += step[1]
        states = Counter((ticket.state, ticket.priority) for ticket in tickets)
        inside = states["inside", "interactive"] + states["inside", "batch"]
        assert gate.inside == inside <= slots
        assert states["inside", "batch"] <= batch
        for priority in PRIORITIES:
            assert gate.waiting(priority) == states["waiting", priority] <= line
        assert inside == slots or not states["waiting", "interactive"]
        assert inside == slots or states["inside", "batch"] == batch or not states["waiting", "batch"]
    assert all(wait > 0 for wait in waits)
    assert len(told) == len(set(map(id, told))), "each waiter is told once"
    for ticket in tickets:
        gate.leave(ticket)
        gate.leave(ticket)
    assert (gate.inside, gate.waiting("interactive"), gate.waiting("batch")) == (0, 0, 0)


@given(st.integers(2, 8), st.integers(1, 20))
def test_a_noisy_key_leaves_another_its_half(slots: int, noise: int) -> None:
    """Whatever the noise, a key that always has a request waiting ends up with half of the slots."""
    gate = make_gate(slots, slots, 8)
    tickets: list[Ticket] = []

    def arrive(key: str) -> None:
        with suppress(Refused):
            tickets.append(gate.arrive(key, "interactive"))

    for turn in range(6 * slots):
        for _ in range(noise):
            arrive("noisy")
        arrive("quiet")
        inside = [ticket for ticket in tickets if ticket.state == "inside"]
        gate.leave(inside[turn % len(inside)])
    held = Counter(ticket.key for ticket in tickets if ticket.state == "inside")
    assert abs(held["noisy"] - held["quiet"]) <= 1


def admission(**settings: Any) -> tuple[Admission, list[str]]:
    reasons: list[str] = []
    return Admission(GatewaySettings(**settings), reasons.append), reasons


def test_places_are_given_back_even_after_a_failure() -> None:
    door, _ = admission(max_in_flight=1, admission={"max_waiting": 0})

    async def main() -> None:
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                async with door.enter("a"):
                    raise ZeroDivisionError
        async with door.enter("a"):
            with pytest.raises(Overloaded) as raised:
                async with door.enter("a"):
                    pass
        assert raised.value.retry_after == 1

    asyncio.run(main())


def test_one_who_stops_waiting_takes_no_place() -> None:
    door, _ = admission(max_in_flight=1)

    async def main() -> None:
        async def come() -> None:
            async with door.enter("a"):
                pass

        async with door.enter("a"):
            waiting = [asyncio.create_task(come()) for _ in range(2)]
            await asyncio.sleep(0)
            assert door.gate.waiting("interactive") == 2
            waiting[0].cancel()
            await asyncio.sleep(0)
            assert door.gate.waiting("interactive") == 1
        await waiting[1]
        assert (door.gate.inside, door.gate.waiting("interactive")) == (0, 0)

    asyncio.run(main())


def test_one_who_is_refused_is_counted_and_told_at_once() -> None:
    door, reasons = admission(max_in_flight=1, admission={"max_waiting": 2})

    async def main() -> None:
        async def come(key: str) -> None:
            async with door.enter(key):
                pass

        async with door.enter("noisy"):
            waiting = [asyncio.create_task(come(key)) for key in ("noisy", "quiet")]
            await asyncio.sleep(0)
            with pytest.raises(Overloaded):
                await come("noisy")
        await asyncio.gather(*waiting)

    asyncio.run(main())
    assert reasons == ["full"]


def test_a_key_has_a_class_of_its_own() -> None:
    door, _ = admission(max_in_flight=4, admission={"batch_share": 0.25, "keys": {"nightly": {"priority": "batch"}}})

    async def main() -> None:
        async with door.enter("nightly"):
            second = asyncio.create_task(door.enter("nightly").__aenter__())
            await asyncio.sleep(0)
            assert door.gate.waiting("batch") == 1
            async with door.enter("nightly", "interactive"):
                assert door.gate.inside == 2
            second.cancel()

    asyncio.run(main())
