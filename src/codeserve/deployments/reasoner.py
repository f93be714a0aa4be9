"""The Reasoner replica: retrieval and vLLM in one place, one remote call a note."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Any

from ray import serve

from codeserve import tracing
from codeserve.config import ModelSet, TracingSettings, home, keep_to_home
from codeserve.deadlines import within
from codeserve.deployments import prompt_spans
from codeserve.deployments.answering import answering
from codeserve.deployments.gathering import of_replica
from codeserve.deployments.starting import paced
from codeserve.deployments.versions import require, version_of
from codeserve.figures.families import Report
from codeserve.reasoning.judge import LLM
from codeserve.reasoning.questions import Answer, Candidate, OpenQuestion, Question
from codeserve.reasoning.reasoner import Search
from codeserve.scaling import FIRST_TOKEN_S, QUEUED_TOKENS


class TimedSearch:
    """Retrieval that says how long it took."""

    def __init__(self, search: Search, took: Callable[[str, float], None]) -> None:
        self._search, self._took = search, took

    def search(self, *asked: Any) -> list[tuple[Candidate, ...]]:
        begun = time.perf_counter()
        try:
            with tracing.span("retrieve"):
                return self._search.search(*asked)
        finally:
            self._took("retrieve", time.perf_counter() - begun)


def within_context(pool: Executor) -> Callable[..., Awaitable[Any]]:
    """What makes a call in a pool's thread, within the caller's context: its trace goes on there."""

    def run(call: Callable[..., Any], *args: Any) -> Awaitable[Any]:
        return asyncio.get_running_loop().run_in_executor(pool, partial(copy_context().run, call, *args))

    return run


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
    async def __init__(self, model_set: dict[str, Any], traced: dict[str, Any] | None = None) -> None:
        keep_to_home(home())
        replica = serve.get_replica_context().replica_id.unique_id
        tracing.start(TracingSettings.model_validate(traced or {}), "Reasoner", replica)
        from codeserve.deployments.loading import load_reasoner
        from codeserve.figures.reasoner import ReasonerFigures

        whole = ModelSet.model_validate(model_set)
        self._version = version_of(whole)
        async with paced("Reasoner"):
            loaded = await asyncio.to_thread(load_reasoner, whole)
            self._figures = ReasonerFigures()
            self._figures.watch(loaded.engine)
            # Beside the loop, which hands out the engine's answers in the tens of milliseconds of a search.
            aside = within_context(ThreadPoolExecutor(1, "search"))
            self._reasoner = loaded.over(TimedSearch(loaded.retriever, self._figures.took), aside)
            await self._reasoner.engine.start(self._figures.step, prompt_spans.answered)

    async def answer(
        self,
        version: str,
        questions: Sequence[Question],
        quick: bool = False,
        seconds: float = math.inf,
        traceparent: str | None = None,
    ) -> tuple[Answer, ...]:
        """After `seconds`, or when the call is cancelled, the engine's requests for it are aborted."""
        with answering("Reasoner", "answer", traceparent) as span:
            require(self._version, version)
            with prompt_spans.of_engine(span):
                async with within(seconds, "the reasoner"):
                    answers = await self._reasoner.answer(questions, llm=not quick, dense=not quick)
            by_llm = sum(one.decided_by == LLM for one in answers)
            span.set_attributes({tracing.QUESTIONS: len(questions), tracing.BY_LLM: by_llm})
        self._figures.answered(answers)
        return answers

    async def figures(self) -> Report:
        """For /metrics of a gateway."""
        return of_replica(self._figures)

    async def judge(
        self,
        version: str,
        questions: Sequence[OpenQuestion],
        seconds: float = math.inf,
        traceparent: str | None = None,
    ) -> tuple[float, ...]:
        """As `answer`: the probability of yes of each question."""
        with answering("Reasoner", "judge", traceparent) as span:
            require(self._version, version)
            span.set_attribute(tracing.QUESTIONS, len(questions))
            with prompt_spans.of_engine(span):
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
        tracing.stop()
        await self._reasoner.engine.stop()
