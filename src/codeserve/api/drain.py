"""Stopping without losing a request: what runs is finished, what comes is told to come again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from codeserve.errors import NotReady

RETRY_AFTER_S = 5


class Drain:
    """Counts what is inside. One event loop uses it."""

    def __init__(self) -> None:
        self._draining = False
        self._inside = 0
        self._empty = asyncio.Event()
        self._empty.set()

    def require_open(self) -> None:
        """Raises NotReady once draining."""
        if self._draining:
            raise NotReady("The service is stopping", retry_after=RETRY_AFTER_S)

    @contextmanager
    def enter(self) -> Iterator[None]:
        """Raises NotReady once draining."""
        self.require_open()
        self._inside += 1
        self._empty.clear()
        try:
            yield
        finally:
            self._inside -= 1
            if not self._inside:
                self._empty.set()

    async def finish(self, seconds: float, refuse: bool = True) -> int:
        """Wait until all inside is done, and with `refuse` take no more; how many are not done after `seconds`."""
        self._draining = self._draining or refuse
        try:
            async with asyncio.timeout(seconds):
                await self._empty.wait()
        except TimeoutError:
            pass
        return self._inside
