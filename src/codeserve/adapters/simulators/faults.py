"""Faults on request: the next fitting requests are answered as a platform in trouble would."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

Kind = Literal["status", "lost", "slow", "drip", "malformed", "cut"]
CONTROL = "/_simulator"


@dataclass(slots=True)
class Fault:
    """`status`: answered so, nothing is done. `lost`: it is done, and answered with the status all the same. `slow`:
    it is done, and answered after `seconds`. `drip`: it is done, and answered a byte at a time. `malformed`: it is
    done, and answered 200 with a page of HTML. `cut`: it is done, and the answer ends in its middle. `method` and
    `path` (a part of it) choose the requests, `times` how many.
    """

    kind: Kind
    status: int = 503
    times: int = 1
    method: str = ""
    path: str = ""
    retry_after: str | None = None
    seconds: float = 5.0


@dataclass(slots=True)
class Faults:
    """`log` holds what was asked, as (method, path), faults included."""

    waiting: list[Fault] = field(default_factory=list)
    log: list[tuple[str, str]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, kind: Kind, status: int = 503, **rest: object) -> None:
        with self._lock:
            self.waiting.append(Fault(kind, status, **rest))  # type: ignore[arg-type]

    def clear(self) -> None:
        with self._lock:
            self.waiting.clear()

    def asked(self, method: str = "", path: str = "") -> int:
        return sum(method in ("", m) and path in p for m, p in self.log)

    def take(self, method: str, path: str) -> Fault | None:
        with self._lock:
            self.log.append((method, path))
            for fault in self.waiting:
                if fault.method in ("", method) and fault.path in path:
                    fault.times -= 1
                    if fault.times == 0:
                        self.waiting.remove(fault)
                    return fault
        return None


class FaultMiddleware:
    """`label` makes of path, headers and body what the faults choose by."""

    def __init__(self, app: ASGIApp, faults: Faults, label: Callable[[str, Mapping[str, str], bytes], str]) -> None:
        self.app = app
        self.faults = faults
        self.label = label

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(CONTROL):
            return await self.app(scope, receive, send)
        body = await _whole(receive)
        receive = _again(body)
        fault = self.faults.take(scope["method"], self.label(scope["raw_path"].decode(), Headers(scope=scope), body))
        if fault is None:
            return await self.app(scope, receive, send)
        if fault.kind == "status":
            return await _failure(fault)(scope, receive, send)
        answer = await self._done(scope, receive)
        if fault.kind == "slow":
            await asyncio.sleep(fault.seconds)
        await _answer(fault, answer, scope, receive, send)

    async def _done(self, scope: Scope, receive: Receive) -> list[Message]:
        """What the platform would have answered."""
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        await self.app(scope, receive, keep)
        return messages


async def _whole(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    return body


def _again(body: bytes) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


def _failure(fault: Fault) -> Response:
    headers = {"Retry-After": fault.retry_after} if fault.retry_after is not None else None
    return Response("a fault that was asked for", fault.status, headers=headers)


async def _answer(fault: Fault, answer: list[Message], scope: Scope, receive: Receive, send: Send) -> None:
    if fault.kind == "lost":
        await _failure(fault)(scope, receive, send)
    elif fault.kind == "malformed":
        await Response("<html><body>Sign in to the network</body></html>", 200)(scope, receive, send)
    elif fault.kind == "drip":
        await send(answer[0])
        for byte in answer[1].get("body", b""):
            await asyncio.sleep(fault.seconds)
            await send({"type": "http.response.body", "body": bytes([byte]), "more_body": True})
    elif fault.kind == "cut":
        await send(answer[0])
        await send({"type": "http.response.body", "body": answer[1].get("body", b"")[:5], "more_body": True})
        raise ConnectionResetError("cut, as was asked for")
    else:
        for message in answer:
            await send(message)
