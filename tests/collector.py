"""Where the spans of a test go: a collector on loopback in the test's own process, or a list."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from codeserve import tracing


class Sent(NamedTuple):
    """A span that was received; ids in hexadecimal, `parent` empty where there is none."""

    trace: str
    id: str
    parent: str
    name: str
    deployment: str
    attributes: dict[str, object]


class Collector(ThreadingHTTPServer):
    """Keeps what is posted: (path, body)."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Receiver)
        self.received: list[tuple[str, bytes]] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def requests(self) -> list[ExportTraceServiceRequest]:
        return [ExportTraceServiceRequest.FromString(body) for _, body in self.received]

    def spans(self) -> Iterator[Sent]:
        for group in (group for one in self.requests() for group in one.resource_spans):
            of = {one.key: one.value.string_value for one in group.resource.attributes}["codeserve.deployment"]
            for span in (span for scope in group.scope_spans for span in scope.spans):
                told = {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}
                ids = span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex()
                yield Sent(*ids, span.name, of, told)

    def close(self) -> None:
        self.shutdown()
        self.server_close()


class _Receiver(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((self.path, body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    """The spans that this process makes, as they end."""
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing.use(provider)
    yield exporter
    tracing.use(None)
