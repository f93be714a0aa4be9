"""The serving layer alone: the real gateway, proxy, handles and messages, with recorded answers in the models' place.

What its processes use is what framework, transport and JSON cost a note: rules, retrieval and models do not run. With
`engine_s` each reasoner is a stub engine: that many seconds a note, `ENGINE_SLOTS` notes at once, no CPU.
"""

from __future__ import annotations

import asyncio
import os
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ray import serve
from ray.serve import Application
from ray.serve.handle import DeploymentHandle

from benchmarks import servers, settings
from benchmarks.arms import codeserve
from codeserve.api import schemas
from codeserve.config import AppSettings, home, keep_to_home, load_settings
from codeserve.deployments.gateway import Stages
from codeserve.deployments.versions import version_of
from codeserve.pipeline import Timings
from codeserve.reasoning.questions import Answer, Question
from codeserve.service import CodingService, load_knowledge
from codeserve.tagging.entities import Chunk, Entity

RECORD = "CODESERVE_BENCH_RECORD"
ENGINE = "CODESERVE_BENCH_ENGINE_S"
ENGINE_SLOTS = 4


class Replay(CodingService):
    """Sends the stages what a note sent them, and answers with what was answered."""

    def __init__(self, settings: AppSettings, stages: Stages, notes: dict[str, dict[str, Any]]) -> None:
        super().__init__(load_knowledge(settings), settings.model_set, stages)
        self._notes = notes

    async def extract(
        self, request: schemas.ExtractRequest, *, request_id: str, deadline: float
    ) -> tuple[schemas.ExtractResponse, Timings]:
        note = self._notes[request.document_id]
        timings = Timings()
        with timings.stage("tag"):
            await self._stages.tag(note["text"], note["chunks"], deadline)
        with timings.stage("reason"):
            await self._stages.reason(note["questions"], deadline)
        return note["response"], timings


@serve.deployment(name="EntityTagger", ray_actor_options={"num_cpus": 0.2}, max_ongoing_requests=128)
class ReplayTagger:
    def __init__(self, record: str) -> None:
        self._entities = {note["text"]: note["entities"] for note in read(record)}

    async def tag(
        self, version: str, text: str, chunks: Sequence[Chunk], seconds: float, traceparent: str | None
    ) -> list[tuple[Entity, ...]]:
        found: list[tuple[Entity, ...]] = self._entities[text]
        return found

    async def probe(self, version: str) -> str:
        return "ready"


@serve.deployment(name="Reasoner", ray_actor_options={"num_cpus": 0.2}, max_ongoing_requests=128)
class ReplayReasoner:
    def __init__(self, record: str, engine_s: float) -> None:
        self._answers = {note["questions"]: note["answers"] for note in read(record)}
        self._engine_s = engine_s
        self._slots = asyncio.Semaphore(ENGINE_SLOTS)

    async def answer(
        self, version: str, questions: Sequence[Question], quick: bool, seconds: float, traceparent: str | None
    ) -> tuple[Answer, ...]:
        if self._engine_s:
            async with self._slots:
                await asyncio.sleep(self._engine_s)
        found: tuple[Answer, ...] = self._answers[tuple(questions)]
        return found

    async def probe(self, version: str) -> str:
        return "ready"


@serve.deployment(name="Gateway", ray_actor_options={"num_cpus": 0.2}, max_ongoing_requests=256)
@serve.ingress()
class ReplayGateway:
    def __init__(
        self, settings: dict[str, Any], record: str, tagger: DeploymentHandle, reasoner: DeploymentHandle
    ) -> None:
        keep_to_home(home())
        from codeserve.api.metrics import Metrics

        self._settings = load_settings(settings)
        self._metrics = Metrics()
        stages = Stages(tagger, reasoner, version_of(self._settings.model_set), self._metrics)
        notes = {note["body"]["document_id"]: note for note in read(record)}
        self._service = Replay(self._settings, stages, notes)

    def __serve_build_asgi_app__(self) -> Any:
        from codeserve.api.app import create_app

        self._app = create_app(self._service, self._settings.gateway, metrics=self._metrics, echo_request_id=False)
        return self._app

    async def drain(self, seconds: float, refuse: bool) -> int:
        left: int = await self._app.state.shell.drain.finish(seconds, refuse)
        return left


def read(record: str) -> list[dict[str, Any]]:
    """What offline.py recorded in this run."""
    found: list[dict[str, Any]] = pickle.loads(Path(record).read_bytes())
    return found


def build(args: dict[str, Any]) -> Application:
    record = os.environ[RECORD]
    reasoner = ReplayReasoner.bind(record, float(os.environ[ENGINE]))
    return ReplayGateway.bind(args, record, ReplayTagger.bind(record), reasoner)


def start(config: dict[str, Any], folder: Path, name: str = "replay", engine_s: float = 0.0) -> servers.Server:
    changed = settings.with_import(config, "benchmarks.arms.replay:build")
    environment = {RECORD: str((folder / "recorded.pickle").absolute()), ENGINE: str(engine_s)}
    return codeserve.start(changed, folder, name, environment)
