"""Remote calls between replicas. What Ray raises becomes an error of ours in this one place."""

from __future__ import annotations

from typing import Any

import ray.exceptions
from ray.serve.exceptions import RayServeException

from codeserve.errors import CodeserveError, StageFailed

RETRY_AFTER_S = 2


def normalise(error: BaseException, stage: str) -> CodeserveError:
    """Our own error for what a remote call raised; the message names the stage and the kind, never what was sent."""
    if isinstance(error, ray.exceptions.RayTaskError):
        error = error.cause
    if isinstance(error, CodeserveError):
        return error
    return StageFailed(f"{stage} failed ({type(error).__name__})", retry_after=RETRY_AFTER_S)


async def call(stage: str, method: Any, *args: Any) -> Any:
    """Await `method.remote(*args)`; cancelling the caller cancels the call. Raises CodeserveError."""
    try:
        return await method.remote(*args)
    except (ray.exceptions.RayError, RayServeException, CodeserveError) as error:
        raise normalise(error, stage) from None
