"""An application that breaks with what it was sent in its errors' messages, behind the real proxy.

What goes wrong is chosen by `document_id`: "500" breaks the gateway itself, "503" the reasoner's retrieval, "wait"
keeps a slot until the caller hangs up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from ray import serve
from ray.serve import Application
from ray.serve.handle import DeploymentHandle

from codeserve import tracing
from codeserve.api import schemas
from codeserve.api.metrics import Metrics
from codeserve.api.service import Readiness
from codeserve.config import AppSettings, TracingSettings, load_settings
from codeserve.deployments.gateway import Stages
from codeserve.deployments.gathering import Gathered
from codeserve.deployments.reasoner import Reasoner, TimedSearch
from codeserve.figures.families import Report
from codeserve.figures.reasoner import ReasonerFigures
from codeserve.reasoning.questions import Candidate, Question, System
from codeserve.reasoning.reasoner import Reasoner as Reasoning
from codeserve.timings import Timings


class Broken:
    def search(self, questions: Sequence[Question], *_: object) -> list[tuple[Candidate, ...]]:
        raise ValueError(f"cannot search for {questions[0].context}")


@serve.deployment(name="Reasoner", max_ongoing_requests=16, ray_actor_options={"num_cpus": 0.1})
class BrokenReasoner(Reasoner.func_or_class):
    def __init__(self, traced: dict[str, Any]) -> None:
        tracing.start(TracingSettings.model_validate(traced), "Reasoner", "r")
        self._version, self._figures = "v", ReasonerFigures()
        self._reasoner = Reasoning(TimedSearch(Broken(), self._figures.took), None, None, None)

    def check_health(self) -> None: ...

    def record_autoscaling_stats(self) -> dict[str, float]:
        return {}

    def __del__(self) -> None:
        tracing.stop()


class Service:
    """As far as the routes that are asked need one."""

    def __init__(self, stages: Stages, settings: AppSettings) -> None:
        self._stages, self._settings = stages, settings

    async def extract(
        self, request: schemas.ExtractRequest, *, request_id: str, deadline: float
    ) -> tuple[schemas.ExtractResponse, Timings]:
        if request.document_id == "500":
            raise ValueError(f"cannot read {request.text}")
        if request.document_id == "wait":
            await asyncio.sleep(600)
        question = Question(0, System.ICD10CM, "knee", context=request.text)
        await self._stages.reason([question], deadline)
        raise AssertionError("the reasoner answered")

    async def ready(self) -> Readiness:
        return Readiness()

    def known_models(self) -> tuple[str, ...]:
        return ()


@serve.deployment(name="Gateway", max_ongoing_requests=64, ray_actor_options={"num_cpus": 0.1})
@serve.ingress()
class BreakingGateway:
    def __init__(self, settings: dict[str, Any], reasoner: DeploymentHandle) -> None:
        self._settings = load_settings(settings)
        tracing.start(self._settings.tracing, "Gateway", "g")
        self._metrics = Metrics()
        self._service = Service(Stages(reasoner, reasoner, "v", self._metrics), self._settings)
        self._gathered = Gathered(self._metrics, {"Reasoner": reasoner})

    def __serve_build_asgi_app__(self) -> Any:
        from codeserve.api.app import create_app

        self._app = create_app(
            self._service,  # type: ignore[arg-type]
            self._settings.gateway,
            metrics=self._metrics,
            figures=self._gathered.page,
            echo_request_id=False,
        )
        return self._app

    async def figures(self) -> Report:
        from codeserve.deployments.gathering import of_replica

        return of_replica(self._metrics)

    async def drain(self, seconds: float, refuse: bool) -> int:
        left: int = await self._app.state.shell.drain.finish(seconds, refuse)
        return left

    def __del__(self) -> None:
        tracing.stop()


def build(args: dict[str, Any]) -> Application:
    settings = load_settings(args)
    reasoner = BrokenReasoner.bind(settings.tracing.model_dump(mode="json"))
    return BreakingGateway.bind(settings.model_dump(mode="json"), reasoner)
