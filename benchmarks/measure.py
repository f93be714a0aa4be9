"""What is measured of each arm. Every arm's raw results are one JSON file of the run's folder."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks import load, notes, results, servers, settings
from benchmarks.arms import codeserve, offline, plain, pooled, replay

LENGTHS = (1_000, 4_000, 16_000, 60_000, 200_000)
STUB_ENGINE_S = 0.8
COMPARED = 60  # notes whose answers are held against the service's
SERVERS: dict[str, Callable[[dict[str, Any], Path], servers.Server]] = {
    "naive": plain.start_naive,
    "two-processes": plain.start_two_processes,
    "codeserve": codeserve.start,
    "no-gate": lambda config, folder: codeserve.start(settings.without_gate(config), folder, "no-gate"),
    "pooled": pooled.start,
    "replay": replay.start,
}
# How many callers saturate an arm: one where it takes one note at a time.
SATURATED = {"naive": 2}


@dataclass(frozen=True, slots=True)
class Plan:
    """Seconds of a block, of its own warm-up and of the arm's; `levels` of the closed loop, `rates` of the open one as
    shares of the most notes a second. Levels and rates are for the service; other arms run saturated."""

    seconds: float = 15.0
    warm_s: float = 3.0
    arm_warm_s: float = 12.0
    repetitions: int = 3
    levels: tuple[int, ...] = (1, 4, 16, 32)
    rates: tuple[float, ...] = (0.25, 0.5, 0.8, 0.95, 1.2)
    saturated: int = 16


SHORT = Plan(seconds=4, warm_s=1, arm_warm_s=3, repetitions=1, levels=(1, 8), rates=(0.5, 0.8), saturated=8)


def arm(name: str, models: str, plan: Plan, folder: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure one arm and write `folder`/raw/NAME.json. Raises SetupError where it does not start."""
    config = settings.configuration(models, folder)
    if name == "offline":
        say("offline: all notes through each phase")
        raw: dict[str, Any] = {"arm": name, "passes": offline.start(config, folder, plan.repetitions)}
    else:
        say(f"{name}: starting")
        server = SERVERS[name](config, folder)
        try:
            raw = _server(server, plan, say)
        finally:
            server.stop()
    file = folder / "raw" / f"{name}.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(raw))
    return raw


def _server(server: servers.Server, plan: Plan, say: Callable[[str], None]) -> dict[str, Any]:
    bodies = notes.bodies()
    callers = SATURATED.get(server.name, plan.saturated)
    say(f"{server.name}: up after {server.startup_s:.0f} s, warm-up")
    load.run(load.Load(server.url, bodies, "closed", callers, plan.arm_warm_s))
    blocks: list[dict[str, Any]] = []

    def run(mode: str, level: float, repetition: int, **more: Any) -> None:
        say(f"{server.name}: {mode} {level:g}, repetition {repetition + 1}")
        job = load.Load(server.url, bodies, mode, level, plan.seconds, plan.warm_s, seed=repetition, **more)
        blocks.append({"mode": mode, "level": level, "repetition": repetition, **measured(server, job)})

    if server.name == "replay":
        watch = {k: v for k, v in server.family().items() if k in results.SERVING}
        for repetition in range(plan.repetitions):
            run("closed", 1, repetition, watch=watch)
    levels = plan.levels if server.name == "codeserve" else (callers,)
    for repetition in range(plan.repetitions):
        for level in levels:
            run("closed", level, repetition)
    if server.name == "codeserve":
        most = results.most(blocks)
        for repetition in range(plan.repetitions):
            for rate in plan.rates:
                run("open", round(rate * most, 3), repetition)
                blocks[-1]["share"] = rate
    answers = load.run(
        load.Load(server.url, bodies if server.name == "codeserve" else bodies[:COMPARED], "once", callers)
    )
    return {
        "arm": server.name,
        "startup_s": server.startup_s,
        "blocks": blocks,
        "memory_mib": server.memory(),
        "answers": {bodies[one["note"]]["document_id"]: json.loads(one["body"]) for one in answers["sent"]},
    }


def measured(server: servers.Server, job: load.Load) -> dict[str, Any]:
    """One block, with the CPU seconds of server, generator and everybody else while it ran."""
    before, busy, begun = server.cpu(), _busy(), time.monotonic()
    seen = load.run(job)
    wall = time.monotonic() - begun
    after = server.cpu()
    used = {kind: after[kind] - before.get(kind, 0.0) for kind in after}
    others = _busy() - busy - sum(used.values()) - seen["cpu_s"]
    return {
        **seen,
        "generator_cpu_s": seen["cpu_s"],
        "server_cpu_s": used,
        "others_cpu_s": max(0.0, others),
        "wall_s": wall,
    }


