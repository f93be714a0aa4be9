"""OpenTelemetry traces of a request across gateway, tagger and reasoner; off unless there is somewhere to send them.

What a span may be called and may say is in the tables here: templates, kinds, sizes and counts, never text. An error
is told by its kind alone; its message and its stack trace are not recorded. Times of finished work are handed in as
readings of `time.perf_counter`.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from codeserve import __version__
from codeserve.config import TracingSettings
from codeserve.errors import CodeserveError
from codeserve.timings import Timings

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.sampling import Sampler

TRACEPARENT = "traceparent"
ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
STOP_S = 3.0  # for what waits to be sent when a replica ends

METHOD, ROUTE, STATUS = "http.request.method", "http.route", "http.response.status_code"
RECEIVED, SENT, ERROR = "http.request.body.size", "http.response.body.size", "error.type"
REQUEST_ID = "codeserve.request_id"
CHARACTERS, CHUNKS, ENTITIES = "codeserve.characters", "codeserve.chunks", "codeserve.entities"
QUESTIONS, BY_LLM, RETRIED = "codeserve.questions", "codeserve.answered_by_llm", "codeserve.retried"
BATCH_CHUNKS, BATCH_NOTES, BATCH_TOKENS = "codeserve.batch.chunks", "codeserve.batch.notes", "codeserve.batch.tokens"
PROMPTS, CACHED, FIRST_TOKEN = "codeserve.prompts", "codeserve.cached_tokens", "codeserve.first_token_seconds"
TOKENS_IN, TOKENS_OUT = "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"
ATTRIBUTES = {
    METHOD: "of the request; `_OTHER` for an unusual one",
    ROUTE: "the route's template, or `unmatched`",
    STATUS: "of the answer; 499: the caller hung up",
    RECEIVED: "bytes",
    SENT: "bytes",
    ERROR: "the problem's type, or the kind of the error; never its message",
    REQUEST_ID: "as in `X-Request-Id` and the log",
    CHARACTERS: "of the redacted note",
    CHUNKS: "of the note; in a batch's span those that were in it",
    ENTITIES: "found",
    QUESTIONS: "of the note",
    BY_LLM: "questions that the LLM answered",
    RETRIED: "true where a replica died with the call and it was made again",
    BATCH_CHUNKS: "in the whole batch",
    BATCH_NOTES: "that shared the batch",
    BATCH_TOKENS: "of the batch, padding included",
    PROMPTS: "that the engine answered",
    TOKENS_IN: "of all prompts",
    CACHED: "of these, found in the prefix cache",
    TOKENS_OUT: "of all answers",
    FIRST_TOKEN: "from the arrival of the first prompt to its token",
}

_PROPAGATOR = TraceContextTextMapPropagator()
_NOTHING: AbstractContextManager[Span] = nullcontext(trace.INVALID_SPAN)


class _Process:
    """What this process makes spans with; nothing: there are none."""

    provider: TracerProvider | None = None
    tracer: Tracer | None = None


def start(settings: TracingSettings, deployment: str, replica: str) -> None:
    """Send this process's spans, once; nothing where there is no endpoint, in the settings or in OTEL_* variables."""
    if not (settings.endpoint or any(map(os.environ.get, ENDPOINTS))):
        return
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(
        sampler=_sampler(settings.sample_ratio),
        resource=_resource(settings, deployment, replica),
        shutdown_on_exit=False,  # `stop` does, and waits no longer than STOP_S
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(settings.traces_url)))
    use(provider)
    # vLLM's engine would begin traces of its own, with paths of this machine.
    os.environ.pop(ENDPOINTS[0], None)


def use(provider: TracerProvider | None) -> None:
    """Make spans with `provider`, or with None no more."""
    _Process.provider = provider
    _Process.tracer = provider.get_tracer("codeserve", __version__) if provider is not None else None


def stop() -> None:
    """Send what waits, for STOP_S at most, and make no more spans."""
    provider = _Process.provider
    use(None)
    if provider is not None:
        ending = threading.Thread(target=provider.shutdown, daemon=True)
        ending.start()
        ending.join(STOP_S)


def span(name: str, *, parent: str | None = None, kind: SpanKind = SpanKind.INTERNAL) -> AbstractContextManager[Span]:
    """Around work. `parent`: a `traceparent` from elsewhere; without one the span around this one, if any."""
    return _NOTHING if _Process.tracer is None else _open(_Process.tracer, name, parent, kind)


@contextmanager
def _open(tracer: Tracer, name: str, parent: str | None, kind: SpanKind) -> Iterator[Span]:
    context = _PROPAGATOR.extract({TRACEPARENT: parent}) if parent else None
    with tracer.start_as_current_span(
        name, context, kind, record_exception=False, set_status_on_exception=False
    ) as opened:
        try:
            yield opened
        except BaseException as error:
            failed(opened, error.type if isinstance(error, CodeserveError) else type(error).__name__)
            raise


def past(name: str, begun: float, ended: float, attributes: Mapping[str, float], under: Span | None = None) -> Span:
    """A span of work that is over, inside `under` or the current span."""
    if _Process.tracer is None:
        return trace.INVALID_SPAN
    now, offset = time.time_ns(), time.perf_counter()
    context: Context | None = trace.set_span_in_context(under) if under is not None else None
    at = [now + int((one - offset) * 1e9) for one in (begun, ended)]
    made = _Process.tracer.start_span(name, context, attributes=dict(attributes), start_time=at[0])
    made.end(at[1])
    return made


def failed(one: Span, kind: str) -> None:
    one.set_attribute(ERROR, kind)
    one.set_status(Status(StatusCode.ERROR))


def traceparent() -> str | None:
    """The current span for another process; None where there is none."""
    if _Process.tracer is None:
        return None
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return carrier.get(TRACEPARENT)


def trace_id(one: Span) -> str:
    """In hexadecimal digits; empty where the span is not recorded."""
    return trace.format_trace_id(one.get_span_context().trace_id) if one.is_recording() else ""


class TracedTimings(Timings):
    """Each stage is a span too."""

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        with span(name), super().stage(name):
            yield


def timings() -> Timings:
    return Timings() if _Process.tracer is None else TracedTimings()


def _sampler(ratio: float | None) -> Sampler | None:
    """Of traces that begin here; a caller's own flag decides about those that it began. None: as OTEL_* says."""
    from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio

    return None if ratio is None else ParentBasedTraceIdRatio(ratio)


def _resource(settings: TracingSettings, deployment: str, replica: str) -> Resource:
    from opentelemetry.sdk.resources import Resource

    of_environment = Resource.create()
    name = str(of_environment.attributes["service.name"])
    return of_environment.merge(
        Resource(
            {
                "service.name": settings.service_name or ("codeserve" if name.startswith("unknown_service") else name),
                "service.version": __version__,
                "service.instance.id": replica,
                "codeserve.deployment": deployment,
            }
        )
    )
