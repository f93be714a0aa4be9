"""File descriptors kept back: a server that has none left closes connections that it could not even refuse.

libuv closes at once what it cannot accept. So some descriptors are held in reserve; when few others are free they are
given up, and every answer ends its connection, until there is room again.
"""

from __future__ import annotations

import logging
import os
import resource
import threading
import time
from collections.abc import Callable
from functools import cache

HELD, LOW = 64, 32
PERIOD_S = 0.1
logger = logging.getLogger(__name__)


def free() -> int:
    """How many descriptors this process may still open."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        return limit - sum(int(number) < limit for number in os.listdir("/dev/fd"))
    except OSError:  # listing them takes one
        return 0


class Reserve:
    """Holds descriptors while there are enough; `short` while it had to give them up."""

    def __init__(self, free: Callable[[], int] = free) -> None:
        self._free = free
        self._held: list[int] = []
        self.short = False

    def look(self) -> None:
        """Give the reserve up, or take it back."""
        left = self._free()
        if left < LOW and not self.short:
            self.short = True
            logger.warning("few file descriptors are left; connections are closed after each answer")
            while self._held:
                os.close(self._held.pop())
        elif left >= LOW + HELD and not self._held:
            self._held = [os.open(os.devnull, os.O_RDONLY) for _ in range(HELD)]
            self.short = False

    def look_for_ever(self) -> None:
        while True:
            self.look()
            time.sleep(PERIOD_S)


@cache
def reserve_of_process() -> Reserve:
    """The one of this process, looked after by a thread."""
    reserve = Reserve()
    threading.Thread(target=reserve.look_for_ever, name=__name__, daemon=True).start()
    return reserve
