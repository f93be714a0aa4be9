"""Clients in a closed loop that keep what they saw, and whether each answer is the one that was given before."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import Any

import httpx

from benchmarks.processes import ROOT

TOLERANCE = 0.02  # batches of another size round bf16 differently
TIMEOUT_S = 150
LONGEST_PAUSE_S = 2.0
Answer = dict[str, Any]
Body = dict[str, Any]


def bodies() -> list[Body]:
    """The example notes."""
    known = json.loads((ROOT / "examples/encounters.json").read_text())
    notes = sorted((ROOT / "examples/notes").glob("*.txt"))
    return [{"document_id": n.stem, "text": n.read_text(), "encounter": known[n.stem]} for n in notes]


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as its client saw it: when it began and ended (time.monotonic), the status or what came instead."""

    begun: float
    ended: float
    kind: str
    note: str
    answer: Answer | None = None


@dataclass(slots=True)
class Clients:
    """`count` clients, each with the next note as soon as the last one is answered. `fresh`: a connection a request."""

    url: str
    bodies: Sequence[Body]
    count: int = 16
    fresh: bool = False
    seen: list[Seen] = field(default_factory=list)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def __aenter__(self) -> Clients:
        self._tasks = [asyncio.create_task(self._loop(number)) for number in range(self.count)]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Let each client end the request that it is in."""
        for task in self._tasks:
            task.set_name("stopping")
        await asyncio.gather(*self._tasks)

    async def _loop(self, number: int) -> None:
        me = asyncio.current_task()
        assert me is not None
        offset = number * len(self.bodies) // self.count
        limits = httpx.Limits(max_keepalive_connections=0) if self.fresh else httpx.Limits()
        async with httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False, limits=limits) as http:
            for body in islice(cycle(self.bodies), offset, None):
                seen, pause = await post(http, self.url, body)
                self.seen.append(seen)
                if me.get_name() == "stopping":
                    return
                await asyncio.sleep(pause)


async def post(http: httpx.AsyncClient, url: str, body: Body) -> tuple[Seen, float]:
    """What came back, and how long to wait before the next request."""
    begun = time.monotonic()

    def seen(kind: str, answer: Answer | None = None) -> Seen:
        return Seen(begun, time.monotonic(), kind, body["document_id"], answer)

    try:
        response = await http.post(f"{url}/v1/extract-codes", json=body)
    except httpx.TimeoutException:
        return seen("timed out"), 0.0
    except httpx.TransportError:
        return seen("closed"), 0.2
    if response.status_code == 200:
        return seen("200", response.json()), 0.0
    after = response.headers.get("Retry-After", "")
    if not after.isdigit():
        return seen(f"{response.status_code} without Retry-After"), 0.2
    return seen(str(response.status_code)), min(float(after), LONGEST_PAUSE_S)


def one_by_one(url: str, bodies: Iterable[Body]) -> dict[str, Answer]:
    """The answer to each note on its own. Raises where one is refused."""
    answers = {}
    with httpx.Client(timeout=TIMEOUT_S, trust_env=False) as http:
        for body in bodies:
            response = http.post(f"{url}/v1/extract-codes", json=body)
            response.raise_for_status()
            answers[body["document_id"]] = response.json()
    return answers


def same(one: Answer, other: Answer) -> bool:
    """The same codes with the same confidence but for rounding; a tie closer than that may fall either way."""
    for kind in ("diagnosis_codes", "procedure_codes"):
        first, second = ({c["code"]: c for c in answer[kind]} for answer in (one, other))
        for code in first.keys() ^ second.keys():
            told = first.get(code) or second[code]
            rivals = [a["confidence"] for a in told["alternatives"]]
            if not rivals or told["confidence"] - max(rivals) > TOLERANCE:
                return False
        for code in first.keys() & second.keys():
            if abs(first[code]["confidence"] - second[code]["confidence"]) > TOLERANCE:
                return False
    return True


def judge(seen: Iterable[Seen], expected: Mapping[str, Mapping[str, Answer]]) -> Counter[str]:
    """How often each kind of answer came. A 200 is held against what the same model gave before (`expected`, by the
    model's name and the note): one that differs, or names a model that is not there, is a wrong 200."""
    counts: Counter[str] = Counter()
    for one in seen:
        if one.answer is None:
            counts[one.kind] += 1
            continue
        known = expected.get(one.answer["model"]["name"], {}).get(one.note)
        if known is not None and known["diagnosis_codes"] and not one.answer["diagnosis_codes"]:
            counts["empty 200"] += 1
        else:
            counts["200" if known is not None and same(one.answer, known) else "wrong 200"] += 1
    return counts
