"""The Reasoner replica: retrieval and vLLM in one place, one remote call a note."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import Any

from ray import serve

from codeserve.config import ModelSet, home, keep_to_home
from codeserve.deadlines import within
from codeserve.deployments.starting import paced
from codeserve.deployments.versions import require, version_of
from codeserve.reasoning.questions import Answer, OpenQuestion, Question
from codeserve.scaling import FIRST_TOKEN_S, QUEUED_TOKENS


@serve.deployment(
    name="Reasoner",
    max_ongoing_requests=128,
    max_surge_percent=100,
    ray_actor_options={"num_cpus": 0.5},
    # Three failed checks in a row replace a replica. An idle engine has `stall_s` (20 s) to answer one.
    health_check_period_s=3,
    health_check_timeout_s=30,
    graceful_shutdown_timeout_s=30,
)
class Reasoner:
    async def __init__(self, model_set: dict[str, Any]) -> None:
        keep_to_home(home())
        from codeserve.deployments.loading import load_reasoner

        whole = ModelSet.model_validate(model_set)
        self._version = version_of(whole)
        async with paced("Reasoner"):
            self._reasoner = await asyncio.to_thread(load_reasoner, whole)
            await self._reasoner.engine.start()

    async def answer(
        self, version: str, questions: Sequence[Question], quick: bool = False, seconds: float = math.inf
    ) -> tuple[Answer, ...]:
        """After `seconds`, or when the call is cancelled, the engine's requests for it are aborted."""
        require(self._version, version)
        async with within(seconds, "the reasoner"):
            return await self._reasoner.answer(questions, llm=not quick, dense=not quick)

    async def judge(
        self, version: str, questions: Sequence[OpenQuestion], seconds: float = math.inf
    ) -> tuple[float, ...]:
        """As `answer`: the probability of yes of each question."""
        require(self._version, version)
        async with within(seconds, "the reasoner"):
            return await self._reasoner.judge(questions)

    async def load(self) -> dict[str, int]:
        """The engine's own counters: see `Engine.load`."""
        return self._reasoner.engine.load()

    async def probe(self, version: str) -> str:
        require(self._version, version)
        await self._reasoner.engine.check()
        return "ready"

    async def check_health(self) -> None:
        await self._reasoner.engine.check()

    async def record_autoscaling_stats(self) -> dict[str, float]:
        """What `deployments.autoscaling` reads of each replica."""
        progress = self._reasoner.engine.progress
        return {QUEUED_TOKENS: float(progress.queued_tokens), FIRST_TOKEN_S: progress.first_token_s}

    async def __del__(self) -> None:
        await self._reasoner.engine.stop()
