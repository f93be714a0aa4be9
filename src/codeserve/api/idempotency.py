"""The same request twice is answered once: by API key and Idempotency-Key, in this process, for a short time.

What is kept is the SHA-256 of the request and the answer's bytes, never the note itself (an answer does quote its
evidence). Failures are not kept: the next try is a new one.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from codeserve.errors import DeadlineExceeded, IdempotencyConflict

Work = Callable[[], Awaitable[bytes]]


@dataclass(eq=False, slots=True)
class Entry:
    """Of one Idempotency-Key: whose request it was, and its answer, or that it is being worked on."""

    digest: str
    begun: float
    answer: asyncio.Future[bytes] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Answers:
    """At most `most` answers for `seconds` each; of the API key that holds the most, the oldest goes first."""

    def __init__(self, most: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._seconds, self._clock = most, seconds, clock
        self._of: dict[str, OrderedDict[str, Entry]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._of.values()))

    def knows(self, caller: str, key: str) -> bool:
        self._forget_old()
        return key in self._of.get(caller, {})

    async def once(self, caller: str, key: str, request: bytes, work: Work) -> bytes:
        """The answer of `work`, or of the same request before; one that is still running is waited for.

        Raises IdempotencyConflict where `key` stood for another request, and whatever `work` raises.
        """
        digest = hashlib.sha256(request).hexdigest()
        while self.knows(caller, key):
            entry = self._of[caller][key]
            if entry.digest != digest:
                raise IdempotencyConflict("This Idempotency-Key was used for another request")
            # Not awaited itself: whoever stops waiting must not cancel it for the others.
            await asyncio.wait([entry.answer])
            if not entry.answer.cancelled():
                return entry.answer.result()
            # Its owner left or ran out of time, which says nothing about this one.
        return await self._work(caller, key, digest, work)

    async def _work(self, caller: str, key: str, digest: str, work: Work) -> bytes:
        if not self._most:
            return await work()
        entry = Entry(digest, self._clock())
        self._of.setdefault(caller, OrderedDict())[key] = entry
        self._make_room()
        try:
            answer = await work()
        except (asyncio.CancelledError, DeadlineExceeded):
            entry.answer.cancel()
            raise
        except BaseException as error:
            entry.answer.set_exception(error)
            entry.answer.exception()  # seen: nobody may be waiting
            raise
        else:
            entry.answer.set_result(answer)
            return answer
        finally:
            if entry.answer.cancelled() or entry.answer.exception():
                self._drop(caller, key, entry)

    def _drop(self, caller: str, key: str, entry: Entry) -> None:
        own = self._of.get(caller, OrderedDict())
        if own.get(key) is entry:
            del own[key]
            if not own:
                del self._of[caller]

    def _forget_old(self) -> None:
        until = self._clock() - self._seconds
        for caller, own in list(self._of.items()):
            for key, entry in list(own.items()):
                if entry.begun > until:
                    break
                self._drop(caller, key, entry)

    def _make_room(self) -> None:
        while len(self) > self._most:
            caller = max(self._of, key=lambda name: len(self._of[name]))
            key, entry = next(iter(self._of[caller].items()))
            self._drop(caller, key, entry)
