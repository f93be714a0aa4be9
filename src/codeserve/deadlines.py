"""Work that may take so long and no longer.

Between machines a deadline travels as the seconds that are left: their clocks differ, and a time of one says little to
the other. What the way there takes is not counted then; the gateway's own clock counts it, and cancels.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from codeserve.errors import DeadlineExceeded


def seconds_left(deadline: float) -> float:
    """Until a time of the running event loop's clock; negative when it is past."""
    return deadline - asyncio.get_running_loop().time()


@asynccontextmanager
async def within(seconds: float, what: str = "the request") -> AsyncIterator[None]:
    """Cancels the body after `seconds`, or does not begin it when none are left. Raises DeadlineExceeded."""
    if seconds <= 0:
        raise DeadlineExceeded(f"No time was left for {what}")
    clock = asyncio.timeout(None if seconds == math.inf else seconds)
    try:
        async with clock:
            yield
    except TimeoutError:
        if not clock.expired():
            raise
        raise DeadlineExceeded(f"The time for {what} was over") from None
