"""What a gateway replica counts."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from functools import partial
from importlib.metadata import PackageNotFoundError, version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from codeserve import __version__
from codeserve.api.admission import PRIORITIES, Gate, Reason
from codeserve.api.schemas import ExtractResponse, Finding, ModelCard
from codeserve.figures.families import SECONDS, Bounded, Common, Report, report

BYTES = (1e3, 4e3, 16e3, 64e3, 256e3, 1e6, 4e6)
TENTHS = tuple(n / 10 for n in range(1, 11))


class Metrics(Common):
    def __init__(self) -> None:
        super().__init__()
        registry = self.registry
        self._requests = Counter("codeserve_requests", "Requests", ["route", "status"], registry=registry)
        self._latency = Histogram(
            "codeserve_request_seconds", "Time to the whole response", ["route"], buckets=SECONDS, registry=registry
        )
        self._bytes = Histogram(
            "codeserve_request_bytes", "Size of the body", ["route"], buckets=BYTES, registry=registry
        )
        self.in_flight = Gauge("codeserve_requests_in_flight", "Requests being answered", registry=registry)
        self._problems = Counter("codeserve_problems", "Problem documents by type", ["type"], registry=registry)
        self._codes = Counter("codeserve_codes", "Codes returned", ["system", "decided_by"], registry=registry)
        self._confidence = Histogram(
            "codeserve_confidence", "Confidence of codes and E/M levels", ["system"], buckets=TENTHS, registry=registry
        )
        self._findings = Counter("codeserve_findings", "Findings", ["rule", "severity"], registry=registry)
        self._routed = Counter("codeserve_routes", "Notes by routing decision", ["decision"], registry=registry)
        self._refused = Counter("codeserve_refused", "Requests turned away", ["reason"], registry=registry)
        self._retried = Counter("codeserve_retries", "Calls made again: replica died", ["stage"], registry=registry)
        self._late = Counter("codeserve_deadline_drops", "Calls dropped past a deadline", ["stage"], registry=registry)
        self._models = Gauge(
            "codeserve_model_info", "1; what takes part in answers", ["name", "part", "version"], registry=registry
        )
        self._rule, self._problem = Bounded(300), Bounded(30)
        _build_info(registry)

    def watch(self, gate: Gate) -> None:
        """Show what holds and what waits for a slot."""
        slots = Gauge("codeserve_slots", "Requests that may hold a slot at once", registry=self.registry)
        slots.set(gate.slots)
        held = Gauge("codeserve_slots_held", "Requests that hold a slot", registry=self.registry)
        held.set_function(lambda: gate.inside)
        waiting = Gauge("codeserve_waiting", "Requests that wait for a slot", ["priority"], registry=self.registry)
        for priority in PRIORITIES:
            waiting.labels(priority).set_function(partial(gate.waiting, priority))

    def serves(self, models: Iterable[ModelCard]) -> None:
        for model in models:
            for part, one in model.versions.items():
                self._models.labels(model.name, part, one).set(1)

    def retried(self, stage: str) -> None:
        self._retried.labels(stage).inc()

    def late(self, stage: str) -> None:
        self._late.labels(stage).inc()

    def refused(self, reason: Reason) -> None:
        self._refused.labels(reason).inc()

    def problem(self, kind: str) -> None:
        self._problems.labels(self._problem(kind)).inc()

    def answered(self, route: str, status: int, seconds: float, received: int) -> None:
        self._requests.labels(route, str(status)).inc()
        self._latency.labels(route).observe(seconds)
        self._bytes.labels(route).observe(received)

    def coded(self, response: ExtractResponse) -> None:
        for diagnosis in response.diagnosis_codes:
            self._code("ICD-10-CM", diagnosis.decided_by, diagnosis.confidence)
        for procedure in response.procedure_codes:
            self._code(procedure.system, procedure.decided_by, procedure.confidence)
        if response.em is not None:
            self._confidence.labels("E/M").observe(response.em.confidence)
        self._routed.labels(response.route.decision).inc()
        self.found(response.findings)

    def _code(self, system: str, decided_by: str, confidence: float) -> None:
        self._codes.labels(system, decided_by).inc()
        self._confidence.labels(system).observe(confidence)

    def found(self, findings: Iterable[Finding]) -> None:
        for finding in findings:
            self._findings.labels(self._rule(finding.rule), finding.severity).inc()

    def report(self, replica: str) -> Report:
        return report(self.registry, "Gateway", replica)

    def text(self) -> bytes:
        """Of this replica alone."""
        return generate_latest(self.registry)


def _build_info(registry: CollectorRegistry) -> None:
    parts = {"version": __version__, "python": platform.python_version()}
    parts |= {name: _version(name) for name in ("ray", "torch", "vllm")}
    Gauge("codeserve_build_info", "1; the versions that run", list(parts), registry=registry).labels(**parts).set(1)


def _version(package: str) -> str:
    """vLLM's package has another name on CPUs."""
    for name in (package, f"{package}-cpu"):
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return "none"