def growth(models: str, folder: Path, say: Callable[[str], None], lengths: Sequence[int] = LENGTHS) -> dict[str, Any]:
    """One caller, notes of growing length, three times each."""
    server = codeserve.start(settings.configuration(models, folder), folder, "growth")
    rows = []
    try:
        load.run(load.Load(server.url, notes.bodies(), "closed", 2, 5))
        for length in lengths:
            say(f"growth: {length} characters")
            bodies = [notes.of_length(length)] * 3
            seen = measured(server, load.Load(server.url, bodies, "once", 1, timeout_s=400))
            rows.append({"characters": length, **{k: v for k, v in seen.items() if k != "sent"}})
            rows[-1]["sent"] = [{k: v for k, v in one.items() if k != "body"} for one in seen["sent"]]
    finally:
        server.stop()
    return _written(folder, "growth", {"rows": rows})


def replicas(folder: Path, plan: Plan, say: Callable[[str], None]) -> dict[str, Any]:
    """The closed loop of tiny models with more taggers and reasoners, and with more stub engines (what offline.py
    recorded in this folder, given after `STUB_ENGINE_S`): those use no core, so the serving layer is what limits."""
    config = settings.configuration("tiny", folder)
    rows: list[dict[str, Any]] = []
    for taggers, reasoners in ((1, 1), (2, 1), (4, 1), (1, 2)):
        chosen = settings.with_replicas(config, EntityTagger=taggers, Reasoner=reasoners)
        server = codeserve.start(chosen, folder, f"replicas-{taggers}-{reasoners}")
        rows.append({"taggers": taggers, "reasoners": reasoners, **_saturated(server, plan, plan.saturated, say)})
    for engines in (1, 2, 4, 8):
        chosen = settings.with_replicas(config, cpus=0.1, Reasoner=engines)
        server = replay.start(chosen, folder, "engines", STUB_ENGINE_S)
        told = _saturated(server, plan, 2 * replay.ENGINE_SLOTS * engines, say)
        due = engines * replay.ENGINE_SLOTS / STUB_ENGINE_S
        rows.append({"taggers": 1, "stub_engines": engines, "engines_due_per_s": due, **told})
    return _written(folder, "replicas", {"rows": rows})


def _saturated(server: servers.Server, plan: Plan, callers: int, say: Callable[[str], None]) -> dict[str, Any]:
    """A closed loop of so many callers, repeated; stops the server."""
    say(f"{server.name}: {callers} callers")
    try:
        load.run(load.Load(server.url, notes.bodies(), "closed", callers, plan.arm_warm_s))
        blocks = [
            measured(
                server, load.Load(server.url, notes.bodies(), "closed", callers, plan.seconds, plan.warm_s, seed=i)
            )
            for i in range(plan.repetitions)
        ]
        return {"blocks": blocks, "memory_mib": server.memory()}
    finally:
        server.stop()


def soak(models: str, folder: Path, seconds: float, say: Callable[[str], None]) -> dict[str, Any]:
    """A steady open load at half of what two callers get through, with memory by kind of process as time goes."""
    server = codeserve.start(settings.configuration(models, folder), folder, "soak")
    rows = []
    try:
        first = load.run(load.Load(server.url, notes.bodies(), "closed", 2, 15))
        rate = len(first["sent"]) / first["seconds"] / 2
        for part in _parts(seconds, 15.0):
            seen = measured(server, load.Load(server.url, notes.bodies(), "open", rate, part, seed=len(rows)))
            rows.append({**seen, "memory_mib": server.memory(), "level": rate})
            say(f"soak: {sum(row['seconds'] for row in rows):.0f} of {seconds:.0f} s, {server.memory()}")
    finally:
        server.stop()
    return _written(folder, "soak", {"rows": rows})


def _parts(seconds: float, part: float) -> Iterator[float]:
    while seconds > 0:
        yield min(part, seconds)
        seconds -= part


def _written(folder: Path, name: str, raw: dict[str, Any]) -> dict[str, Any]:
    (folder / "raw").mkdir(exist_ok=True)
    (folder / "raw" / f"{name}.json").write_text(json.dumps(raw))
    return raw


def _busy() -> float:
    """CPU seconds that all processes of this machine have used."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0) - times.guest - times.guest_nice)


def machine() -> dict[str, Any]:
    info = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith(("model name", "flags"))]
    flags = next((line.split(":")[1].split() for line in info if line.startswith("flags")), [])
    return {
        "cpu": next((line.split(":")[1].strip() for line in info if line.startswith("model name")), ""),
        "cores": os.cpu_count(),
        "has": [flag for flag in ("avx512_bf16", "amx_bf16") if flag in flags],
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "load_average": os.getloadavg(),
    }
