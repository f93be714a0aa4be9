"""How a delivery proves who sent it and when. Comparisons take the same time whatever differs."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import orjson

from codeserve.errors import BadRequest, Unauthorized

STALE_AFTER = timedelta(minutes=5)
AHEAD = timedelta(minutes=1)  # clocks of machines differ


def header(headers: Mapping[str, str], name: str) -> str:
    """Of headers in any case; empty where there is none."""
    return next((value for key, value in headers.items() if key.lower() == name.lower()), "")


def check_secret(sent: str, secret: str) -> None:
    """Raises Unauthorized. An unset secret admits nobody."""
    if not secret or not hmac.compare_digest(sent.encode(), secret.encode()):
        raise Unauthorized("The delivery does not prove who sent it")


def sign(secret: str, message: bytes) -> str:
    """HMAC-SHA256 in hexadecimal digits."""
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def check_signature(sent: str, secret: str, message: bytes) -> None:
    """Raises Unauthorized where the HMAC-SHA256 of the message is another."""
    check_secret(sent, sign(secret, message) if secret else "")


def check_age(sent: datetime, now: datetime, stale_after: timedelta = STALE_AFTER) -> None:
    """Raises Unauthorized for what is older than that, or comes from the future."""
    if not now - stale_after <= sent <= now + AHEAD:
        raise Unauthorized("The delivery is too old, or a clock is wrong")


def read_json(body: bytes) -> dict[str, Any]:
    """Raises BadRequest; the body is not repeated."""
    try:
        read = orjson.loads(body)
    except orjson.JSONDecodeError:
        read = None
    if not isinstance(read, dict):
        raise BadRequest("The delivery is not a JSON object")
    return read
