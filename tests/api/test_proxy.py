from __future__ import annotations

from typing import Any

import pytest
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

from codeserve.api import proxy
from tests.api.fakes import FakeService, make_app, post, request


class ServeProxy:
    """Does to requests what Ray Serve's proxy does: takes any id, makes one where none is, adds it to the response."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self.seen: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        taken = Headers(scope=scope).get("x-request-id", "made by the proxy")
        self.seen.append(taken)

        async def add_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).append("X-Request-ID", taken)
            await send(message)

        await self._app(scope, receive, add_id)


def edge(app: Any) -> Any:
    (middleware,) = proxy.middlewares()
    return middleware.cls(app, *middleware.args, **middleware.kwargs)


@pytest.mark.parametrize("sent", [{}, {"X-Request-Id": "r-1"}, {"X-Request-Id": "Jane Roe"}])
def test_one_checked_id_however_many_add_it(sent: dict[str, str]) -> None:
    inner = ServeProxy(make_app(FakeService()))
    response = post(edge(inner), {"document_id": "d", "text": "chest pain"}, headers=sent)
    (echoed,) = response.headers.get_list("x-request-id")
    assert inner.seen == [echoed]
    assert echoed == "r-1" or len(echoed) == 36


@pytest.mark.parametrize(
    ("status", "shown", "kind"),
    [
        (408, 504, "deadline-exceeded"),
        (503, 503, "stage-failed"),
        (500, 503, "stage-failed"),  # the gateway died; its own 500 is a problem document already
        (404, 503, "not-ready"),  # no application yet
    ],
)
def test_the_proxys_own_errors_become_problems(status: int, shown: int, kind: str) -> None:
    plain = PlainTextResponse("Unexpected error, traceback: Jane Roe", status)
    response = request(edge(ServeProxy(plain)), "GET", "/v1/models")
    assert response.status_code == shown
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["type"] == f"urn:codeserve:problem:{kind}"
    assert response.json()["request_id"] == response.headers["x-request-id"]
    assert "Jane" not in response.text
    assert ("retry-after" in response.headers) == (shown == 503)


def test_a_gateway_that_died_without_a_word_is_a_503_to_try_again() -> None:
    async def silent(scope: Scope, receive: Receive, send: Send) -> None:
        """What Serve's proxy does with a request whose replica died."""

    response = request(edge(silent), "POST", "/v1/extract-codes")
    assert (response.status_code, response.json()["type"]) == (503, "urn:codeserve:problem:stage-failed")
    assert int(response.headers["retry-after"]) > 0


def test_answers_and_problems_pass_as_they_are() -> None:
    app = make_app(FakeService(missing={"Reasoner": "starting"}))
    assert request(edge(app), "GET", "/livez").json() == {"alive": True}
    assert request(edge(app), "GET", "/readyz").json()["missing"] == ["Reasoner"]


def test_rays_own_pages_keep_their_form() -> None:
    response = request(edge(PlainTextResponse("draining", 503)), "GET", "/-/healthz")
    assert response.text == "draining"
