"""Callers that hang up under load: the engine stops working for them, and everybody else is answered."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from typing import Any
from unittest import mock

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from ray import serve

from codeserve.config import home, keep_to_home
from codeserve.deployments.cluster import APP, Cluster, read_config, with_address
from tests.conftest import ROOT, START_S, free_port

pytestmark = pytest.mark.e2e
CALLERS = 24
LEAVING = 8  # of them, a third
SETTLED_S = 20  # an abort reaches the engine's core with its next step


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """The real service in a cluster of this process, so that its replicas can be asked."""
    with mock.patch.dict(os.environ):
        keep_to_home(home())
        running = Cluster(with_address(read_config(ROOT / "serve_config.yaml"), "127.0.0.1", free_port()))
        try:
            running.start()
            running.wait_ready(START_S)
            yield running
        finally:
            running.stop()


def engine_load() -> dict[str, int]:
    """The engine's own counters."""
    found: dict[str, int] = serve.get_deployment_handle("Reasoner", APP).load.remote().result(timeout_s=60)
    return found


def when_idle() -> dict[str, int]:
    """The counters once the engine has nothing left, or as they are when it keeps something too long."""
    until = time.monotonic() + SETTLED_S
    while (load := engine_load())["unfinished"] and time.monotonic() < until:
        time.sleep(0.2)
    return load


def total(cluster: Cluster, name: str, **labels: str) -> float:
    """The sum of a metric over all replicas."""
    page = httpx.get(f"{cluster.url}/metrics", timeout=60, trust_env=False).text
    samples = [one for family in text_string_to_metric_families(page) for one in family.samples if one.name == name]
    assert samples
    return sum(one.value for one in samples if labels.items() <= one.labels.items())


def test_a_third_hangs_up_and_the_rest_is_answered(cluster: Cluster, examples: dict[str, dict[str, Any]]) -> None:
    body = {**examples["cardiology_heart_failure"], "document_id": "d"}
    seen: list[dict[str, int]] = []

    async def stay(http: httpx.AsyncClient) -> int:
        return (await http.post("/v1/extract-codes", json=body, timeout=300)).status_code

    async def leave(http: httpx.AsyncClient) -> int:
        try:
            return (await http.post("/v1/extract-codes", json=body, timeout=2)).status_code
        except httpx.ReadTimeout:
            return 499

    async def load() -> tuple[list[int], list[int]]:
        async with httpx.AsyncClient(base_url=cluster.url, trust_env=False) as http:
            callers = [leave(http) if n % 3 == 0 else stay(http) for n in range(CALLERS)]
            answering = [asyncio.ensure_future(caller) for caller in callers]
            await asyncio.sleep(1.5)
            seen.append(await asyncio.to_thread(engine_load))
            statuses = await asyncio.gather(*answering)
        return [s for n, s in enumerate(statuses) if n % 3], [s for n, s in enumerate(statuses) if n % 3 == 0]

    before = engine_load()
    stayed, left = asyncio.run(load())
    assert stayed == [200] * (CALLERS - LEAVING)
    gone = left.count(499)
    assert gone >= LEAVING // 2, "the load was too light to hang up under"
    assert seen[0]["unfinished"] > 0
    # One note more: the scheduler tells its counts at each step, and says nothing while it has nothing to do.
    assert httpx.post(f"{cluster.url}/v1/extract-codes", json=body, timeout=300, trust_env=False).status_code == 200
    after = engine_load()
    assert after["aborted"] > before["aborted"]
    assert (after["unfinished"], after["running"], after["waiting"]) == (0, 0, 0)
    assert total(cluster, "codeserve_slots_held") == 0
    assert total(cluster, "codeserve_requests_total", route="/v1/extract-codes", status="499") == gone


def test_work_past_its_deadline_is_aborted_in_the_engine(cluster: Cluster, examples: dict[str, dict[str, Any]]) -> None:
    body = {**examples["cardiology_heart_failure"], "document_id": "d"}

    async def load() -> list[httpx.Response]:
        async with httpx.AsyncClient(base_url=cluster.url, trust_env=False, timeout=300) as http:
            late = {"X-Request-Timeout-Ms": "700"}
            return await asyncio.gather(*(http.post("/v1/extract-codes", json=body, headers=late) for _ in range(12)))

    before = engine_load()
    statuses = [response.status_code for response in asyncio.run(load())]
    assert set(statuses) <= {200, 504}
    assert statuses.count(504) > 6
    after = when_idle()
    assert after["aborted"] > before["aborted"]
    assert after["unfinished"] == 0
