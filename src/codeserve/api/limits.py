"""What a request may cost: its size, its time, and how many run at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.message import Message

from starlette.requests import ClientDisconnect, Request

from codeserve.errors import BadRequest, InvalidNote, Overloaded, TooLarge, UnsupportedMediaType

TIMEOUT_HEADER = "X-Request-Timeout-Ms"
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


class Admission:
    """Lets at most `most` requests in at once; the next one is turned away rather than queued."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._inside = 0

    @contextmanager
    def enter(self) -> Iterator[None]:
        """Raises Overloaded."""
        if self._inside >= self._most:
            raise Overloaded(f"{self._most} requests are being coded already", retry_after=1)
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1
