"""What a reasoner replica counts; the engine's part comes from vLLM's own statistics of each step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from prometheus_client import Counter, Gauge
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from codeserve.figures.families import Common
from codeserve.reasoning.progress import Progress
from codeserve.reasoning.questions import Answer


class Watched(Protocol):
    """The engine that is counted."""

    @property
    def progress(self) -> Progress: ...

    def load(self) -> dict[str, int]: ...


class ReasonerFigures(Common):
    def __init__(self) -> None:
        super().__init__()
        registry = self.registry
        self._answers = Counter(
            "codeserve_answers", "Questions by what answered them", ["decided_by"], registry=registry
        )
        self._prompts = Counter("codeserve_prompts", "Prompts that the engine answered", registry=registry)
        self._tokens = Counter(
            "codeserve_prompt_tokens",
            "Prompt tokens: computed, or found in the prefix cache",
            ["source"],
            registry=registry,
        )
        self._cache = Gauge("codeserve_kv_cache_used_ratio", "Used part of the KV cache, 0 to 1", registry=registry)
        for source in ("computed", "cached"):
            self._tokens.labels(source)

    def watch(self, engine: Watched) -> None:
        self.registry.register(_EngineState(engine))

    def answered(self, answers: Iterable[Answer]) -> None:
        for answer in answers:
            self._answers.labels(answer.decided_by).inc()

    def step(self, scheduler: Any, iteration: Any) -> None:
        """vLLM's `SchedulerStats` and `IterationStats` of one step; either may be None."""
        if scheduler is not None:
            self._cache.set(scheduler.kv_cache_usage)
        if iteration is None:
            return
        tokens = iteration.prompt_token_stats
        self._tokens.labels("computed").inc(tokens.computed)
        self._tokens.labels("cached").inc(tokens.cached_tokens)
        for seconds in iteration.time_to_first_tokens_iter:
            self.took("first_token", seconds)
        for request in iteration.finished_requests:
            self._prompts.inc()
            self.took("engine_queue", request.queued_time)
            self.took("engine_prefill", request.prefill_time)


class _EngineState(Collector):
    """Read when it is asked for."""

    def __init__(self, engine: Watched) -> None:
        self._engine = engine

    def collect(self) -> Iterator[Metric]:
        load, progress = self._engine.load(), self._engine.progress
        requests = GaugeMetricFamily("codeserve_engine_requests", "Prompts inside the engine", labels=["state"])
        for state in ("unfinished", "running", "waiting"):
            requests.add_metric([state], load[state])
        yield requests
        yield CounterMetricFamily("codeserve_engine_aborted", "Prompts taken back from the engine", load["aborted"])
        told = "Prompt tokens in the engine without an answer"
        yield GaugeMetricFamily("codeserve_engine_queued_tokens", told, progress.queued_tokens)
        told = "How long no token has come although prompts are inside; 0 for an idle engine"
        yield GaugeMetricFamily("codeserve_engine_stalled_seconds", told, progress.stalled_s)
