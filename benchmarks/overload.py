#!/usr/bin/env python
"""What the gateway does when there is too much to do: the real proxy and gateway before stub models of known capacity.

    python -m benchmarks.overload --seconds 60 --out runs/overload.json

Open-loop Poisson arrivals over loopback, at several times the capacity of the stub. The load generator shares the
cores; above some 300 requests a second it is what limits. Answers count as good within `SLO` times the stub's time.
`benchmarks/overload_models.py` does it with the real models.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import re
import socket
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import ray
from ray import serve
from ray.exceptions import RayActorError
from rich.console import Console

from benchmarks.arrivals import Load, machine, resident, table, write
from codeserve.api.app import create_app
from codeserve.api.auth import ENVIRONMENT, create_key
from codeserve.api.metrics import Metrics
from codeserve.api.schemas_checks import ValidateRequest, ValidateResponse
from codeserve.config import GatewaySettings
from codeserve.deadlines import within
from codeserve.deployments.gateway import Stages
from codeserve.pipeline import Timings
from codeserve.tagging.entities import Chunk

APP = "overload"
SLOTS = 8
SERVICE_S = 0.8
CAPACITY = SLOTS / SERVICE_S
SLO = 4
TIMES = 10  # the overload
REST_S = 15.0  # the tally is told without waiting: on a busy machine it hears late
KEYS = ("noisy", "quiet")
BODY = {"text": "Assessment: gout. " * 100, "diagnosis_codes": [{"code": "M10.9"}]}
console = Console()


@serve.deployment(name="EntityTagger", max_ongoing_requests=64, ray_actor_options={"num_cpus": 0.1})
class StubTagger:
    async def tag(self, version: str, text: str, chunks: Sequence[Chunk], seconds: float, *_: Any) -> list[tuple]:
        return [() for _ in chunks]


@ray.remote(num_cpus=0)
class Tally:
    """What all replicas of the stub have begun, done, and been stopped in."""

    def __init__(self) -> None:
        self._counts = Counter(begun=0, done=0, cancelled=0)

    def add(self, what: str) -> None:
        self._counts[what] += 1

    def counts(self) -> dict[str, int]:
        return dict(self._counts)


@serve.deployment(name="Reasoner", num_replicas=2, max_ongoing_requests=64, ray_actor_options={"num_cpus": 0.1})
class StubReasoner:
    """`SERVICE_S` a note; how many at once is the gateway's to limit."""

    def __init__(self, tally: Any) -> None:
        self._tally = tally

    async def answer(self, version: str, questions: Sequence[Any], quick: bool, seconds: float, *_: Any) -> tuple:
        self._tally.add.remote("begun")
        try:
            async with within(seconds, "the reasoner"):
                await asyncio.sleep(SERVICE_S)
        except BaseException:
            self._tally.add.remote("cancelled")
            raise
        self._tally.add.remote("done")
        return ()

    async def die(self) -> None:
        os._exit(1)


class StubService:
    """One call to each stage, as a note makes them."""

    def __init__(self, stages: Stages) -> None:
        self._stages = stages

    async def validate(self, request: ValidateRequest, deadline: float) -> tuple[ValidateResponse, Timings]:
        await self._stages.tag(request.text or "", [Chunk((1,), ())], deadline)
        await self._stages.reason([None], deadline)
        return ValidateResponse(findings=[], tables=[], lines=[]), Timings()


@serve.deployment(name="Gateway", max_ongoing_requests=256, ray_actor_options={"num_cpus": 0.1})
@serve.ingress()
class StubGateway:
    def __init__(self, tagger: Any, reasoner: Any) -> None:
        self._metrics = Metrics()
        self._service = StubService(Stages(tagger, reasoner, "stub", self._metrics))

    def __serve_build_asgi_app__(self) -> Any:
        settings = GatewaySettings(max_in_flight=SLOTS, admission={"max_waiting": 16, "max_waiting_batch": 16})
        return create_app(self._service, settings, metrics=self._metrics, echo_request_id=False)


def kill_a_replica() -> None:
    with suppress(RayActorError):
        serve.get_deployment_handle("Reasoner", APP).die.remote().result(timeout_s=30)


async def retries(url: str) -> float:
    """What the gateway counted."""
    async with aiohttp.ClientSession() as http, http.get(f"{url}/metrics") as answer:
        found = re.search(r'^codeserve_retries_total{stage="Reasoner"} (.+)$', await answer.text(), re.MULTILINE)
    return float(found[1]) if found else 0.0


