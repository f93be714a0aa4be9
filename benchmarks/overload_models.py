#!/usr/bin/env python
"""Too much to do for the whole service with its real models: three times what it can do, and callers that hang up.

    python -m benchmarks.overload_models --seconds 60 --out benchmarks/results/overload-embedded.json

The example notes come open loop over loopback from a generator on the same cores. Good means answered within the
10 s of the service level objective (observability/alerts.yaml).
"""

from __future__ import annotations

import argparse
import asyncio
import math
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console

from benchmarks.arrivals import LEFT, Load, Seen, machine, resident, table, write
from benchmarks.clients import bodies
from benchmarks.processes import ROOT, running
from codeserve.config import AdmissionSettings
from codeserve.deployments.cluster import read_config, settings_of

GOOD_WITHIN_S = 10.0
TIMES = 3  # the overload
LEAVING = 0.3  # the share of those who hang up
BUSY = 0.8  # of the capacity, while they do
REST_S = 20.0  # until the engine has dropped what nobody waits for
COUNTERS = {
    "engine_aborted": ("codeserve_engine_aborted_total", {}),
    "engine_unfinished": ("codeserve_engine_requests", {"state": "unfinished"}),
    "slots_held": ("codeserve_slots_held", {}),
}
console = Console()


async def counters(url: str) -> dict[str, float]:
    """The engine's and the gate's own, of all replicas."""
    async with aiohttp.ClientSession() as http, http.get(f"{url}/metrics") as answer:
        page = await answer.text()
    samples = [sample for family in text_string_to_metric_families(page) for sample in family.samples]
    return {
        key: sum(one.value for one in samples if one.name == name and labels.items() <= one.labels.items())
        for key, (name, labels) in COUNTERS.items()
    }


async def at_rest(url: str) -> dict[str, float]:
    """The counters once nothing is inside; after `REST_S` as they are then."""
    until = time.perf_counter() + REST_S
    while True:
        now = await counters(url)
        if not (now["engine_unfinished"] or now["slots_held"]) or time.perf_counter() > until:
            return now
        await asyncio.sleep(0.5)


async def scenarios(url: str, clients: int, seconds: float) -> dict[str, Any]:
    """`clients` keep every slot and place in line taken. Saturated before and after the flood: others may use the
    machine."""
    result: dict[str, Any] = {}
    notes = bodies()
    async with Load(f"{url}/v1/extract-codes", notes, GOOD_WITHIN_S, math.inf) as load:
        for _ in notes:  # warm-up: in a longer run the prefix cache knows them all
            await load.one(Seen(GOOD_WITHIN_S))
        idle = await load.saturate(1, seconds / 3)
        load.idle_s = idle.took(200)[-1]
        result["idle"] = idle.summary(seconds / 3)

        result["saturated"] = (await load.saturate(clients, seconds)).summary(seconds)
        capacity = result["saturated"]["answered_per_s"]
        memory = resident()
        flood = (await load.offer(TIMES * capacity, seconds)).summary(seconds)
        recovered, grown = await load.recover(), resident()
        result["saturated_again"] = (await load.saturate(clients, seconds)).summary(seconds)
        saturated = (result["saturated"]["good_per_s"] + result["saturated_again"]["good_per_s"]) / 2
        result["overload"] = {
            **flood,
            "times_capacity": TIMES,
            "goodput_of_saturated": round(flood["good_per_s"] / saturated, 3) if saturated else None,
            "recovered_s": round(recovered, 2),
            "resident_mib": {"before": memory, "after": grown},
        }

        counted = await at_rest(url)
        leave_after = idle.took(200)[len(idle.calls) // 2]
        stayed, left = await load.hang_up(BUSY * capacity, seconds, LEAVING, leave_after)
        rest = await at_rest(url)
        result["hang_up"] = {
            "stayed": stayed.summary(seconds),
            "left": left.summary(seconds),
            "left_after_s": round(leave_after, 3),
            "hung_up": sum(status == LEFT for *_, status in left.calls),
            "stayed_answered_in_time": round(stayed.good() / len(stayed.calls), 3),
            "counters": {**rest, "engine_aborted": rest["engine_aborted"] - counted["engine_aborted"]},
        }
    return result


def show(result: dict[str, Any]) -> None:
    console.print(table(result))
    told, hung = result["overload"], result["hang_up"]
    console.print(
        f"At {TIMES} times the capacity: goodput {told['goodput_of_saturated']} of saturated, recovered in "
        f"{told['recovered_s']} s, resident MiB {told['resident_mib']}. {hung['hung_up']} hung up after "
        f"{hung['left_after_s']} s: {hung['stayed_answered_in_time']} of those who stayed were answered in time; "
        f"{hung['counters']}. {result['machine']}"
    )


def room(admission: AdmissionSettings, slots: int) -> int:
    """Callers without a key that fill every slot and their half of the line."""
    return slots + admission.max_waiting // 2


def main(arguments: Sequence[str] | None = None) -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=60, help="of each scenario")
    options.add_argument("--config", type=Path, default=ROOT / "serve_config.yaml")
    options.add_argument("--out", type=Path, help="JSON")
    told = options.parse_args(arguments)
    gateway = settings_of(read_config(told.config)).gateway
    clients = room(gateway.admission, gateway.max_in_flight)
    with (
        console.status(f"Starts, then takes some {5 * told.seconds:.0f} s …"),
        TemporaryDirectory(prefix="codeserve-overload-") as folder,
        running(told.config, Path(folder) / "log") as service,
    ):
        result = asyncio.run(scenarios(service.url, clients, told.seconds))
    result["machine"] = machine()
    result["settings"] = {"clients": clients, "good_within_s": GOOD_WITHIN_S, "seconds": told.seconds}
    show(result)
    if told.out:
        write(result, told.out)


if __name__ == "__main__":
    main()
