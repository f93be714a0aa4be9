"""The Reasoner replica: retrieval and vLLM in one place, one remote call a note."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from ray import serve

from codeserve.config import ModelSet, home, keep_to_home
from codeserve.reasoning.questions import Answer, Question


@serve.deployment(
    name="Reasoner",
    max_ongoing_requests=128,
    ray_actor_options={"num_cpus": 1.0},
    health_check_period_s=10,
    health_check_timeout_s=30,
    graceful_shutdown_timeout_s=20,
)
class Reasoner:
    async def __init__(self, model_set: dict[str, Any]) -> None:
        keep_to_home(home())
        from codeserve.deployments.loading import load_reasoner

        self._reasoner = await asyncio.to_thread(load_reasoner, ModelSet.model_validate(model_set))
        await self._reasoner.engine.start()

    async def answer(self, questions: Sequence[Question], quick: bool = False) -> tuple[Answer, ...]:
        return await self._reasoner.answer(questions, llm=not quick, dense=not quick)

    async def probe(self) -> str:
        await self._reasoner.engine.check()
        return "ready"

    async def check_health(self) -> None:
        await self._reasoner.engine.check()

    async def __del__(self) -> None:
        await self._reasoner.engine.stop()
