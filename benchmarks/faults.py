#!/usr/bin/env python
"""What clients see when parts of the service die, hang or run out of something.

    python -m benchmarks.faults   # all of them with a tiny LLM
    python -m benchmarks.faults --only kill-reasoner-ten --models embedded
    python -m benchmarks.faults --kept --page docs/operations.md   # the table out of the results kept so far

16 clients ask for the example notes in a closed loop. Each answer is held against the one given before. A fault
passes where clients saw nothing but its allowed kinds (200, and 503 or 429 with Retry-After; a closed connection only
where the proxy or the gateway was killed), full service came back, and no process was left over.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from benchmarks.causes import FAULTS, SIGTERM, Fault, Stage
from benchmarks.clients import Answer, Body, Clients, Seen, bodies, judge, one_by_one
from benchmarks.processes import ENGINE, ROOT, Running, running
from benchmarks.tiny import make_reasoner

MODELS = ("tiny", "embedded")
ALLOWED = {"200", "503", "429"}
WARM_S, CALM_S, LIMIT_S, SETTLE_S = 6.0, 6.0, 240.0, 60.0
RESULTS = ROOT / "benchmarks" / "results" / "faults"
START, END = "<!-- faults: begin -->", "<!-- faults: end -->"


@dataclass(frozen=True, slots=True)
class Outcome:
    """`full_service_s`: from the fault until the last answer that was not a right 200 had ended and every stage was
    ready again. `left`: processes that have no parent of the service any more, or outlive it. `memory_mib`: of all
    processes before and after, pages shared with others left out."""

    fault: str
    models: str
    passed: bool
    counts: dict[str, int]
    full_service_s: float | None
    left: list[str]
    memory_mib: tuple[int, int]
    when: str
    machine: str
    clients: int
    note: str = ""


def configuration(folder: Path, model: str, stall_s: float, name: str = "faults-a") -> Path:
    """serve_config.yaml with a reasoner of our own."""
    config = yaml.safe_load((ROOT / "serve_config.yaml").read_text())
    model_set = config["applications"][0]["args"]["model_set"]
    model_set["name"] = name
    model_set["reasoner"].update(model=model, stall_s=stall_s)
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


@dataclass
class Session:
    """One service, one fault after the other under load, then SIGTERM under load. `keep` is told each outcome."""

    faults: Sequence[Fault]
    models: str = "tiny"
    clients: int = 16
    stall_s: float = 20.0
    keep: Callable[[Outcome], None] = lambda _: None
    asked: list[Body] = field(default_factory=list)
    expected: dict[str, dict[str, Answer]] = field(default_factory=dict)

    async def run(self) -> list[Outcome]:
        with TemporaryDirectory(prefix="codeserve-faults-") as name, ExitStack() as stack:
            folder = Path(name)
            model = "embedded" if self.models == "embedded" else str(make_reasoner(folder / "llm"))
            stage = Stage(folder, model, lambda m, n: configuration(folder, m, self.stall_s, n))
            environment: dict[str, str] = {}
            for fault in self.faults:
                environment |= fault.prepare(stage, stack) if fault.prepare else {}
            config = configuration(folder, model, self.stall_s)
            stage.service = stack.enter_context(running(config, folder / "log", **environment))
            self.asked = [*bodies(), *(body for fault in self.faults for body in fault.bodies())]
            self.expected = {"faults-a": await asyncio.to_thread(one_by_one, stage.service.url, self.asked)}
            outcomes = [await self.hurt(fault, stage) for fault in self.faults]
            return [*outcomes, await self.stop(stage)]

    async def hurt(self, fault: Fault, stage: Stage) -> Outcome:
        """Until the service is whole again."""
        service = stage.service
        async with Clients(service.url, self.asked, self.clients, fault.fresh_connections) as load:
            await asyncio.sleep(WARM_S)
            before, begun = service.memory_mib(), time.monotonic()
            note = await fault.act(stage) or ""
            back = await full_service(service, load, begun)
        if stage.answers:
            self.expected["faults-b"] = stage.answers
        counts = judge(load.seen, self.expected)
        left, engines = await settled(service)
        seen_well = set(counts) <= ALLOWED | fault.also_allowed
        passed = seen_well and back is not None and not left and engines == 1
        if engines != 1:
            note = f"{note}; {engines} engines are there".removeprefix("; ")
        return self._told(fault, passed, counts, back, left, before, service.memory_mib(), note)

    async def stop(self, stage: Stage) -> Outcome:
        """What was inside at SIGTERM must be answered; what comes later is refused, and then there is nobody."""
        service = stage.service
        async with Clients(service.url, self.asked, self.clients) as load:
            await asyncio.sleep(WARM_S)
            before, begun = service.memory_mib(), time.monotonic()
            code = await asyncio.to_thread(service.stop)
            took = time.monotonic() - begun
        inside = judge((one for one in load.seen if one.begun < begun < one.ended), self.expected)
        left = [one.name() for one in service.all()]
        passed = set(inside) == {"200"} and code == 0 and not left
        return self._told(
            SIGTERM, passed, inside, None, left, before, 0.0, f"ended after {took:.0f} s, exit code {code}"
        )

    def _told(
        self,
        fault: Fault,
        passed: bool,
        counts: Mapping[str, int],
        back: float | None,
        left: list[str],
        before: float,
        after: float,
        note: str,
    ) -> Outcome:
        when, memory = datetime.now(UTC).isoformat(timespec="seconds"), (round(before), round(after))
        outcome = Outcome(
            fault.name, self.models, passed, dict(counts), back, left, memory, when, machine(), self.clients, note
        )
        self.keep(outcome)
        return outcome


async def full_service(service: Running, load: Clients, begun: float) -> float | None:
    """Seconds since `begun`; none where the service is not whole again within the limit, from now on: a cause
    may take minutes itself."""
    ready_at: float | None = None
    caused = time.monotonic()
    while time.monotonic() - caused < LIMIT_S:
        ready = await asyncio.to_thread(service.ready)
        now = time.monotonic()
        ready_at = (ready_at or now) if ready else None
        if ready_at is not None:
            last = max([ready_at, *(one.ended for one in load.seen if one.ended > begun and not right(one))])
            answered = sum(one.begun > last and right(one) for one in load.seen)
            if now - last > CALM_S and answered >= load.count:
                return round(last - begun, 1)
        await asyncio.sleep(0.5)
    return None


async def settled(service: Running) -> tuple[list[str], int]:
    """Processes left over, and how many engines there are: as it should be, or as it still is after `SETTLE_S`, for
    Serve takes a replaced replica away while the new one answers already."""
    begun = time.monotonic()
    while True:
        left, engines = service.orphans(), len(service.find(ENGINE))
        if (not left and engines == 1) or time.monotonic() - begun > SETTLE_S:
            return left, engines
        await asyncio.sleep(0.5)


def right(one: Seen) -> bool:
    return one.kind == "200"


def machine() -> str:
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"


def save(outcome: Outcome) -> None:
    RESULTS.mkdir(parents=True, exist_ok=True)
    _result(outcome.fault, outcome.models).write_text(json.dumps(asdict(outcome), indent=1) + "\n")
    print(json.dumps(asdict(outcome)), flush=True)


def table() -> str:
    """Markdown out of the results kept so far, in the order of the faults."""
    lines = [
        "| fault | models | clients saw | full service after | left over | memory MiB before, after | date |",
        "|---|---|---|---|---|---|---|",
    ]
    for fault in (*FAULTS.values(), SIGTERM):
        for models in MODELS:
            path = _result(fault.name, models)
            if path.exists():
                lines.append(_row(fault, json.loads(path.read_text())))
    return "\n".join(lines)


def _row(fault: Fault, one: dict[str, Any]) -> str:
    saw = ", ".join(f"{count} × {kind}" for kind, count in sorted(one["counts"].items()))
    back = "" if fault is SIGTERM else "not within the limit"
    if one["full_service_s"] is not None:
        back = f"{one['full_service_s']:.0f} s"
    title = ("" if one["passed"] else "**missed:** ") + fault.title + (f" ({one['note']})" if one["note"] else "")
    memory = ", ".join(map(str, one["memory_mib"]))
    return f"| {title} | {one['models']} | {saw} | {back} | {len(one['left'])} | {memory} | {one['when'][:10]} |"


def _result(fault: str, models: str) -> Path:
    return RESULTS / f"{fault}-{models}.json"


def write_table(path: Path) -> None:
    """Replace what stands between the two marks."""
    text = path.read_text()
    head, rest = text.split(START)
    path.write_text(f"{head}{START}\n{table()}\n{END}{rest.split(END)[1]}")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=sorted(FAULTS), help="this fault; may be repeated")
    parser.add_argument("--models", choices=MODELS, default="tiny")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--page", type=Path, help="put the table of all kept results into this page at the end")
    parser.add_argument("--kept", action="store_true", help="run nothing")
    options = parser.parse_args(arguments)
    missed = [] if options.kept else run([FAULTS[name] for name in options.only or FAULTS], options)
    if options.page:
        write_table(options.page)
    print(f"missed: {', '.join(missed) or 'none'}", file=sys.stderr)
    return 1 if missed else 0


def run(chosen: Sequence[Fault], options: argparse.Namespace) -> list[str]:
    """The names of those that did not pass. Faults that need a surrounding of their own get a service each."""
    together = [fault for fault in chosen if not fault.prepare]
    outcomes: list[Outcome] = []
    for group in ([together] if together else []) + [[fault] for fault in chosen if fault.prepare]:
        print(", ".join(fault.name for fault in group), "…", file=sys.stderr, flush=True)
        outcomes += asyncio.run(Session(group, options.models, options.clients, keep=save).run())
    return [outcome.fault for outcome in outcomes if not outcome.passed]


if __name__ == "__main__":
    sys.exit(main())
