"""The Gateway replica: the HTTP application over the coding service, with the other two deployments as its stages."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.trace import SpanKind
from ray import serve
from ray.serve.handle import DeploymentHandle

from codeserve import tracing
from codeserve.api.metrics import Metrics
from codeserve.config import home, keep_to_home, load_settings
from codeserve.deadlines import seconds_left, within
from codeserve.deployments import status
from codeserve.deployments.calls import call
from codeserve.deployments.gathering import Gathered, of_replica
from codeserve.deployments.versions import version_of
from codeserve.errors import CodeserveError, DeadlineExceeded
from codeserve.figures.families import Report
from codeserve.reasoning.questions import Answer, OpenQuestion, Question
from codeserve.tagging.entities import Chunk, Entity

PROBE_TIMEOUT_S = 20


class Stages:
    """The tagger and the reasoner behind their handles. `metrics` is told of calls that are made again or dropped."""

    def __init__(self, tagger: DeploymentHandle, reasoner: DeploymentHandle, version: str, metrics: Metrics) -> None:
        self._tagger = tagger
        self._reasoner = reasoner
        self._version = version
        self._metrics = metrics

    async def tag(self, text: str, chunks: Sequence[Chunk], deadline: float) -> list[tuple[Entity, ...]]:
        if not chunks:
            return []
        sizes = {tracing.CHARACTERS: len(text), tracing.CHUNKS: len(chunks)}
        return await self._call("EntityTagger", "tag", self._tagger.tag, deadline, sizes, text, chunks)

    async def reason(self, questions: Sequence[Question], deadline: float, quick: bool = False) -> tuple[Answer, ...]:
        if not questions:
            return ()
        sizes = {tracing.QUESTIONS: len(questions)}
        return await self._call("Reasoner", "answer", self._reasoner.answer, deadline, sizes, questions, quick)

    async def judge(self, questions: Sequence[OpenQuestion], deadline: float) -> tuple[float, ...]:
        sizes = {tracing.QUESTIONS: len(questions)}
        return await self._call("Reasoner", "judge", self._reasoner.judge, deadline, sizes, questions)

    async def _call(
        self, stage: str, what: str, method: Any, deadline: float, sizes: Mapping[str, int], *args: Any
    ) -> Any:
        with tracing.span(f"{stage}/{what}", kind=SpanKind.CLIENT) as span:
            span.set_attributes(sizes)

            def retried(stage: str) -> None:
                span.set_attribute(tracing.RETRIED, True)
                self._metrics.retried(stage)

            try:
                left = seconds_left(deadline)
                async with within(left, stage):
                    return await call(stage, method, self._version, *args, left, tracing.traceparent(), retried=retried)
            except DeadlineExceeded:
                self._metrics.late(stage)
                raise

    async def missing(self) -> dict[str, str]:
        """The stages that have no replica, or do not answer a probe in time, and why."""
        application = serve.get_replica_context().app_name
        deployments = (await asyncio.to_thread(serve.status)).applications[application].deployments
        stages = {"EntityTagger": self._tagger.probe, "Reasoner": self._reasoner.probe}
        reasons = await asyncio.gather(*(self._why(name, deployments[name], probe) for name, probe in stages.items()))
        return {name: reason for name, reason in zip(stages, reasons, strict=True) if reason}

    async def _why(self, name: str, overview: status.Overview, probe: Any) -> str:
        """Empty where the stage answers."""
        if not status.runs(overview):
            return status.why(overview)
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                await call(name, probe, self._version)
        except CodeserveError as error:
            return error.detail
        except TimeoutError:
            return f"no answer within {PROBE_TIMEOUT_S} s"
        return ""


@serve.deployment(
    name="Gateway",
    max_ongoing_requests=256,
    max_surge_percent=100,
    graceful_shutdown_timeout_s=30,
    ray_actor_options={"num_cpus": 0.2},
)
@serve.ingress()
class Gateway:
    def __init__(self, settings: dict[str, Any], tagger: DeploymentHandle, reasoner: DeploymentHandle) -> None:
        keep_to_home(home())
        from codeserve.service import CodingService, load_knowledge

        self._settings = load_settings(settings)
        tracing.start(self._settings.tracing, "Gateway", serve.get_replica_context().replica_id.unique_id)
        self._metrics = Metrics()
        version = version_of(self._settings.model_set)
        stages = Stages(tagger, reasoner, version, self._metrics)
        self._gathered = Gathered(self._metrics, {"EntityTagger": tagger, "Reasoner": reasoner})
        self._service = CodingService(load_knowledge(self._settings), self._settings.model_set, stages)
        self._metrics.serves(self._service.models())

    def __serve_build_asgi_app__(self) -> Any:
        from codeserve.api.app import create_app

        # Serve's proxy puts the request id on the answer itself.
        self._app = create_app(
            self._service,
            self._settings.gateway,
            metrics=self._metrics,
            figures=self._gathered.page,
            echo_request_id=False,
            callers=self._settings.access,
            stored=self._stored(),
        )
        return self._app

    def _stored(self) -> Any:
        if self._settings.storage is None:
            return None
        from codeserve.api.stored import open_stored

        return open_stored(self._settings)

    async def figures(self) -> Report:
        """For /metrics of another gateway."""
        return of_replica(self._metrics)

    async def drain(self, seconds: float, refuse: bool) -> int:
        """Finish what is inside, and with `refuse` take no more; how many notes are left after `seconds`."""
        left: int = await self._app.state.shell.drain.finish(seconds, refuse)
        return left

    def __del__(self) -> None:
        tracing.stop()
