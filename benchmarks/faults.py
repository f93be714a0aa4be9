#!/usr/bin/env python
"""What clients see when parts of the service die, hang or run out of something.

    python -m benchmarks.faults   # all of them with a tiny LLM
    python -m benchmarks.faults --only kill-reasoner-ten --models embedded
    python -m benchmarks.faults --table docs/operations.md       # the table out of the results kept so far

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
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from benchmarks.causes import FAULTS, Fault, Stage
from benchmarks.clients import Answer, Body, Clients, Seen, bodies, judge, one_by_one
from benchmarks.processes import ENGINE, ROOT, Running, running
from benchmarks.tiny import make_reasoner

ALLOWED = {"200", "503", "429"}
WARM_S, CALM_S, LIMIT_S = 6.0, 6.0, 240.0
RESULTS = ROOT / "benchmarks" / "results" / "faults"
START, END = "<!-- faults: begin -->", "<!-- faults: end -->"


@dataclass(frozen=True, slots=True)
class Outcome:
    """`full_service_s`: from the fault until the last answer that was not a right 200 had ended and every stage was
    ready again. Memory in MiB, of all processes, pages shared with others left out."""

    fault: str
    models: str
    passed: bool
    counts: dict[str, int]
    full_service_s: float | None
    orphans: list[str]
    engines: int
    memory_before_mib: float
    memory_after_mib: float
    when: str
    machine: str
    note: str = ""
    exit_code: int | None = None
    left_after_stop: int = 0


def configuration(folder: Path, model: str, name: str = "faults-a") -> Path:
    """serve_config.yaml with a reasoner of our own; a short stall, so that a run does not take long."""
    config = yaml.safe_load((ROOT / "serve_config.yaml").read_text())
    model_set = config["applications"][0]["args"]["model_set"]
    model_set["name"] = name
    model_set["reasoner"].update(model=model)
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


async def session(faults: Sequence[Fault], models: str, clients: int) -> list[Outcome]:
    """One service, one fault after the other; then it is stopped."""
    with TemporaryDirectory(prefix="codeserve-faults-") as name, ExitStack() as stack:
        folder = Path(name)
        model = "embedded" if models == "embedded" else str(make_reasoner(folder / "llm"))
        stage = Stage(folder, model, lambda m, n: configuration(folder, m, n))
        environment: dict[str, str] = {}
        for fault in faults:
            environment |= fault.prepare(stage, stack) if fault.prepare else {}
        stage.service = stack.enter_context(running(configuration(folder, model), folder / "log", **environment))
        asked = [*bodies(), *(body for fault in faults for body in fault.bodies())]
        expected = {"faults-a": await asyncio.to_thread(one_by_one, stage.service.url, asked)}
        outcomes = [await trial(fault, stage, asked, expected, models, clients) for fault in faults]
        code = await asyncio.to_thread(stage.service.stop)
        left = len(stage.service.all())
    clean = code == 0 and not left
    return [replace(one, exit_code=code, left_after_stop=left, passed=one.passed and clean) for one in outcomes]


async def trial(
    fault: Fault, stage: Stage, asked: list[Body], expected: dict[str, dict[str, Answer]], models: str, clients: int
) -> Outcome:
    """One fault under load, until the service is whole again."""
    service = stage.service
    async with Clients(service.url, asked, clients, fault.fresh_connections) as load:
        await asyncio.sleep(WARM_S)
        before, begun = service.memory_mib(), time.monotonic()
        note = await fault.act(stage) or ""
        back = await full_service(service, load, begun)
    if fault.another_model:
        expected[fault.another_model] = stage.answers
    counts = judge(load.seen, expected)
    orphans, engines = service.orphans(), len(service.find(ENGINE))
    allowed = set(counts) <= ALLOWED | fault.also_allowed
    outcome = Outcome(
        fault=fault.name,
        models=models,
        passed=allowed and back is not None and not orphans and engines == 1,
        counts=dict(counts),
        full_service_s=back,
        orphans=orphans,
        engines=engines,
        memory_before_mib=round(before),
        memory_after_mib=round(service.memory_mib()),
        when=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=machine(),
        note=note,
    )
    save(outcome)
    print(json.dumps(asdict(outcome)), flush=True)
    return outcome


async def full_service(service: Running, load: Clients, begun: float) -> float | None:
    """Seconds since `begun`; none where the service is not whole again within the limit."""
    ready_at: float | None = None
    while (now := time.monotonic()) - begun < LIMIT_S:
        ready_at = (ready_at or now) if await asyncio.to_thread(service.ready) else None
        if ready_at is not None:
            last = max([ready_at, *(one.ended for one in load.seen if one.ended > begun and not right(one))])
            answered = sum(one.begun > last and right(one) for one in load.seen)
            if now - last > CALM_S and answered >= load.count:
                return round(last - begun, 1)
        await asyncio.sleep(0.5)
    return None


def right(one: Seen) -> bool:
    return one.kind == "200"


def machine() -> str:
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"


def save(outcome: Outcome) -> None:
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{outcome.fault}.json").write_text(json.dumps(asdict(outcome), indent=1) + "\n")


def table() -> str:
    """Markdown out of the results kept so far, in the order of the faults."""
    lines = [
        "| fault | models | clients saw | full service after | left over | memory MiB before, after | date |",
        "|---|---|---|---|---|---|---|",
    ]
    for fault in FAULTS.values():
        path = RESULTS / f"{fault.name}.json"
        if not path.exists():
            continue
        one = json.loads(path.read_text())
        saw = ", ".join(f"{count} × {kind}" for kind, count in sorted(one["counts"].items()))
        back = "not within the limit" if one["full_service_s"] is None else f"{one['full_service_s']:.0f} s"
        left = len(one["orphans"]) + one["left_after_stop"]
        mark = "" if one["passed"] else " **missed**"
        memory = f"{one['memory_before_mib']}, {one['memory_after_mib']}"
        title = fault.title + (f" ({one['note']})" if one["note"] else "")
        lines.append(f"| {title}{mark} | {one['models']} | {saw} | {back} | {left} | {memory} | {one['when'][:10]} |")
    return "\n".join(lines)


def write_table(path: Path) -> None:
    """Replace what stands between the two marks."""
    text = path.read_text()
    head, rest = text.split(START)
    path.write_text(f"{head}{START}\n{table()}\n{END}{rest.split(END)[1]}")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=sorted(FAULTS), help="this fault; may be repeated")
    parser.add_argument("--models", choices=("tiny", "embedded"), default="tiny")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--table", type=Path, help="write the table of kept results into this page, run nothing")
    options = parser.parse_args(arguments)
    if options.table:
        write_table(options.table)
        return 0
    chosen = [FAULTS[name] for name in options.only or FAULTS]
    together = [fault for fault in chosen if not fault.prepare]
    outcomes = []
    for group in ([together] if together else []) + [[fault] for fault in chosen if fault.prepare]:
        print(", ".join(fault.name for fault in group), "…", file=sys.stderr, flush=True)
        outcomes += asyncio.run(session(group, options.models, options.clients))
    for outcome in outcomes:
        save(outcome)
    missed = [outcome.fault for outcome in outcomes if not outcome.passed]
    print(f"missed: {', '.join(missed) or 'none'}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