async def at_rest(tally: Any, before: dict[str, int]) -> dict[str, int]:
    """What the stub did since `before`, once nothing is under way; after `REST_S` as it is then."""
    until = time.perf_counter() + REST_S
    while True:
        since = {name: n - before[name] for name, n in (await tally.counts.remote()).items()}
        if since["begun"] == since["done"] + since["cancelled"] or time.perf_counter() > until:
            return since
        await asyncio.sleep(0.2)


async def scenarios(url: str, secrets: dict[str, str], tally: Any, seconds: float) -> dict[str, Any]:
    result: dict[str, Any] = {}
    async with Load(f"{url}/v1/validate-codes", [BODY], SLO * SERVICE_S, SERVICE_S, secrets) as load:
        await load.offer(CAPACITY / 2, 3)  # warm-up
        result["idle"] = (await load.saturate(1, seconds / 4)).summary(seconds / 4)
        # As many clients as there are slots and places in line keep every slot busy.
        full = (await load.saturate(SLOTS + 8, seconds)).summary(seconds)
        result["saturated"] = full

        before = resident()
        flood = (await load.offer(TIMES * CAPACITY, seconds)).summary(seconds)
        result["overload"] = {
            **flood,
            "times_capacity": TIMES,
            "goodput_of_capacity": round(flood["good_per_s"] / CAPACITY, 3),
            "goodput_of_saturated": round(flood["good_per_s"] / full["good_per_s"], 3),
            "recovered_s": round(await load.recover(), 2),
            "resident_mib": {"before": before, "after": resident()},
        }

        share = CAPACITY / 4  # half of what is fair beside one other key
        alone = await load.offer(share, seconds)
        quiet, noisy = await asyncio.gather(load.offer(share, seconds), load.offer(TIMES * CAPACITY, seconds, "noisy"))
        result["two_keys"] = {
            "quiet_alone": alone.summary(seconds),
            "quiet_beside_noisy": quiet.summary(seconds),
            "noisy": noisy.summary(seconds),
            "quiet_answered_of_sent": round(quiet.good() / len(quiet.calls), 3),
        }

        interactive, batch = await asyncio.gather(
            load.offer(share, seconds),
            load.offer(TIMES * CAPACITY / 2, seconds, "noisy", **{"X-Priority": "batch"}),
        )
        result["batch_flood"] = {"interactive": interactive.summary(seconds), "batch": batch.summary(seconds)}

        counted = await tally.counts.remote()
        stayed, left = await load.hang_up(0.9 * CAPACITY, seconds, 0.3, SERVICE_S / 2)
        after = await at_rest(tally, counted)
        result["hang_up"] = {"stayed": stayed.summary(seconds), "left": left.summary(seconds), "stage": after}

        again = await retries(url)
        dying, _ = await asyncio.gather(
            load.offer(CAPACITY / 2, seconds), asyncio.to_thread(lambda: (time.sleep(seconds / 4), kill_a_replica()))
        )
        result["replica_dies"] = {**dying.summary(seconds), "made_again": await retries(url) - again}
    return result


def start() -> tuple[str, dict[str, str], Any]:
    made = {name: create_key(name) for name in KEYS}
    os.environ[ENVIRONMENT] = ",".join(line for _, line in made.values())
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    logging_config = {"enable_access_log": False}
    tally = Tally.remote()
    stages = StubTagger.bind(), StubReasoner.bind(tally)
    serve.run(StubGateway.bind(*stages), name=APP, route_prefix="/", logging_config=logging_config)
    return f"http://127.0.0.1:{port}", {name: secret for name, (secret, _) in made.items()}, tally


def show(result: dict[str, Any]) -> None:
    console.print(table(result))
    told = result["overload"]
    console.print(
        f"At {TIMES} times the capacity of {CAPACITY:g}/s: goodput {told['goodput_of_capacity']} of it, recovered in "
        f"{told['recovered_s']} s, resident MiB {told['resident_mib']}; hung up on: stage "
        f"{result['hang_up']['stage']}; a replica died: {result['replica_dies']['made_again']:g} calls made again"
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=20, help="of each scenario")
    options.add_argument("--out", type=Path, help="JSON")
    told = options.parse_args()
    try:
        url, secrets, tally = start()
        with console.status(f"Seven scenarios of {told.seconds:g} s each …"):
            result = asyncio.run(scenarios(url, secrets, tally, told.seconds))
    finally:
        serve.shutdown()
        ray.shutdown()
    result["machine"] = machine()
    result["settings"] = {"slots": SLOTS, "service_s": SERVICE_S, "capacity_per_s": CAPACITY, "seconds": told.seconds}
    show(result)
    if told.out:
        write(result, told.out)


if __name__ == "__main__":
    main()
