"""One method an operation. Nothing is tried again here: whether, and when, is for the caller, who knows its
deadline."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Literal, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ValidationError

from codeserve.client.models import (
    CodeInfo,
    ExtractRequest,
    ExtractResponse,
    GapsRequest,
    GapsResponse,
    ModelList,
    Problem,
    ValidateRequest,
    ValidateResponse,
)

Answer = TypeVar("Answer", bound=BaseModel)
Priority = Literal["interactive", "batch"]
WAIT_S = 120.0
LATER = 5.0  # the answer may travel this long after the deadline


class GatewayError(Exception):
    """`status` is 0 where no answer came. `type` is the problem's; `retry_after` in seconds, where the gateway says it.
    The message holds nothing of what was sent."""

    def __init__(
        self,
        type: str,
        detail: str,
        status: int = 0,
        *,
        retryable: bool = False,
        retry_after: float | None = None,
        problem: Problem | None = None,
    ) -> None:
        super().__init__(f"{type}: {detail}")
        self.type, self.detail, self.status = type, detail, status
        self.retryable, self.retry_after, self.problem = retryable, retry_after, problem


class Client:
    """`key`: an API key or a bearer token. `transport`: another way to the gateway, for tests."""

    def __init__(self, base_url: str, key: str = "", *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.AsyncClient(base_url=base_url, headers=headers, transport=transport, trust_env=False)

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    async def extract_codes(
        self,
        request: ExtractRequest,
        *,
        timeout_s: float = WAIT_S,
        priority: Priority | None = None,
        idempotency_key: str | None = None,
    ) -> ExtractResponse:
        """Code a note. With a key, a repeated request is answered as before for a short time. Raises GatewayError."""
        return await self._post("/v1/extract-codes", request, ExtractResponse, timeout_s, priority, idempotency_key)

    async def validate_codes(
        self, request: ValidateRequest, *, timeout_s: float = WAIT_S, priority: Priority | None = None
    ) -> ValidateResponse:
        return await self._post("/v1/validate-codes", request, ValidateResponse, timeout_s, priority)

    async def documentation_gaps(
        self, request: GapsRequest, *, timeout_s: float = WAIT_S, priority: Priority | None = None
    ) -> GapsResponse:
        return await self._post("/v1/documentation-gaps", request, GapsResponse, timeout_s, priority)

    async def models(self) -> ModelList:
        return await self._send("GET", "/v1/models", ModelList)

    async def code(self, code: str) -> CodeInfo:
        return await self._send("GET", f"/v1/codes/{quote(code, safe='')}", CodeInfo)

    async def _post(
        self,
        path: str,
        request: BaseModel,
        model: type[Answer],
        timeout_s: float,
        priority: Priority | None,
        idempotency_key: str | None = None,
    ) -> Answer:
        headers = {
            "Content-Type": "application/json",
            "X-Request-Timeout-Ms": str(max(1, round(timeout_s * 1000))),
            "X-Priority": priority,
            "Idempotency-Key": idempotency_key,
        }
        body = request.model_dump_json(exclude_none=True).encode()
        kept = {name: value for name, value in headers.items() if value}
        return await self._send("POST", path, model, kept, body, timeout_s + LATER)

    async def _send(
        self,
        method: str,
        path: str,
        model: type[Answer],
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout_s: float = WAIT_S,
    ) -> Answer:
        response: httpx.Response | None = None
        with suppress(httpx.HTTPError):  # it holds the request, so it must not even stand behind the error of ours
            response = await self._http.request(method, path, headers=headers, content=body, timeout=timeout_s)
        if response is None:
            raise GatewayError("unreachable", "No answer came from the gateway", retryable=True)
        if response.status_code != 200:
            raise _refused(response)
        try:
            return model.model_validate_json(response.content)
        except ValidationError:
            pass
        raise GatewayError("malformed", "The answer is not one of this API", response.status_code)


def _refused(response: httpx.Response) -> GatewayError:
    """From the problem document; from the status alone where something between answered without one."""
    status = response.status_code
    after = response.headers.get("Retry-After", "")
    retry_after = float(after) if after.isascii() and after.isdecimal() else None
    try:
        problem: Problem | None = Problem.model_validate_json(response.content)
    except ValidationError:
        problem = None
    if problem is None:
        later = status in (429, 502, 503, 504)
        return GatewayError("http-error", f"Status {status}", status, retryable=later, retry_after=retry_after)
    kind = problem.type.rpartition(":")[2]
    return GatewayError(
        kind, problem.detail, status, retryable=problem.retryable, retry_after=retry_after, problem=problem
    )
