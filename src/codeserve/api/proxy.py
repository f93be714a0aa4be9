"""Around Ray Serve's HTTP proxy, so that what it answers by itself keeps the contract too.

The proxy logs and echoes any X-Request-Id as it came, and its own errors (no replica, a time-out) are plain text. With
CALLBACK_VARIABLE=CALLBACK in the environment of the Ray processes, ids are checked before it sees them, and its errors
are problem documents.
"""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from codeserve.api import observe, problems
from codeserve.api.descriptors import Reserve, reserve_of_process
from codeserve.errors import CodeserveError, DeadlineExceeded, NotReady, StageFailed

CALLBACK_VARIABLE = "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH"
CALLBACK = "codeserve.api.proxy:middlewares"
# A gateway's own errors are problem documents already: a bare 500 would be the proxy's word for a gateway that died.
GATEWAY_DIED = 500
NO_APPLICATION = 404  # ours takes every path, so it has not been built yet
ERRORS: dict[int, type[CodeserveError]] = {
    NO_APPLICATION: NotReady,
    408: DeadlineExceeded,
    GATEWAY_DIED: StageFailed,
    503: StageFailed,
}


def middlewares() -> list[Middleware]:
    """What Ray Serve calls when its proxy starts."""
    return [Middleware(Edge, reserve=reserve_of_process())]


class Edge:
    """Stands before the proxy: one checked request id in, one out, and no error in plain text. While descriptors are
    short, an answer ends its connection."""

    def __init__(self, app: ASGIApp, reserve: Reserve | None = None) -> None:
        self._app = app
        self._reserve = reserve or Reserve()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Ray's own health and route pages are under /-/ and keep their form.
        if scope["type"] != "http" or scope["path"].startswith("/-/"):
            await self._app(scope, receive, send)
            return
        request_id = observe.request_id(Headers(scope=scope))
        MutableHeaders(scope=scope)[observe.REQUEST_ID_HEADER] = request_id
        begun = replaced = False

        async def checked_send(message: Message) -> None:
            nonlocal begun, replaced
            if message["type"] == "http.response.start":
                begun = True
                headers = MutableHeaders(scope=message)
                headers[observe.REQUEST_ID_HEADER] = request_id
                if self._reserve.short:
                    headers["Connection"] = "close"
                if _is_bare_error(message["status"], headers):
                    replaced = True
                    await _problem(message["status"], request_id, scope, receive, send)
                    return
            if not replaced:
                await send(message)

        await self._app(scope, receive, checked_send)
        if not begun:  # the gateway died with the request: Serve's proxy says nothing, and the server a bare 500
            await _problem(GATEWAY_DIED, request_id, scope, receive, send)


def _is_bare_error(status: int, headers: Headers) -> bool:
    return status >= 400 and headers.get("content-type", "").partition(";")[0] != problems.MEDIA_TYPE


async def _problem(status: int, request_id: str, scope: Scope, receive: Receive, send: Send) -> None:
    error = ERRORS.get(status, CodeserveError)()
    headers = {**problems.headers_of(error), observe.REQUEST_ID_HEADER: request_id}
    await problems.respond(problems.problem_of(error, request_id), headers)(scope, receive, send)
