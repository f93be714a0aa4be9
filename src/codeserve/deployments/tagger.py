"""The EntityTagger replica: chunks of many notes share its batches, within a budget of padded tokens."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from opentelemetry.trace import INVALID_SPAN, Span
from ray import serve

from codeserve import tracing
from codeserve.config import ModelSet, TracingSettings, home, keep_to_home
from codeserve.deadlines import within
from codeserve.deployments.answering import answering
from codeserve.deployments.gathering import of_replica
from codeserve.deployments.starting import paced
from codeserve.deployments.versions import require, version_of
from codeserve.figures.families import Report
from codeserve.tagging.entities import Chunk, Entity
from codeserve.tagging.post import decode

SPECIAL_TOKENS = 2


class Waiting(NamedTuple):
    """A chunk that waits for its batch since `since`, a time of `perf_counter`, in the span of its note's call."""

    chunk: Chunk
    since: float
    span: Span = INVALID_SPAN


def padded_tokens(batch: Sequence[Waiting]) -> int:
    """What a batch costs at most: where the model pads, every chunk is padded to the longest."""
    return len(batch) * (max(len(one.chunk.ids) for one in batch) + SPECIAL_TOKENS)


def trace_batch(batch: Sequence[Waiting], tokens: int, begun: float, ended: float) -> None:
    """In the trace of each note how long its chunks waited, and the batch of so many tokens that they shared with
    others."""
    notes: dict[Span, list[Waiting]] = {}
    for one in batch:
        notes.setdefault(one.span, []).append(one)
    shared = {
        tracing.BATCH_CHUNKS: len(batch),
        tracing.BATCH_NOTES: len(notes),
        tracing.BATCH_TOKENS: tokens,
    }
    for span, own in notes.items():
        if not span.is_recording():
            continue
        chunks = {tracing.CHUNKS: len(own)}
        tracing.past("batch_wait", min(one.since for one in own), begun, chunks, span)
        tracing.past("tagger_model", begun, ended, {**chunks, **shared}, span)


@serve.deployment(
    name="EntityTagger",
    max_ongoing_requests=128,
    max_surge_percent=100,
    ray_actor_options={"num_cpus": 0.2},
    health_check_period_s=5,
    health_check_timeout_s=30,
)
class EntityTagger:
    async def __init__(self, model_set: dict[str, Any], traced: dict[str, Any] | None = None) -> None:
        keep_to_home(home())
        replica = serve.get_replica_context().replica_id.unique_id
        tracing.start(TracingSettings.model_validate(traced or {}), "EntityTagger", replica)
        from codeserve.deployments.loading import load_tagger
        from codeserve.figures.tagger import TaggerFigures

        whole = ModelSet.model_validate(model_set)
        self._version, chosen = version_of(whole), whole.tagger
        self._figures = TaggerFigures()
        async with paced("EntityTagger"):
            self._model = await asyncio.to_thread(load_tagger, chosen)
        self._run_chunk.set_max_batch_size(chosen.max_batch_tokens)
        self._run_chunk.set_batch_wait_timeout_s(chosen.batch_wait_s)

    async def tag(
        self,
        version: str,
        text: str,
        chunks: Sequence[Chunk],
        seconds: float = math.inf,
        traceparent: str | None = None,
    ) -> list[tuple[Entity, ...]]:
        """The entities of each chunk; spans index `text`. A note's chunks are gathered, so each stays in budget.

        After `seconds`, or when the call is cancelled, the chunks that wait for a batch are dropped from it.
        """
        with answering("EntityTagger", "tag", traceparent) as span:
            require(self._version, version)
            found = await self._tag(text, chunks, seconds, span)
            span.set_attributes({tracing.CHUNKS: len(chunks), tracing.ENTITIES: sum(map(len, found))})
        return found

    async def _tag(self, text: str, chunks: Sequence[Chunk], seconds: float, span: Span) -> list[tuple[Entity, ...]]:
        async with within(seconds, "the tagger"):
            waiting = [Waiting(chunk, time.perf_counter(), span) for chunk in chunks]
            labelled = await asyncio.gather(*map(self._run_chunk, waiting))
        found = [
            decode(probabilities, chunk, self._model.labels, text)
            for probabilities, chunk in zip(labelled, chunks, strict=True)
        ]
        self._figures.tagged(found)
        return found

    @serve.batch(max_batch_size=4096, batch_wait_timeout_s=0.005, batch_size_fn=padded_tokens)
    async def _run_chunk(self, batch: list[Waiting]) -> list[Any]:
        begun = time.perf_counter()
        found = await asyncio.to_thread(self._model.run, [one.chunk.ids for one in batch])
        lengths = [len(one.chunk.ids) + SPECIAL_TOKENS for one in batch]
        waited = [begun - one.since for one in batch]
        ended = time.perf_counter()
        tokens = padded_tokens(batch) if self._model.pads else sum(lengths)
        self._figures.batch(waited, lengths, tokens, ended - begun)
        trace_batch(batch, tokens, begun, ended)
        return found

    async def figures(self) -> Report:
        """For /metrics of a gateway."""
        return of_replica(self._figures)

    async def probe(self, version: str) -> str:
        """Answers once the model does; the readiness check calls it."""
        require(self._version, version)
        await asyncio.to_thread(self._model.run, [(self._model.probe_id,)])
        return "ready"

    def check_health(self) -> None:
        self._model.run([(self._model.probe_id,)])

    def __del__(self) -> None:
        tracing.stop()
