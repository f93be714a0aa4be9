"""Remote calls between replicas: cancelled with their caller, made once more when the replica died, and what Ray raises
becomes an error of ours in this one place. Over gRPC what a replica raises arrives as it is, over Ray's own transport
within a RayTaskError.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from grpc import StatusCode
from grpc.aio import AioRpcError
from ray.exceptions import ActorUnavailableError, RayActorError, RayTaskError
from ray.serve.exceptions import BackPressureError, ReplicaUnavailableError

from codeserve.errors import CodeserveError, Overloaded, StageFailed

RETRY_AFTER_S = 2
PAUSE_S = 0.2
PAUSES_S = (0.2, 0.5, 1.0)
logger = logging.getLogger(__name__)


class ReplicaLost(Exception):
    """The replica that had the call has gone, or cannot be reached and may have (`known` is false); the call itself did
    no harm."""

    def __init__(self, known: bool) -> None:
        super().__init__()
        self.known = known


def normalise(error: BaseException, stage: str) -> CodeserveError:
    """Our own error for what a remote call raised; the message names the stage and the kind, never what was sent."""
    if isinstance(error, RayTaskError):
        error = error.cause
    if isinstance(error, CodeserveError):
        return error
    if isinstance(error, BackPressureError):
        return Overloaded(f"Too many requests wait for {stage}", retry_after=RETRY_AFTER_S)
    return StageFailed(f"{stage} failed ({type(error).__name__})", retry_after=RETRY_AFTER_S)


async def call(stage: str, method: Any, *args: Any, retried: Callable[[str], None] = lambda _: None) -> Any:
    """Await `method.remote(*args)`; cancelling the caller cancels the call. Raises CodeserveError.

    A call whose replica died is made once more, to whichever replica is there then; the work of a stage has no side
    effect. While Ray does not know yet whether a replica died, its router may choose that one again, so the next
    attempt waits for `PAUSES_S`. `retried` is told the stage. What a replica answers, an error of ours or of its model,
    is final.
    """
    deaths, pauses = 0, iter(PAUSES_S)
    while True:
        try:
            return await _once(method, args)
        except ReplicaLost as lost:
            deaths += lost.known
            pause = next(pauses, None)
            if deaths > 1 or pause is None:
                raise normalise(lost, stage) from None
        except Exception as error:
            raise normalise(error, stage) from None
        logger.warning("a replica of %s is lost to a call; the call is made once more", stage)
        retried(stage)
        if not deaths:
            await asyncio.sleep(pause)


async def _once(method: Any, args: tuple[Any, ...]) -> Any:
    """Raises ReplicaLost, and what Ray raises."""
    response = method.remote(*args)
    try:
        return await response
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and not task.cancelling():
            # Cancelled from outside: its replica is being stopped, or the caller hung up and Ray was quicker to cancel
            # the call than this task, whose own cancellation then comes within the pause.
            await asyncio.sleep(PAUSE_S)
            raise ReplicaLost(known=True) from None
        response.cancel()
        raise
    except (RayActorError, ReplicaUnavailableError) as error:
        raise ReplicaLost(known=not isinstance(error, ActorUnavailableError)) from None
    except AioRpcError as error:
        if error.code() is StatusCode.CANCELLED:  # by the replica, which is being stopped
            raise ReplicaLost(known=True) from None
        raise
