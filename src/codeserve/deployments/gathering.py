"""The figures of all replicas of this application, fetched by the gateway that is asked for them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Gauge
from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle

from codeserve.figures.families import Common, Report, page, report

GATEWAY = "Gateway"
LIMIT_S = 2.0  # below any usual scrape timeout (10 s)


def of_replica(figures: Common) -> Report:
    """Of the replica that calls it."""
    context = serve.get_replica_context()
    return report(figures.registry, context.deployment, context.replica_id.unique_id)


class Gathered:
    """One page for one scrape. A deployment that does not answer in time is left out, and
    `codeserve_deployment_silent` says so."""

    def __init__(self, own: Common, others: Mapping[str, DeploymentHandle]) -> None:
        self._own = own
        self._others = others
        self.overview = CollectorRegistry()
        self._replicas = Gauge(
            "codeserve_replicas", "Replicas by state, as Ray Serve says", ["of", "state"], registry=self.overview
        )
        self._silent = Gauge(
            "codeserve_deployment_silent",
            "1 where a deployment's figures are missing here",
            ["of"],
            registry=self.overview,
        )

    async def page(self) -> bytes:
        context = serve.get_replica_context()
        handles = {**self._others, GATEWAY: serve.get_deployment_handle(GATEWAY, context.app_name)}
        found, _ = await asyncio.gather(
            asyncio.gather(*(self._ask(name, handle) for name, handle in handles.items())),
            self._count(context.app_name),
        )
        own = of_replica(self._own)
        overview = report(self.overview, GATEWAY, own.replica, process=False)
        others = [one for reports in found for one in reports if one.replica != own.replica]
        return page([own, overview, *others])

    async def _ask(self, name: str, handle: DeploymentHandle) -> list[Report]:
        try:
            reports: list[Report] = await handle.broadcast("figures").results_async(timeout_s=LIMIT_S)
        except Exception:  # over gRPC what a replica raises arrives as it is
            reports = []
        self._silent.labels(name).set(not reports)
        return reports

    async def _count(self, application: str) -> None:
        """Nothing where the controller does not answer in time."""
        try:
            async with asyncio.timeout(LIMIT_S):
                deployments: Mapping[str, Any] = (
                    (await asyncio.to_thread(serve.status)).applications[application].deployments
                )
        except (RayError, RayServeException, TimeoutError, KeyError):
            return
        self._replicas.clear()
        for name, one in deployments.items():
            for state in ("STARTING", "RUNNING", "UPDATING", "STOPPING", "PENDING_MIGRATION"):
                self._replicas.labels(name, state.lower()).set(one.replica_states.get(state, 0))
