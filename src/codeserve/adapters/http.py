"""One HTTP client for all platforms: time-outs, tries with growing pauses, tokens, and errors that leak nothing.

httpx's own errors hold the request with its address, header and body, so none of them leaves this module, not even as
the cause of ours: ours are raised outside the block that caught them.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Generic, Protocol, TypeVar
from urllib.parse import quote, urljoin, urlsplit

import httpx
import orjson
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt

from codeserve.adapters.errors import (
    CredentialsRefused,
    Malformed,
    NotThere,
    PlatformError,
    Refused,
    TryLater,
    Uncertain,
)
from codeserve.adapters.retries import BROKEN, MALFORMED, TIMEOUT, UNCONNECTED, Patience, Verdict, pause, verdict
from codeserve.adapters.retries import retry_after as read_retry_after
from codeserve.adapters.shapes import SHAPE_ERRORS
from codeserve.errors import SetupError
from codeserve.loopback import is_loopback

T = TypeVar("T")
Sleep = Callable[[float], Awaitable[None]]
MOST_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    def json(self) -> Any:
        """Raises Malformed."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            broken = True
        if broken:
            raise Malformed("not JSON")


@dataclass(frozen=True, slots=True)
class Ask(Generic[T]):
    """A request. `operation` names it in errors; `writing` says that sending it again may do it again; `read` turns the
    answer into what the caller wants; it raises Malformed where it cannot, and may refuse by another PlatformError."""

    operation: str
    method: str
    url: str = field(repr=False)
    read: Callable[[Answer], T]
    params: Mapping[str, str] | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    writing: bool = False


async def together(*calls: Awaitable[Any]) -> list[Any]:
    """The results of several calls at once. The first error ends the others."""
    tasks = [asyncio.ensure_future(call) for call in calls]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def segment(value: str) -> str:
    """An id as a part of an address. Raises NotThere for one that would lead elsewhere."""
    if value in ("", ".", ".."):
        raise NotThere("not an id of a platform")
    return quote(value, safe="")


class Auth(Protocol):
    """How a request proves who sends it."""

    async def headers(self) -> Mapping[str, str]: ...

    async def refused(self, headers: Mapping[str, str]) -> None:
        """The platform took these headers for no proof (401): make sure that the next ones differ."""

    async def close(self) -> None: ...


class _Again(Exception):
    """Try again; `error` is what to raise when that was the last try, `after` what the platform asks to wait."""

    def __init__(self, error: PlatformError, after: float | None = None, at_once: bool = False) -> None:
        super().__init__()
        self.error, self.after, self.at_once = error, after, at_once


