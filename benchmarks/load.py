"""The load generator, a process of its own: `run` starts it, hands it a `Load` and reads what it saw.

Closed loop: `level` callers, each sends its next note when it has its answer. Open loop: notes come as a Poisson
process of `level` notes a second whether or not answers do; latency counts from the arrival that was due, so that a
stalled service cannot hide its queue (coordinated omission). "once": each note once, `level` at a time; answers are
kept.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import aiohttp

from benchmarks.servers import cpu_of

STAGE = re.compile(r"(\w+);dur=([\d.]+)")
LOST = 0  # the status of a request without an answer


@dataclass(frozen=True, slots=True)
class Load:
    """Seconds; `warm_s` is sent but not counted. `watch`: process ids by kind, whose CPU time is read around each
    request (for one caller)."""

    url: str
    bodies: list[dict[str, Any]]
    mode: str
    level: float
    seconds: float = 0.0
    warm_s: float = 0.0
    seed: int = 0
    timeout_s: float = 120.0
    path: str = "/v1/extract-codes"
    watch: dict[str, list[int]] = field(default_factory=dict)


@dataclass(slots=True)
class Sent:
    """One request: times in seconds from the end of the warm-up; `due` is its arrival. CPU in seconds by kind."""

    note: int
    due: float
    sent: float
    done: float = 0.0
    status: int = LOST
    stages_ms: dict[str, float] = field(default_factory=dict)
    cpu_s: dict[str, float] = field(default_factory=dict)
    body: str = ""


def run(load: Load) -> dict[str, Any]:
    """`sent` (all that ended after the warm-up), `seconds`, how many were `answered` in all, and `cpu_s` of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.load"],
        input=json.dumps(asdict(load)).encode(),
        stdout=subprocess.PIPE,
        check=True,
        timeout=load.warm_s + load.seconds + 2 * load.timeout_s + 600,
    )
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


class Generator:
    """Sends one load and remembers each request."""

    def __init__(self, load: Load, client: aiohttp.ClientSession) -> None:
        self._load, self._client = load, client
        self._encoded = [json.dumps(body).encode() for body in load.bodies]
        self._order = self._notes()
        self._begun = 0.0
        self.sent: list[Sent] = []
        self.answered = 0  # warm-up included

    async def run(self) -> None:
        modes: dict[str, Callable[[], Awaitable[None]]] = {
            "closed": self._closed,
            "open": self._open,
            "once": self._once,
        }
        self._begun = time.perf_counter() + self._load.warm_s
        await modes[self._load.mode]()

    def _now(self) -> float:
        return time.perf_counter() - self._begun

    def _notes(self) -> Iterator[int]:
        """All notes again and again in one shuffled order: the furthest that a note can be from its last time."""
        order = list(range(len(self._encoded)))
        random.Random(self._load.seed).shuffle(order)
        while True:
            yield from order

    async def _closed(self) -> None:
        async def caller() -> None:
            while (now := self._now()) < self._load.seconds:
                await self._send(next(self._order), now)

        await asyncio.gather(*(caller() for _ in range(int(self._load.level))))

    async def _open(self) -> None:
        draw = random.Random(self._load.seed + 1)
        due, under_way = -self._load.warm_s, []
        while (due := due + draw.expovariate(self._load.level)) < self._load.seconds:
            await asyncio.sleep(max(0.0, due - self._now()))
            under_way.append(asyncio.ensure_future(self._send(next(self._order), due)))
        await asyncio.gather(*under_way)

    async def _once(self) -> None:
        rest = iter(range(len(self._encoded)))

        async def caller() -> None:
            for note in rest:
                await self._send(note, self._now(), keep=True)

        await asyncio.gather(*(caller() for _ in range(int(self._load.level))))

    async def _send(self, note: int, due: float, keep: bool = False) -> None:
        before = {kind: cpu_of(pids) for kind, pids in self._load.watch.items()}
        one = Sent(note, due, self._now())
        try:
            headers = {"Content-Type": "application/json"}
            async with self._client.post(self._load.path, data=self._encoded[note], headers=headers) as answer:
                body = await answer.read()
                one.status = answer.status
                timing = answer.headers.get("Server-Timing", "")
                one.stages_ms = {name: float(ms) for name, ms in STAGE.findall(timing)}
                one.body = body.decode() if keep else ""
        except (aiohttp.ClientError, TimeoutError):
            one.status = LOST
        one.done = self._now()
        one.cpu_s = {kind: cpu_of(pids) - before[kind] for kind, pids in self._load.watch.items()}
        self.answered += one.status == 200
        if one.done >= 0:  # under way when the warm-up ended: counts for throughput, not for latency
            self.sent.append(one)


async def _main(load: Load) -> dict[str, Any]:
    timeout = aiohttp.ClientTimeout(total=load.timeout_s)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(load.url, connector=connector, timeout=timeout) as client:
        generator = Generator(load, client)
        await generator.run()
    spent = load.seconds or max((one.done for one in generator.sent), default=0.0)
    sent = [{key: value for key, value in asdict(one).items() if value != {}} for one in generator.sent]
    told = {"sent": sent, "seconds": spent, "answered": generator.answered}
    return {**told, "cpu_s": time.process_time(), "load_average": os.getloadavg()[0]}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_main(Load(**json.load(sys.stdin))))))
