"""One question and its answer: a slot, the body, the work before its deadline, the answer's bytes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

import orjson
from fastapi import Request
from starlette.responses import Response

from codeserve import tracing
from codeserve.api import limits
from codeserve.api.admission import Admission
from codeserve.api.drain import Drain
from codeserve.api.guard import Access
from codeserve.api.idempotency import Answers
from codeserve.api.metrics import Metrics
from codeserve.api.observe import Call
from codeserve.api.parse import parse
from codeserve.api.schemas import Request as Body
from codeserve.api.schemas import Response as Answered
from codeserve.api.service import Service, Timings
from codeserve.config import GatewaySettings
from codeserve.deadlines import within

if TYPE_CHECKING:
    from codeserve.api.stored import Stored

Asked = TypeVar("Asked", bound=Body)
Answer = TypeVar("Answer", bound=Answered)
Figures = Callable[[], Awaitable[bytes]]
REPLAYED_HEADER = "Idempotency-Replayed"


@dataclass(frozen=True, slots=True)
class Shell:
    """What the routes share; `app.state.shell`. `stored`: the database, where one is configured."""

    service: Service
    settings: GatewaySettings
    access: Access
    metrics: Metrics
    figures: Figures
    admission: Admission
    answers: Answers
    drain: Drain
    stored: Stored | None = None


@dataclass(slots=True)
class Exchange(Generic[Asked, Answer]):
    """`work` takes the question and the deadline, a time of the event loop's clock; `record` is told its answer."""

    request: Request
    shell: Shell
    model: type[Asked]
    work: Callable[[Asked, float], Awaitable[tuple[Answer, Timings]]]
    record: Callable[[Answer], None]
    deadline: float = 0.0
    worked: bool = False

    async def respond(self) -> Response:
        """Raises CodeserveError."""
        with self.shell.drain.enter():
            return await self._respond()

    async def _respond(self) -> Response:
        headers, settings = self.request.headers, self.shell.settings
        limits.require_json(headers)
        timeout = limits.timeout_s(headers, settings.default_timeout_s, settings.max_timeout_s)
        self.deadline = asyncio.get_running_loop().time() + timeout
        async with within(timeout, f"the request ({timeout:g} s)"):
            content = await self._content(limits.idempotency_key(headers))
        told = {"Server-Timing": _server_timing(self._call), "Cache-Control": "no-store"}
        if not self.worked:
            told[REPLAYED_HEADER] = "true"
        return Response(content, media_type="application/json", headers=told)

    async def _content(self, key: str | None) -> bytes:
        if key is not None and self.shell.answers.knows(self._call.caller, key):
            # No slot: most likely the answer is there, or will be once the one at work on it is done.
            return await self._once(key, await self._body(), self._with_slot)
        async with self._slot():
            body = await self._body()
            if key is None:
                return await limits.while_connected(self.request.receive, self._work(body))
            return await self._once(key, body, self._work)

    async def _once(self, key: str, body: bytes, work: Callable[[bytes], Awaitable[bytes]]) -> bytes:
        asked = self.request.url.path.encode() + b"\n" + body
        answer = self.shell.answers.once(self._call.caller, key, asked, lambda: work(body))
        return await limits.while_connected(self.request.receive, answer)

    async def _with_slot(self, body: bytes) -> bytes:
        async with self._slot():
            return await self._work(body)

    async def _work(self, body: bytes) -> bytes:
        self.worked = True
        answer, timings = await self.work(parse(self.model, body, self.shell.settings.max_text_chars), self.deadline)
        self._call.stages.update(timings.seconds)
        for stage, seconds in timings.seconds.items():
            self.shell.metrics.took(stage, seconds)
        self.record(answer)
        return orjson.dumps(answer.model_dump())

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        begun = time.perf_counter()
        async with AsyncExitStack() as held:
            with tracing.span("admission"):
                entering = self.shell.admission.enter(self._call.caller, limits.priority(self.request.headers))
                await held.enter_async_context(entering)
            self._call.stages["admission"] = waited = time.perf_counter() - begun
            self.shell.metrics.took("admission", waited)
            yield

    async def _body(self) -> bytes:
        return await limits.read_body(self.request, limits.body_limit(self.shell.settings.max_text_chars))

    @property
    def _call(self) -> Call:
        call: Call = self.request.state.call
        return call


def _server_timing(call: Call) -> str:
    """W3C Server Timing; durations in milliseconds."""
    stages = {**call.stages, "total": call.seconds}
    return ", ".join(f"{name};dur={seconds * 1000:.2f}" for name, seconds in stages.items())
