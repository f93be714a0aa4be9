"""What Prometheus reads. Labels come from fixed sets, or from the first few distinct values: never from a request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from codeserve.api.admission import PRIORITIES, Gate, Reason
from codeserve.api.schemas import ExtractResponse, Finding

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
OTHER = "other"


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


class Metrics:
    """Of one gateway replica, in a registry of its own."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        self._requests = Counter("codeserve_requests", "Requests", ["route", "status"], registry=registry)
        self._latency = Histogram(
            "codeserve_request_seconds", "Time to the whole response", ["route"], buckets=SECONDS, registry=registry
        )
        self.in_flight = Gauge("codeserve_requests_in_flight", "Requests being answered", registry=registry)
        self._stages = Histogram(
            "codeserve_stage_seconds", "Time in a stage", ["stage"], buckets=SECONDS, registry=registry
        )
        self._codes = Counter("codeserve_codes", "Codes returned", ["system", "decided_by"], registry=registry)
        self._findings = Counter("codeserve_findings", "Findings", ["rule", "severity"], registry=registry)
        self._routed = Counter("codeserve_routes", "Notes by routing decision", ["decision"], registry=registry)
        self._refused = Counter("codeserve_refused", "Requests turned away", ["reason"], registry=registry)
        self._retried = Counter("codeserve_retries", "Calls made again", ["stage"], registry=registry)
        self._rule, self._stage = Bounded(200), Bounded(30)

    def watch(self, gate: Gate) -> None:
        """Show what holds and what waits for a slot."""
        slots = Gauge("codeserve_slots_held", "Requests that hold a slot", registry=self.registry)
        slots.set_function(lambda: gate.inside)
        waiting = Gauge("codeserve_waiting", "Requests that wait for a slot", ["priority"], registry=self.registry)
        for priority in PRIORITIES:
            waiting.labels(priority).set_function(partial(gate.waiting, priority))

    def retried(self, stage: str) -> None:
        self._retried.labels(stage).inc()

    def refused(self, reason: Reason) -> None:
        self._refused.labels(reason).inc()

    def answered(self, route: str, status: int, seconds: float) -> None:
        self._requests.labels(route, str(status)).inc()
        self._latency.labels(route).observe(seconds)

    def timed(self, stages: Mapping[str, float]) -> None:
        for stage, seconds in stages.items():
            self._stages.labels(self._stage(stage)).observe(seconds)

    def coded(self, response: ExtractResponse) -> None:
        for diagnosis in response.diagnosis_codes:
            self._codes.labels("ICD-10-CM", diagnosis.decided_by).inc()
        for procedure in response.procedure_codes:
            self._codes.labels(procedure.system, procedure.decided_by).inc()
        self._routed.labels(response.route.decision).inc()
        self.found(response.findings)

    def found(self, findings: Iterable[Finding]) -> None:
        for finding in findings:
            self._findings.labels(self._rule(finding.rule), finding.severity).inc()

    def text(self) -> bytes:
        return generate_latest(self.registry)
