#!/usr/bin/env python
"""Reasoners go up with a step of load and down after it, with real replicas of a tiny LLM, and no request fails.

    python -m benchmarks.autoscaling --out runs/autoscaling.json

Two clients, then sixteen until a second reasoner answers, then two until one is left again. Exits with 1 where a
request failed or the replicas did not go up and down.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import time
from collections import Counter
from collections.abc import Callable
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from rich.console import Console

from benchmarks.clients import Clients, Seen, bodies
from benchmarks.processes import ENGINE, REASONER, ROOT, Running, running
from benchmarks.tiny import make_reasoner

FEW, MANY = 2, 16
CALM_S, LIMIT_S, AFTER_S = 10.0, 240.0, 10.0
# Quick to decide, so that a run takes minutes; the shipped configuration waits longer before it takes a replica away.
SCALING = {
    "min_replicas": 1,
    "max_replicas": 2,
    "target_ongoing_requests": 4,
    "upscale_delay_s": 2,
    "downscale_delay_s": 10,
    "look_back_period_s": 5,
    "policy": {
        "policy_function": "codeserve.deployments.autoscaling:ReasonerPolicy",
        "policy_kwargs": {"tokens_per_replica": 4096, "first_token_s": 2.0, "stale_s": 30},
    },
}
QUICK = {  # how often replicas and handles report
    "RAY_SERVE_REPLICA_AUTOSCALING_METRIC_PUSH_INTERVAL_S": "1",
    "RAY_SERVE_HANDLE_AUTOSCALING_METRIC_PUSH_INTERVAL_S": "1",
}
console = Console()


def configuration(folder: Path) -> Path:
    """The shipped configuration with a tiny LLM that is asked every question, and reasoners that scale."""
    config = yaml.safe_load((ROOT / "serve_config.yaml").read_text())
    application = config["applications"][0]
    application["args"]["model_set"]["reasoner"] |= {"model": str(make_reasoner(folder / "llm")), "gate": False}
    for deployment in application["deployments"]:
        if deployment["name"] == "Reasoner":
            del deployment["num_replicas"]
            deployment["autoscaling_config"] = SCALING
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


async def until(true: Callable[[], bool], limit_s: float) -> float | None:
    """Seconds until it holds, or None where it does not within the limit."""
    begun = time.monotonic()
    while time.monotonic() - begun < limit_s:
        if await asyncio.to_thread(true):
            return round(time.monotonic() - begun, 1)
        await asyncio.sleep(0.5)
    return None


async def phase(
    service: Running, clients: int, true: Callable[[], bool], limit_s: float
) -> tuple[float | None, list[Seen]]:
    async with Clients(service.url, bodies(), clients) as load:
        took = await until(true, limit_s)
        await asyncio.sleep(AFTER_S)
    return took, load.seen


async def step(service: Running) -> dict[str, Any]:
    def reasoners(count: int) -> Callable[[], bool]:
        # A replica counts once its engine is there, and is gone once both are.
        return lambda: {len(service.find(REASONER)), len(service.find(ENGINE))} == {count}

    _, calm = await phase(service, FEW, lambda: True, CALM_S)
    up, busy = await phase(service, MANY, reasoners(2), LIMIT_S)
    console.print(f"a second reasoner after {up} s")
    down, after = await phase(service, FEW, reasoners(1), LIMIT_S)
    console.print(f"one reasoner again after {down} s")
    seen = Counter(one.kind for one in (*calm, *busy, *after))
    return {"up_s": up, "down_s": down, "answers": dict(seen), "orphans": service.orphans()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="write the result as JSON")
    args = parser.parse_args()
    with TemporaryDirectory() as folder:
        config = configuration(Path(folder))
        with running(config, Path(folder) / "log", **QUICK) as service:
            found = asyncio.run(step(service))
    found |= {"machine": f"{os.cpu_count()} cores, {platform.machine()}", "when": str(date.today()), "scaling": SCALING}
    console.print(found)
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(found, indent=2))
    if found["up_s"] is None or found["down_s"] is None or set(found["answers"]) != {"200"} or found["orphans"]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
