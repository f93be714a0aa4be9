"""Where a page of the list ended, as text that a caller hands back unread. Pure."""

from __future__ import annotations

import base64
import binascii

import orjson

from codeserve.errors import InvalidNote

Place = tuple[float, str]  # priority and id of the last item


def write(place: Place) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(place)).decode().rstrip("=")


def read(cursor: str) -> Place:
    """Raises InvalidNote for what `write` did not make."""
    try:
        priority, item_id = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, orjson.JSONDecodeError, ValueError, TypeError):
        raise InvalidNote("This is no cursor of ours", field="cursor") from None
    if not isinstance(priority, int | float) or not isinstance(item_id, str) or len(item_id) > 36:
        raise InvalidNote("This is no cursor of ours", field="cursor")
    return float(priority), item_id
