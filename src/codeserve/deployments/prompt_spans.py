"""What the engine did for one call, as spans: of its prompts together, since a note may have a hundred."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from opentelemetry.trace import Span

from codeserve import tracing

_answers: ContextVar[list[Any] | None] = ContextVar("answers", default=None)


def answered(output: Any) -> None:
    """For `Engine.start`: a finished `RequestOutput` of vLLM."""
    if (found := _answers.get()) is not None:
        found.append(output)


@contextmanager
def of_engine(span: Span) -> Iterator[None]:
    """Around a call that asks the engine, inside `span`."""
    if not span.is_recording():
        yield
        return
    found: list[Any] = []
    token = _answers.set(found)
    try:
        yield
    finally:
        _answers.reset(token)
        _tell([one for one in found if one.metrics is not None])


def _tell(outputs: Sequence[Any]) -> None:
    """vLLM stamps the core's times with the monotonic clock, which a machine's processes share, and the arrival with
    the clock on the wall."""
    if not outputs:
        return
    now, wall, monotonic = time.perf_counter(), time.time(), time.monotonic()
    stats = [one.metrics for one in outputs]
    arrived = now - wall + min(one.arrival_time for one in stats)
    queued, scheduled, first, last = (
        [now - monotonic + getattr(one, name) for one in stats]
        for name in ("queued_ts", "scheduled_ts", "first_token_ts", "last_token_ts")
    )
    sizes = {
        tracing.PROMPTS: len(outputs),
        tracing.TOKENS_IN: sum(len(one.prompt_token_ids or ()) for one in outputs),
        tracing.CACHED: sum(one.num_cached_tokens or 0 for one in outputs),
        tracing.TOKENS_OUT: sum(one.num_generation_tokens for one in stats),
        tracing.FIRST_TOKEN: min(one.first_token_latency for one in stats),
    }
    generate = tracing.past("generate", arrived, max(last), sizes)
    tracing.past("engine_queue", min(queued), max(scheduled), {}, generate)
    tracing.past("engine_prefill", min(scheduled), max(first), {}, generate)
