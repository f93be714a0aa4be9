"""Spans of one process; tests/deployments/test_tracing.py has the whole chain."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import INVALID_SPAN

from codeserve import tracing
from codeserve.config import TracingSettings, load_settings
from codeserve.errors import SetupError, StageFailed
from codeserve.pipeline import Timings
from tests.collector import Collector
from tests.conftest import ROOT

WANTED = 30  # seconds


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    for name in [*filter(lambda name: name.startswith("OTEL_"), os.environ)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    receiver = Collector()
    yield receiver
    tracing.stop()
    receiver.close()


def test_there_is_nothing_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in tracing.ENDPOINTS:
        monkeypatch.delenv(name, raising=False)
    threads = threading.active_count()
    tracing.start(TracingSettings(), "Gateway", "g1")
    assert threading.active_count() == threads
    assert tracing.traceparent() is None
    assert tracing.span("one") is tracing.span("other")  # nothing is made for a request
    assert type(tracing.timings()) is Timings
    with tracing.span("x") as span:
        assert span is INVALID_SPAN
    assert tracing.past("x", 0, 1, {}) is INVALID_SPAN


def test_an_error_leaves_its_kind_and_no_message(spans: InMemorySpanExporter) -> None:
    for error in (StageFailed("said"), ValueError("said"), asyncio.CancelledError("said")):
        with pytest.raises(type(error)), tracing.span("x"):
            raise error
    finished = spans.get_finished_spans()
    kinds = [(one.attributes or {})[tracing.ERROR] for one in finished]
    assert kinds == ["stage-failed", "ValueError", "CancelledError"]
    assert not any(one.events or one.status.description for one in finished)


def test_a_stage_is_timed_and_a_span(spans: InMemorySpanExporter) -> None:
    timings = tracing.timings()
    with timings.stage("tag"), tracing.span("inner"):
        pass
    inner, tag = spans.get_finished_spans()
    assert (tag.name, list(timings.seconds)) == ("tag", ["tag"])
    assert inner.parent is not None
    assert inner.parent.span_id == tag.context.span_id


def test_work_that_is_over_keeps_its_times(spans: InMemorySpanExporter) -> None:
    now = time.perf_counter()
    tracing.past("x", now - 2, now - 1, {tracing.CHUNKS: 3})
    (one,) = spans.get_finished_spans()
    assert one.start_time is not None
    assert one.end_time is not None
    assert one.end_time - one.start_time == pytest.approx(1e9, rel=1e-3)
    assert one.attributes == {tracing.CHUNKS: 3}


def test_stopping_sends_what_waits_with_whose_it_is(collector: Collector) -> None:
    tracing.start(TracingSettings(endpoint=collector.address, service_name="coding"), "Gateway", "g1")
    with tracing.span("x"):
        pass
    tracing.stop()
    assert [path for path, _ in collector.received] == ["/v1/traces"]
    (group,) = collector.requests()[0].resource_spans
    told = {one.key: one.value.string_value for one in group.resource.attributes}
    assert (told["service.name"], told["service.instance.id"], told["codeserve.deployment"]) == (
        "coding",
        "g1",
        "Gateway",
    )
    assert tracing.traceparent() is None


def test_the_standard_variables_are_enough(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"{collector.address}/own/path")
    tracing.start(TracingSettings(), "Gateway", "g1")
    with tracing.span("x"):
        pass
    tracing.stop()
    assert [path for path, _ in collector.received] == ["/own/path"]
    (group,) = collector.requests()[0].resource_spans
    assert {one.value.string_value for one in group.resource.attributes if one.key == "service.name"} == {"codeserve"}
    # vLLM would take it for its own.
    assert "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" not in os.environ


def test_the_sdk_can_be_switched_off(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    tracing.start(TracingSettings(endpoint=collector.address), "Gateway", "g1")
    assert tracing.timings().__class__ is Timings


def test_the_share_that_is_kept(collector: Collector) -> None:
    tracing.start(TracingSettings(endpoint=collector.address, sample_ratio=0.0), "Gateway", "g1")
    with tracing.span("begun here") as own, tracing.span("x", parent=f"00-{'a' * 32}-{'b' * 16}-01") as kept:
        assert not own.is_recording()
        assert kept.is_recording()


def test_a_collector_that_is_away_costs_a_stop_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    tracing.start(TracingSettings(endpoint="http://127.0.0.1:9"), "Gateway", "g1")
    with tracing.span("x"):
        pass
    begun = time.monotonic()
    tracing.stop()
    assert time.monotonic() - begun < tracing.STOP_S + WANTED


@pytest.mark.parametrize(
    "endpoint", ["collector:4318", "grpc://collector:4317", "http://", "http://u:secret@collector", "http://c?x=1"]
)
def test_a_wrong_address_is_refused_with_its_key_and_not_its_value(endpoint: str) -> None:
    with pytest.raises(SetupError, match=r"tracing\.endpoint") as raised:
        load_settings({"tracing": {"endpoint": endpoint}})
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("wrong", [{"endpiont": "http://c:4318"}, {"sample_ratio": 1.5}, {"service_name": ""}])
def test_an_unknown_key_or_value_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(SetupError, match=rf"tracing\.{next(iter(wrong))}"):
        load_settings({"tracing": wrong})


def test_the_path_is_added_once() -> None:
    assert TracingSettings(endpoint="http://c:4318/").traces_url == "http://c:4318/v1/traces"
    assert TracingSettings(endpoint="https://c/otlp/v1/traces").traces_url == "https://c/otlp/v1/traces"


def test_the_page_names_every_attribute() -> None:
    page = Path(ROOT / "docs" / "traces.md").read_text()
    assert [name for name in tracing.ATTRIBUTES if f"`{name}`" not in page] == []
