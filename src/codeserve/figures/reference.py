"""The metrics' reference, made from the registries. `python -m codeserve.figures.reference` writes docs/metrics.md."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from prometheus_client import CollectorRegistry

from codeserve.figures.families import STAGES, Common
from codeserve.figures.reasoner import ReasonerFigures
from codeserve.figures.tagger import TaggerFigures
from codeserve.reasoning.progress import Progress

HEAD = """# Metrics

`GET /metrics` (port 8000, through the proxy) answers for **all replicas** of the application: the gateway that is
asked asks the others, for 2 s at most. Each sample says by `deployment` and `replica` whose it is, so counters never
go back when a replica ends. Scrape **one** target of a cluster: two would count everything twice. On Kubernetes that
is the head pod (`ray.io/node-type: head`, port 8000, path `/metrics`). A deployment that does not answer is left out
and `codeserve_deployment_silent` is 1.

The same page holds vLLM's own metrics (`vllm:…`) of each reasoner and `process_…` of each replica. Ray's own
(`ray_…`) are exported by each node's agent, on Kubernetes port 8080 of every pod. Labels come from fixed sets; none
holds text of a note or of a request. Reasons: [decision 028](decisions/028-one-page-of-all-replicas.md).

This page is made by `python -m codeserve.figures.reference`.

| metric | type | labels | what it is | of |
|---|---|---|---|---|
"""


def registries() -> Iterator[tuple[str, CollectorRegistry]]:
    """Of each kind of replica, with nothing counted yet."""
    from codeserve.api.admission import Admission
    from codeserve.api.metrics import Metrics
    from codeserve.config import GatewaySettings
    from codeserve.deployments.gathering import Gathered

    gateway, reasoner = Metrics(), ReasonerFigures()
    gateway.watch(Admission(GatewaySettings()).gate)
    load = dict.fromkeys(("unfinished", "running", "waiting", "aborted"), 0)
    reasoner.watch(SimpleNamespace(progress=Progress(), load=lambda: load))
    yield "every replica", Common().registry
    yield "Gateway", gateway.registry
    yield "Gateway", Gathered(gateway, {}).overview
    yield "EntityTagger", TaggerFigures().registry
    yield "Reasoner", reasoner.registry


def names() -> dict[str, tuple[str, tuple[str, ...], str, str]]:
    """By a metric's name as Prometheus has it: type, own labels, what it is, whose."""
    found: dict[str, tuple[str, tuple[str, ...], str, str]] = {}
    for owner, registry in registries():
        for family in registry.collect():
            name = family.name + ("_total" if family.type == "counter" else "")
            found.setdefault(name, (family.type, _labels(registry, family), family.documentation, owner))
    return found


def _labels(registry: CollectorRegistry, family: Any) -> tuple[str, ...]:
    declared = getattr(registry._names_to_collectors.get(family.name), "_labelnames", None)
    if declared is not None:
        return tuple(declared)
    return tuple(sorted({label for sample in family.samples for label in sample.labels} - {"le"}))


def render() -> str:
    rows = (
        f"| `{name}` | {kind} | {', '.join(labels)} | {told} | {owner} |"
        for name, (kind, labels, told, owner) in names().items()
    )
    stages = "\n".join(f"| `{stage}` | {told} |" for stage, told in STAGES.items())
    return HEAD + "\n".join(rows) + f"\n\n## Stages\n\n| stage | what is timed |\n|---|---|\n{stages}\n"


def main() -> None:
    Path(sys.argv[1] if len(sys.argv) > 1 else "docs/metrics.md").write_text(render(), encoding="utf-8")


if __name__ == "__main__":
    main()