class Wire:
    """The connections to one platform. `sleep` waits between tries; tests give another."""

    def __init__(
        self,
        platform: str,
        base_url: str,
        *,
        patience: Patience = Patience(),  # noqa: B008 - frozen
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.platform = platform
        self.base_url = _checked(platform, base_url)
        self._patience = patience
        self._sleep = sleep
        for name in ("httpx", "httpcore"):  # they log addresses and headers below WARNING, and those name patients
            logging.getLogger(name).setLevel(logging.WARNING)
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(patience.answer, connect=patience.connect, pool=patience.answer),
            limits=httpx.Limits(max_connections=20, max_keepalive_connections=10),
            follow_redirects=False,
            verify=_tls(),
            trust_env=False,  # neither a proxy nor a .netrc of the machine gets between
        )

    def to(self, url: str) -> Wire:
        """Another wire, as patient as this one, to an address that the settings name."""
        return Wire(self.platform, urljoin(self.base_url, url), patience=self._patience, sleep=self._sleep)

    async def close(self) -> None:
        await self._client.aclose()

    def within(self, url: str) -> str:
        """An address that the platform named, made absolute. Raises Malformed where it leads elsewhere: the token
        would travel with it."""
        try:
            whole = urljoin(self.base_url, url)
            same = urlsplit(whole)[:2] == urlsplit(self.base_url)[:2]
        except ValueError:
            same = False
        if not same:
            raise Malformed(f"{self.platform}: an address leads to another host")
        return whole

    async def send(self, ask: Ask[T], auth: Auth | None = None) -> T:
        """Send, and again as the table of statuses says. Raises PlatformErrors only."""
        refreshed = False
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(_Again),
            stop=stop_after_attempt(self._patience.tries),
            wait=self._wait,
            sleep=self._sleep,
            reraise=True,
        )
        last: PlatformError | None = None
        try:
            async for attempt in retrying:
                with attempt:
                    headers = await auth.headers() if auth else {}
                    happened, answer = await self._once(ask, headers)
                    result = self._judge(ask, happened, answer)
                    if isinstance(result, _Again) and result.at_once:
                        if auth is None or refreshed:
                            raise result.error
                        refreshed = True
                        await auth.refused(headers)
                    if isinstance(result, _Again):
                        raise result
                    return result
        except _Again as again:
            last = again.error
        raise last or TryLater(self._say(ask, "was not tried"))

    async def _once(self, ask: Ask[T], headers: Mapping[str, str]) -> tuple[int | str, Answer | None]:
        """One try: the status and the answer, or what happened instead."""
        try:
            return await asyncio.wait_for(self._sent(ask, headers), self._patience.whole)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout):
            return UNCONNECTED, None
        except (httpx.TimeoutException, TimeoutError):
            return TIMEOUT, None
        except (httpx.DecodingError, httpx.InvalidURL):
            return MALFORMED, None
        except httpx.HTTPError:
            return BROKEN, None

    async def _sent(self, ask: Ask[T], headers: Mapping[str, str]) -> tuple[int | str, Answer | None]:
        request = self._client.build_request(
            ask.method,
            self.within(ask.url),
            params=ask.params,
            headers={**ask.headers, **headers},
            content=ask.body,
        )
        response = await self._client.send(request, stream=True)
        try:
            body = bytearray()
            async for part in response.aiter_bytes():
                body += part
                if len(body) > MOST_BYTES:
                    return MALFORMED, None
        finally:
            await response.aclose()
        return response.status_code, Answer(response.status_code, response.headers, bytes(body))

    def _judge(self, ask: Ask[T], happened: int | str, answer: Answer | None) -> T | _Again:
        """The result, or a try again; raises where neither helps."""
        means = verdict(happened, ask.writing)
        if means is Verdict.OK and answer is not None:
            try:
                return ask.read(answer)
            except (Malformed, *SHAPE_ERRORS):
                happened = MALFORMED
            means = verdict(happened, ask.writing)
        after = read_retry_after(answer.headers.get("retry-after")) if answer else None
        if means is Verdict.UNCERTAIN:
            raise Uncertain(self._say(ask, happened))
        if means is Verdict.REFRESH:
            return _Again(CredentialsRefused(self._say(ask, happened)), at_once=True)
        if means is Verdict.GIVE_UP:
            raise _refusal(happened)(self._say(ask, happened))
        if after is not None and after > self._patience.longest_pause:
            raise TryLater(self._say(ask, happened), retry_after=round(after))
        kind = Malformed if happened == MALFORMED else TryLater
        return _Again(kind(self._say(ask, happened), retry_after=round(after) if after else None), after)

    def _wait(self, state: RetryCallState) -> float:
        again = state.outcome.exception() if state.outcome else None
        if isinstance(again, _Again) and again.at_once:
            return 0.0
        return pause(self._patience, state.attempt_number, again.after if isinstance(again, _Again) else None)

    def _say(self, ask: Ask[T], happened: int | str) -> str:
        return f"{self.platform}: {ask.operation}: {happened}"


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    """Shared: reading the certificates takes longer than a request. SSL_CERT_FILE names those of a private
    authority."""
    return httpx.create_ssl_context(trust_env=True)


def _refusal(happened: int | str) -> type[Refused]:
    if happened in (404, 410):
        return NotThere
    return CredentialsRefused if happened == 403 else Refused


def _checked(platform: str, base_url: str) -> str:
    """A base address that ends in "/". Raises SetupError where what is sent there could be read on the way."""
    parts = urlsplit(base_url)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
        raise SetupError(f"platform {platform}: base_url must be https", hint="http is for loopback addresses only")
    return base_url.rstrip("/") + "/"
