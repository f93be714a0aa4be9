"""The whole chain in this process, without Ray: for the command line and for tests."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from codeserve.config import AppSettings
from codeserve.deadlines import seconds_left, within
from codeserve.errors import CodeserveError, SetupError
from codeserve.reasoning.questions import Answer, OpenQuestion, Question
from codeserve.reasoning.reasoner import Reasoner
from codeserve.service import CodingService, load_knowledge
from codeserve.tagging.core import TaggerModel
from codeserve.tagging.entities import Chunk, Entity
from codeserve.tagging.post import decode

TAG_BATCH = 16


class LocalStages:
    """Tagger and reasoner in this process. Model calls run in a thread, so that notes overlap."""

    def __init__(self, tagger: TaggerModel, reasoner: Reasoner) -> None:
        self._tagger = tagger
        self._reasoner = reasoner
        self._one_at_a_time = asyncio.Lock()

    async def tag(self, text: str, chunks: Sequence[Chunk], deadline: float = math.inf) -> list[tuple[Entity, ...]]:
        found: list[tuple[Entity, ...]] = []
        for begin in range(0, len(chunks), TAG_BATCH):
            batch = chunks[begin : begin + TAG_BATCH]
            async with within(seconds_left(deadline), "the tagger"), self._one_at_a_time:
                labelled = await asyncio.to_thread(self._tagger.run, [chunk.ids for chunk in batch])
            found += [decode(p, c, self._tagger.labels, text) for p, c in zip(labelled, batch, strict=True)]
        return found

    async def reason(
        self, questions: Sequence[Question], deadline: float = math.inf, quick: bool = False
    ) -> tuple[Answer, ...]:
        async with within(seconds_left(deadline), "the reasoner"):
            return await self._reasoner.answer(questions, llm=not quick, dense=not quick)

    async def judge(self, questions: Sequence[OpenQuestion], deadline: float = math.inf) -> tuple[float, ...]:
        async with within(seconds_left(deadline), "the reasoner"):
            return await self._reasoner.judge(questions)

    async def missing(self) -> dict[str, str]:
        try:
            await self._reasoner.engine.check()
        except CodeserveError as error:
            return {"Reasoner": error.detail}
        return {}


class QuickStages:
    """Retrieval alone."""

    def __init__(self, reasoner: Reasoner) -> None:
        self._reasoner = reasoner

    async def tag(self, text: str, chunks: Sequence[Chunk], deadline: float) -> list[tuple[Entity, ...]]:
        raise SetupError("no tagger was started")

    async def reason(self, questions: Sequence[Question], deadline: float, quick: bool = False) -> tuple[Answer, ...]:
        if not quick:
            raise SetupError("no LLM was started")
        return await self._reasoner.answer(questions, llm=False, dense=False)

    async def judge(self, questions: Sequence[OpenQuestion], deadline: float) -> tuple[float, ...]:
        raise SetupError("no LLM was started")

    async def missing(self) -> dict[str, str]:
        return {}


def quick_service(settings: AppSettings) -> CodingService:
    """A coding service for what needs neither the tagger nor the LLM: claims without a note, open questions, charts."""
    from codeserve.deployments.loading import load_reasoner

    return CodingService(load_knowledge(settings), settings.model_set, QuickStages(load_reasoner(settings.model_set)))


@asynccontextmanager
async def local_service(settings: AppSettings) -> AsyncIterator[CodingService]:
    """A coding service with its engine started; the engine is stopped on the way out."""
    from codeserve.deployments.loading import load_reasoner, load_tagger

    reasoner = load_reasoner(settings.model_set)
    tagger = load_tagger(settings.model_set.tagger)
    await reasoner.engine.start()
    try:
        yield CodingService(load_knowledge(settings), settings.model_set, LocalStages(tagger, reasoner))
    finally:
        await reasoner.engine.stop()
