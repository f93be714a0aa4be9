"""Around every request: its id, what it took, one log line, and a problem document for what nobody caught."""

from __future__ import annotations

import asyncio
import re
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from uuid import uuid4

from opentelemetry.trace import INVALID_SPAN, Span, SpanKind, Status, StatusCode
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from codeserve import tracing
from codeserve.access.principal import Principal
from codeserve.api import logs, problems
from codeserve.api.metrics import Metrics
from codeserve.errors import CodeserveError

REQUEST_ID_HEADER = "X-Request-Id"
CALLER_LEFT = 499  # nginx's word for it; nobody receives it
UNTRACED = ("/livez", "/readyz", "/metrics")  # asked every few seconds, and of no note
METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"))
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


@dataclass(slots=True)
class Call:
    """What becomes known of a request while it is answered; sizes are bytes of the bodies."""

    request_id: str
    begun: float = field(default_factory=time.perf_counter)
    caller: str = ""
    principal: Principal | None = None
    status: int = 0
    received: int = 0
    sent: int = 0
    stages: dict[str, float] = field(default_factory=dict)
    problem: str = ""
    failure: str = ""
    trace_id: str = ""

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.begun


def request_id(headers: Headers) -> str:
    """The caller's, when it is one; else a new one."""
    sent = headers.get(REQUEST_ID_HEADER, "")
    return sent if _REQUEST_ID.fullmatch(sent) else str(uuid4())


def route_of(scope: Scope) -> str:
    """The route's template: a path may hold anything, a template does not."""
    return getattr(scope.get("route"), "path", "unmatched")


class Observer:
    """`echo_request_id` is off behind a proxy that adds the response's X-Request-Id itself, as Ray Serve's does."""

    def __init__(self, app: ASGIApp, metrics: Metrics, echo_request_id: bool = True) -> None:
        self._app = app
        self._metrics = metrics
        self._echo = echo_request_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        call = Call(request_id(Headers(scope=scope)))
        scope.setdefault("state", {})["call"] = call
        with self._metrics.in_flight.track_inprogress(), _span(scope) as span:
            try:
                await self._answer(call, scope, receive, send)
            except asyncio.CancelledError:
                call.status = call.status or CALLER_LEFT
                raise
            finally:
                self._metrics.answered(route_of(scope), call.status, call.seconds, call.received)
                _tell(span, call, scope)
                logs.access.info("request", extra={"fields": _entry(call, scope)})

    async def _answer(self, call: Call, scope: Scope, receive: Receive, send: Send) -> None:
        async def counted_receive() -> Message:
            message = await receive()
            call.received += len(message.get("body", b""))
            return message

        async def marked_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                call.status = message["status"]
                if self._echo:
                    MutableHeaders(scope=message)[REQUEST_ID_HEADER] = call.request_id
            call.sent += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, counted_receive, marked_send)
        except Exception as error:
            # Not on purpose: were it passed on, the server would log its message, which may hold what was sent.
            call.failure = logs.describe(error)
            if not call.status:
                call.problem = CodeserveError.type
                self._metrics.problem(call.problem)
                response = problems.respond(problems.problem_of(error, call.request_id))
                await response(scope, counted_receive, marked_send)


def _span(scope: Scope) -> AbstractContextManager[Span]:
    """Of the request, in the caller's trace where it names one."""
    if scope["path"].endswith(UNTRACED):
        return nullcontext(INVALID_SPAN)
    parent = Headers(scope=scope).get(tracing.TRACEPARENT)
    return tracing.span("request", parent=parent, kind=SpanKind.SERVER)


def _tell(span: Span, call: Call, scope: Scope) -> None:
    if not span.is_recording():
        return
    call.trace_id = tracing.trace_id(span)
    method = scope["method"] if scope["method"] in METHODS else "_OTHER"
    span.update_name(f"{method} {route_of(scope)}")
    span.set_attributes(
        {
            tracing.METHOD: method,
            tracing.ROUTE: route_of(scope),
            tracing.STATUS: call.status,
            tracing.RECEIVED: call.received,
            tracing.SENT: call.sent,
            tracing.REQUEST_ID: call.request_id,
        }
    )
    if call.problem:
        span.set_attribute(tracing.ERROR, call.problem)
    if call.status >= 500:
        span.set_status(Status(StatusCode.ERROR))


def _entry(call: Call, scope: Scope) -> dict[str, object]:
    entry: dict[str, object] = {
        "request_id": call.request_id,
        "method": scope["method"],
        "route": route_of(scope),
        "status": call.status,
        "seconds": round(call.seconds, 6),
        "bytes_in": call.received,
        "bytes_out": call.sent,
        "caller": call.caller,
        "stages": {name: round(seconds, 6) for name, seconds in call.stages.items()},
    }
    told = {"trace_id": call.trace_id, "error": call.failure}
    return entry | {name: value for name, value in told.items() if value}
