"""Figures of many replicas on one page. Labels come from fixed sets, or from the first few distinct values: never from
a request."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from prometheus_client import REGISTRY, CollectorRegistry, Gauge, Histogram, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.samples import Sample

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
OTHER = "other"
# Of the process: its memory and processor time, and in a reasoner what vLLM counts itself.
PROCESS_WIDE = ("process_", "vllm:")
STAGES = {
    "admission": "Gateway: until a request has a slot; one a request",
    "prepare": "Gateway: sections and redaction; one a note",
    "tag": "Gateway: chunks, and the call of the tagger until its answer; one a note",
    "batch_wait": "EntityTagger: until a chunk's batch begins; one a chunk",
    "tagger_model": "EntityTagger: the model's run; one a batch",
    "ask": "Gateway: assertion, problems, services, questions; one a note",
    "reason": "Gateway: the call of the reasoner until its answer; one a note",
    "retrieve": "Reasoner: candidates of all questions; one a note",
    "engine_queue": "Reasoner: in vLLM's queue; one a prompt",
    "engine_prefill": "Reasoner: from the queue to the answering token; one a prompt",
    "first_token": "Reasoner: from the prompt's arrival to its answering token; one a prompt",
    "judge": "Gateway: the call of the reasoner with open questions of the E/M; one a note",
    "decide": "Gateway: rules, E/M, findings, route; one a note",
    "assemble": "Gateway: the response; one a note",
    "validate": "Gateway: the edits of a claim; one a claim",
    "gaps": "Gateway: open questions; one a note",
}


class Bounded:
    """Passes the first `most` distinct values through and calls the rest "other"."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._seen: set[str] = set()

    def __call__(self, value: str) -> str:
        if value not in self._seen:
            if len(self._seen) >= self._most:
                return OTHER
            self._seen.add(value)
        return value


class Common:
    """What every replica counts, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._stages = Histogram(
            "codeserve_stage_seconds",
            "Time in a stage; what one observation is of, the stages' table says",
            ["stage"],
            buckets=SECONDS,
            registry=self.registry,
        )
        started = Gauge("codeserve_replica_start_time_seconds", "Unix time of its start", registry=self.registry)
        started.set(time.time())

    def took(self, stage: str, seconds: float) -> None:
        self._stages.labels(stage if stage in STAGES else OTHER).observe(seconds)


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of one replica, as they travel to the gateway that is asked."""

    deployment: str
    replica: str
    families: tuple[Metric, ...]


def report(registry: CollectorRegistry, deployment: str, replica: str, process: bool = True) -> Report:
    wide = (family for family in REGISTRY.collect() if family.name.startswith(PROCESS_WIDE)) if process else ()
    return Report(deployment, replica, (*registry.collect(), *wide))


def page(reports: Iterable[Report]) -> bytes:
    """Prometheus's text; each sample says by its labels `deployment` and `replica` whose it is."""
    return generate_latest(_Merged(reports))


class _Merged(CollectorRegistry):
    def __init__(self, reports: Iterable[Report]) -> None:
        super().__init__()
        self._merged: dict[str, Metric] = {}
        for one in reports:
            for family in one.families:
                into = self._merged.setdefault(family.name, Metric(family.name, family.documentation, family.type))
                into.samples += _labelled(family.samples, one)

    def collect(self) -> Iterator[Metric]:
        return iter(self._merged.values())


def _labelled(samples: Iterable[Sample], one: Report) -> Iterator[Sample]:
    for sample in samples:
        if not sample.name.endswith("_created"):  # one more series each, for what the start time says
            labels = {**sample.labels, "deployment": one.deployment, "replica": one.replica}
            yield sample._replace(labels=labels)
