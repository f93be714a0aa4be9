"""Callers that come whether or not there is room, and what they saw: Poisson arrivals, a closed loop, hanging up."""

from __future__ import annotations

import asyncio
import json
import math
import os
import platform
import random
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path
from typing import Any

import aiohttp
import psutil
from rich.table import Table

from benchmarks import processes as kinds

LEFT, LOST = 499, 0  # the statuses of a caller that hung up, and of one that got no answer
TIMEOUT_S = 120
RECOVERY_S = 30.0
KINDS = {
    "gateway": kinds.GATEWAY.rpartition(":")[2],
    "proxy": kinds.PROXY,
    "tagger": kinds.TAGGER.rpartition(":")[2],
    "reasoner": kinds.REASONER.rpartition(":")[2],
    "engine": kinds.ENGINE,
}


class Seen:
    """What clients saw: (sent at, seconds, status). A good answer comes within `good_within` seconds."""

    def __init__(self, good_within: float) -> None:
        self._good_within = good_within
        self.calls: list[tuple[float, float, int]] = []

    def add(self, begun: float, status: int) -> None:
        self.calls.append((begun, time.perf_counter() - begun, status))

    def good(self, until: float = math.inf) -> int:
        """Answers in time; `until` counts those alone that were there so many seconds after the first was sent."""
        return self._answered(self._good_within, until)

    def _answered(self, within: float, until: float) -> int:
        first = min(begun for begun, *_ in self.calls)
        return sum(
            status == 200 and took <= within and begun + took <= first + until for begun, took, status in self.calls
        )

    def took(self, status: int) -> list[float]:
        return sorted(took for _, took, said in self.calls if said == status)

    def summary(self, seconds: float) -> dict[str, Any]:
        refused, answered = self.took(429), self.took(200)
        return {
            "sent": len(self.calls),
            "statuses": dict(sorted(Counter(status for _, _, status in self.calls).items())),
            "good_per_s": round(self.good(seconds) / seconds, 2),
            "answered_per_s": round(self._answered(math.inf, seconds) / seconds, 2),
            "answered_ms": percentiles(answered),
            "refused_ms": percentiles(refused),
        }


def percentiles(values: list[float]) -> dict[str, float]:
    at = {"p50": 0.5, "p99": 0.99, "max": 1.0}
    return {
        name: round(values[min(len(values) - 1, int(q * len(values)))] * 1000, 1) for name, q in at.items() if values
    }


@dataclass
class Load:
    """Sends `bodies` in turn to `url`. `idle_s`: what a request takes on an idle server; `secrets`: of API keys by
    name; without them nobody says who it is."""

    url: str
    bodies: Sequence[Mapping[str, Any]]
    good_within: float
    idle_s: float
    secrets: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._next = cycle(self.bodies)

    async def __aenter__(self) -> Load:
        self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()

    async def one(self, seen: Seen, key: str = "quiet", leave_after: float | None = None, **headers: str) -> None:
        begun = time.perf_counter()
        if key in self.secrets:
            headers["Authorization"] = f"Bearer {self.secrets[key]}"
        timeout = aiohttp.ClientTimeout(total=leave_after or TIMEOUT_S)
        try:
            async with self._http.post(self.url, json=next(self._next), headers=headers, timeout=timeout) as answer:
                await answer.read()
                seen.add(begun, answer.status)
        except TimeoutError:
            seen.add(begun, LEFT)
        except aiohttp.ClientError:
            seen.add(begun, LOST)

    async def offer(self, rate: float, seconds: float, key: str = "quiet", **headers: str) -> Seen:
        """Poisson arrivals at `rate` a second; returns when all are answered."""
        seen, calls = Seen(self.good_within), []
        for wait in self._arrivals(rate, seconds):
            await asyncio.sleep(wait)
            calls.append(asyncio.ensure_future(self.one(seen, key, **headers)))
        await asyncio.gather(*calls)
        return seen

    async def saturate(self, clients: int, seconds: float) -> Seen:
        """Closed loop: as many as fit, one after the other."""
        seen, until = Seen(self.good_within), time.perf_counter() + seconds

        async def client() -> None:
            while time.perf_counter() < until:
                await self.one(seen)

        await asyncio.gather(*(client() for _ in range(clients)))
        return seen

    async def recover(self) -> float:
        """Seconds until three requests in a row take no longer than an idle server needs, and half as much again."""
        begun, quick = time.perf_counter(), 0
        while quick < 3 and time.perf_counter() - begun < RECOVERY_S:
            seen = Seen(self.good_within)
            await self.one(seen)
            _, took, status = seen.calls[0]
            quick = quick + 1 if status == 200 and took <= 1.5 * self.idle_s else 0
        return time.perf_counter() - begun

    async def hang_up(self, rate: float, seconds: float, share: float, leave_after: float) -> tuple[Seen, Seen]:
        """Those who stay, and those who leave."""
        stayed, left, calls = Seen(self.good_within), Seen(self.good_within), []
        for wait in self._arrivals(rate, seconds):
            await asyncio.sleep(wait)
            leaving = self._random.random() < share
            one = self.one(left, leave_after=leave_after) if leaving else self.one(stayed)
            calls.append(asyncio.ensure_future(one))
        await asyncio.gather(*calls)
        return stayed, left

    def _arrivals(self, rate: float, seconds: float) -> Iterator[float]:
        """How long to wait before each: they come at their time, however late the last was."""
        at = begun = time.perf_counter()
        while (at := at + self._random.expovariate(rate)) < begun + seconds:
            yield max(0.0, at - time.perf_counter())


def resident() -> dict[str, float]:
    """MiB of the processes of each kind that descend from this one."""
    found: Counter[str] = Counter()
    for child in psutil.Process().children(recursive=True):
        name = " ".join(child.cmdline())
        for kind, word in KINDS.items():
            if word in name:
                found[kind] += child.memory_info().rss / 2**20
    return {kind: round(mib, 1) for kind, mib in found.items()}


def table(result: Mapping[str, Any]) -> Table:
    """Every summary in a result, under the names that lead to it."""
    shown = Table("scenario", "sent", "statuses", "good/s", "answered p50/p99 ms", "refused p99/max ms")

    def rows(name: str, part: Mapping[str, Any]) -> None:
        if "sent" in part:
            answered, refused = part["answered_ms"], part["refused_ms"]
            shown.add_row(
                name,
                str(part["sent"]),
                str(part["statuses"]),
                str(part["good_per_s"]),
                f"{answered.get('p50', '')} / {answered.get('p99', '')}",
                f"{refused.get('p99', '')} / {refused.get('max', '')}",
            )
        for key, value in part.items():
            if isinstance(value, dict) and key not in ("statuses", "answered_ms", "refused_ms"):
                rows(f"{name} {key}".strip(), value)

    rows("", result)
    return shown


def machine() -> dict[str, Any]:
    """What it ran on. A load average above the cores: others were at work too."""
    return {
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "load_average": os.getloadavg(),
    }


def write(result: Mapping[str, Any], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=2) + "\n")
