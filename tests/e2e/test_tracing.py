"""What the running service sends to a collector: one trace of a note, from all three deployments."""

from __future__ import annotations

import time

import pytest

from codeserve import tracing
from tests.collector import Sent
from tests.conftest import Service

pytestmark = pytest.mark.e2e
NOTE = {"document_id": "x", "text": "ASSESSMENT:\n1. Swollen left knee after a fall\n2. Longstanding sugar trouble\n"}
CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
ARRIVES_S = 60  # sent every 5 s


def trace_of(service: Service, trace: str, wanted: set[tuple[str, str]]) -> list[Sent]:
    """All spans of the trace once it has the wanted ones, (deployment, name)."""
    assert service.collector is not None
    deadline = time.monotonic() + ARRIVES_S
    found: list[Sent] = []
    while time.monotonic() < deadline and not wanted <= {(one.deployment, one.name) for one in found}:
        time.sleep(0.5)
        found = [one for one in service.collector.spans() if one.trace == trace]
    return found


def test_a_note_is_one_trace_of_three_deployments(service: Service) -> None:
    assert service.post(NOTE, traceparent="00-{}-{}-01".format(*CALLER)).status_code == 200
    root = ("Gateway", "POST /v1/extract-codes")
    ends = {("EntityTagger", "tagger_model"), ("Reasoner", "engine_prefill"), ("Gateway", "assemble"), root}
    found = trace_of(service, CALLER[0], ends | {("EntityTagger", "EntityTagger/tag"), ("Reasoner", "Reasoner/answer")})
    by_id = {one.id: one for one in found}
    for one in found:
        assert one.parent == CALLER[1] if (one.deployment, one.name) == root else one.parent in by_id, one.name
        assert set(one.attributes) <= set(tracing.ATTRIBUTES)
    called = {by_id[one.parent].name: one.name for one in found if one.name in ("EntityTagger/tag", "Reasoner/answer")}
    assert called.keys() >= {"tag", "reason"}  # the stages of the gateway around the calls
    (generate,) = [one for one in found if one.name == "generate"]
    assert {tracing.PROMPTS, tracing.TOKENS_IN, tracing.TOKENS_OUT} <= set(generate.attributes)
    assert generate.attributes[tracing.PROMPTS] == generate.attributes[tracing.TOKENS_OUT]
