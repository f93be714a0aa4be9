"""A replica that cannot start waits before it says so, longer each time: Serve would start the next one at once.

Serve gives a new version `max_constructor_retry_count` attempts, three for each replica at most; a version that ran
once is tried for ever. The number of failures in a row is kept in Ray's own store, since each attempt is a new process.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from codeserve.errors import SetupError

LONGEST_S = 60.0
logger = logging.getLogger(__name__)


def pause_s(failures: int) -> float:
    """2, 4, 8 … seconds after so many failures in a row."""
    return min(LONGEST_S, 2.0**failures)


@asynccontextmanager
async def paced(deployment: str) -> AsyncIterator[None]:
    """Around the start of a replica. What the configuration makes impossible (SetupError) fails without a pause."""
    from ray.experimental import internal_kv as store

    key = f"codeserve/failed-starts/{deployment}".encode()
    try:
        yield
    except Exception as error:
        failures = int(store._internal_kv_get(key) or 0) + 1
        store._internal_kv_put(key, str(failures).encode(), overwrite=True)
        logger.warning("start failed", extra={"fields": {"deployment": deployment, "failures": failures}})
        if not isinstance(error, SetupError):
            await asyncio.sleep(pause_s(failures))
        raise
    store._internal_kv_del(key)
