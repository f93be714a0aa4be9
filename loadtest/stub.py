"""The real proxy and gateway before model stages that only take time: for load tests of what is around the models."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import Any

from ray import serve
from ray.serve import Application

from codeserve.config import load_settings
from codeserve.deadlines import within
from codeserve.deployments.gateway import Gateway
from codeserve.deployments.gathering import of_replica
from codeserve.figures.families import Common, Report
from codeserve.reasoning.questions import Answer, OpenQuestion, Question
from codeserve.tagging.entities import Chunk, Entity

TAG_S, REASON_S = 0.02, 0.2


class Stage:
    def __init__(self) -> None:
        self._figures = Common()

    async def probe(self, version: str) -> str:
        return "ready"

    async def figures(self) -> Report:
        return of_replica(self._figures)


@serve.deployment(name="EntityTagger", max_ongoing_requests=128, ray_actor_options={"num_cpus": 0.1})
class StubTagger(Stage):
    """Finds nothing."""

    async def tag(
        self, version: str, text: str, chunks: Sequence[Chunk], seconds: float = math.inf, *_: Any
    ) -> list[tuple[Entity, ...]]:
        async with within(seconds, "the tagger"):
            await asyncio.sleep(TAG_S)
        return [() for _ in chunks]


@serve.deployment(name="Reasoner", max_ongoing_requests=128, ray_actor_options={"num_cpus": 0.1})
class StubReasoner(Stage):
    """Answers none of these."""

    async def answer(
        self, version: str, questions: Sequence[Question], quick: bool = False, seconds: float = math.inf, *_: Any
    ) -> tuple[Answer, ...]:
        async with within(seconds, "the reasoner"):
            await asyncio.sleep(REASON_S)
        return tuple(Answer(question.id, (), 1.0, "lexicon") for question in questions)

    async def judge(
        self, version: str, questions: Sequence[OpenQuestion], seconds: float = math.inf, *_: Any
    ) -> tuple[float, ...]:
        return tuple(0.0 for _ in questions)


def build(args: dict[str, Any]) -> Application:
    """In place of codeserve.deployments.app:build."""
    return Gateway.bind(load_settings(args).model_dump(mode="json"), StubTagger.bind(), StubReasoner.bind())
