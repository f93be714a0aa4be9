"""JSON over HTTP, as most platforms speak it: objects, pages that link to the next, and fields of the type they
should have."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from datetime import date, datetime
from typing import Any

import orjson

from codeserve.adapters.errors import Malformed
from codeserve.adapters.http import Answer, Ask, Auth, T, Wire

Object = dict[str, Any]
HEADERS = {"Accept": "application/json", "Content-Type": "application/json"}
MOST_PAGES = 10_000


class Rest:
    """`results`: names under which a page may hold its objects."""

    def __init__(self, wire: Wire, auth: Auth, results: tuple[str, ...] = ("results",)) -> None:
        self.wire = wire
        self.auth = auth
        self._results = results

    async def close(self) -> None:
        await self.auth.close()
        await self.wire.close()

    async def get(self, operation: str, url: str, params: Mapping[str, str] | None = None) -> Object:
        return await self._send(operation, "GET", url, an_object, params=params)

    async def pages(self, operation: str, url: str, params: Mapping[str, str]) -> AsyncIterator[Object]:
        """The objects of all pages. A page's "next" is an address that the platform made; it is followed as it is."""
        seen = {url}
        for number in range(MOST_PAGES):
            found = await self._send(operation, "GET", url, self._page, params=params if number == 0 else None)
            for one in found["objects"]:
                yield one
            if not found["next"]:
                return
            url = found["next"]
            if url in seen:
                break
            seen.add(url)
        raise Malformed(f"{self.wire.platform}: {operation}: the pages go round")

    async def write(
        self, operation: str, method: str, url: str, body: object, read: Callable[[Answer], T], again: bool = False
    ) -> T:
        """`again`: sending it twice leaves what sending it once does."""
        return await self._send(operation, method, url, read, body=body, writing=not again)

    async def _send(
        self,
        operation: str,
        method: str,
        url: str,
        read: Callable[[Answer], T],
        params: Mapping[str, str] | None = None,
        body: object = None,
        writing: bool = False,
    ) -> T:
        content = None if body is None else orjson.dumps(body)
        ask = Ask(operation, method, url, read, params=params, headers=HEADERS, body=content, writing=writing)
        return await self.wire.send(ask, self.auth)

    def _page(self, answer: Answer) -> Object:
        found = an_object(answer)
        objects = next((found[name] for name in self._results if name in found), None)
        if not isinstance(objects, list) or not all(isinstance(o, dict) for o in objects):
            raise Malformed("not a page")
        following = found.get("next")
        return {"objects": objects, "next": following if isinstance(following, str) else None}


def an_object(answer: Answer) -> Object:
    found = answer.json()
    if not isinstance(found, dict):
        raise Malformed("not an object")
    return found


def nothing(answer: Answer) -> None:
    """Of an answer whose body does not matter, such as 204."""
    if answer.body and answer.body.lstrip()[:1] == b"<":
        raise Malformed("a page of HTML")


def a_text(found: Mapping[str, Any], name: str) -> str:
    """A field as text; numbers are taken, ids come as either. Empty where it is missing."""
    value = found.get(name)
    return str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""


def required(found: Mapping[str, Any], name: str) -> str:
    value = a_text(found, name)
    if not value:
        raise Malformed(f"the platform does not say {name}")
    return value


def a_date(found: Mapping[str, Any], name: str) -> date | None:
    """The day of a date or a timestamp, as it is written: a visit's day is that of the practice's clock."""
    try:
        return date.fromisoformat(a_text(found, name)[:10])
    except ValueError:
        return None


def a_time(found: Mapping[str, Any], name: str) -> datetime | None:
    """A timestamp that says its time zone."""
    try:
        read = datetime.fromisoformat(a_text(found, name))
    except ValueError:
        return None
    return read if read.tzinfo else None
