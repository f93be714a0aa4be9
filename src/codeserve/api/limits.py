"""What a request may cost and what its headers ask for; whether its caller is still there."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Coroutine, Mapping
from email.message import Message
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive

from codeserve.api.admission import PRIORITIES
from codeserve.config import PriorityName
from codeserve.errors import BadRequest, CallerLeft, InvalidNote, TooLarge, UnsupportedMediaType

T = TypeVar("T")
TIMEOUT_HEADER = "X-Request-Timeout-Ms"
PRIORITY_HEADER = "X-Priority"
IDEMPOTENCY_HEADER = "Idempotency-Key"
_IDEMPOTENCY_KEY = re.compile(r"[!-~]{1,255}")
# JSON may write a character outside the BMP as two escapes of six bytes; the rest is for the other fields.
BYTES_A_CHARACTER = 12
OTHER_BYTES = 256 * 1024


def body_limit(max_text_chars: int) -> int:
    """Bytes that any acceptable body fits into, however its JSON is written."""
    return max_text_chars * BYTES_A_CHARACTER + OTHER_BYTES


def require_json(headers: Mapping[str, str]) -> None:
    """Raises UnsupportedMediaType for any body but plain UTF-8 JSON."""
    message = Message()
    message["content-type"] = headers.get("content-type", "")
    if message.get_content_type() != "application/json":
        raise UnsupportedMediaType("Content-Type must be application/json")
    if str(message.get_param("charset", "utf-8")).lower() != "utf-8":
        raise UnsupportedMediaType("The charset must be utf-8")
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("A compressed body is not taken")


async def read_body(request: Request, limit: int) -> bytes:
    """The body. Raises TooLarge as soon as it is known to be, BadRequest when the caller leaves before its end."""
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared) > limit:
        raise TooLarge(f"The body has more than {limit} bytes")
    body = bytearray()
    try:
        async for part in request.stream():
            body += part
            if len(body) > limit:
                raise TooLarge(f"The body has more than {limit} bytes")
    except ClientDisconnect:
        raise BadRequest("The body ended early") from None
    return bytes(body)


def timeout_s(headers: Mapping[str, str], default_s: float, cap_s: float) -> float:
    """Seconds that the request may take: the caller's wish in milliseconds, from 1 to the cap."""
    wish = headers.get(TIMEOUT_HEADER)
    if wish is None:
        return default_s
    cap_ms = int(cap_s * 1000)
    if not (wish.isascii() and wish.isdigit() and len(wish) < 12 and 1 <= int(wish) <= cap_ms):
        raise InvalidNote(f"Should be a whole number from 1 to {cap_ms}", field=TIMEOUT_HEADER)
    return int(wish) / 1000


def priority(headers: Mapping[str, str]) -> PriorityName | None:
    """The class that the request names, if any."""
    wish = headers.get(PRIORITY_HEADER)
    if wish is None:
        return None
    for known in PRIORITIES:
        if wish.lower() == known:
            return known
    raise InvalidNote(f"Should be {' or '.join(PRIORITIES)}", field=PRIORITY_HEADER)


def idempotency_key(headers: Mapping[str, str]) -> str | None:
    key = headers.get(IDEMPOTENCY_HEADER)
    if key is not None and not _IDEMPOTENCY_KEY.fullmatch(key):
        raise InvalidNote("Should be 1 to 255 visible ASCII characters", field=IDEMPOTENCY_HEADER)
    return key


async def while_connected(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, which is cancelled when the caller hangs up. The body has been read before.

    Raises CallerLeft. Returns or raises only when `work` has ended, so that nothing goes on without its slot.
    """
    working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(_left(receive))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise CallerLeft()
        return working.result()
    finally:
        working.cancel()
        leaving.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
