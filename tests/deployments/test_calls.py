"""Calls over a stand-in for a handle; the end-to-end tests take Ray's."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Any

import pytest
from grpc import StatusCode
from grpc.aio import AioRpcError, Metadata
from ray.exceptions import ActorDiedError, ActorUnavailableError, RayTaskError
from ray.serve.exceptions import BackPressureError, ReplicaUnavailableError

from codeserve.deployments.calls import PAUSES_S, call
from codeserve.errors import DeadlineExceeded, Overloaded, StageFailed


class Response:
    def __init__(self, said: Any) -> None:
        self._said = said
        self.cancelled = False

    def __await__(self) -> Generator[Any, None, Any]:
        if self._said is None:
            yield from asyncio.sleep(3600).__await__()
        if isinstance(self._said, BaseException):
            raise self._said
        return self._said

    def cancel(self) -> None:
        self.cancelled = True


class Method:
    """Answers with what it was given, call after call; None never answers."""

    def __init__(self, *said: Any) -> None:
        self._said = list(said)
        self.responses: list[Response] = []

    def remote(self, *_: Any) -> Response:
        self.responses.append(Response(self._said.pop(0)))
        return self.responses[-1]


def refused(code: StatusCode) -> AioRpcError:
    return AioRpcError(code, Metadata(), Metadata())


UNREACHABLE = ActorUnavailableError("gone", None)
DEAD = (
    ActorDiedError(),
    ReplicaUnavailableError("r1"),
    asyncio.CancelledError(),
    refused(StatusCode.CANCELLED),
)


def lost(error: BaseException) -> BaseException:
    return RayTaskError("f", "trace", error)


@pytest.mark.parametrize("death", [*DEAD, UNREACHABLE], ids=lambda d: type(d).__name__)
def test_a_call_whose_replica_died_is_made_once_more(death: BaseException) -> None:
    told: list[str] = []
    method = Method(death, "answer")
    assert asyncio.run(call("Stage", method, retried=told.append)) == "answer"
    assert told == ["Stage"]


def test_but_only_once() -> None:
    method = Method(*DEAD)
    with pytest.raises(StageFailed) as raised:
        asyncio.run(call("Stage", method))
    assert raised.value.retry_after
    assert len(method.responses) == 2


def test_a_replica_that_may_have_died_is_met_more_than_once_before_ray_knows() -> None:
    method = Method(UNREACHABLE, UNREACHABLE, "answer")
    assert asyncio.run(call("Stage", method)) == "answer"


def test_a_stage_out_of_reach_is_given_up() -> None:
    method = Method(*[UNREACHABLE] * 9)
    with pytest.raises(StageFailed):
        asyncio.run(call("Stage", method))
    assert len(method.responses) == 1 + len(PAUSES_S)


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (StageFailed("the LLM engine failed"), StageFailed),
        (lost(DeadlineExceeded("late")), DeadlineExceeded),
        (lost(ValueError("of the model")), StageFailed),
        (DeadlineExceeded("late"), DeadlineExceeded),
        (ValueError("of the model"), StageFailed),
        (refused(StatusCode.RESOURCE_EXHAUSTED), StageFailed),
        (BackPressureError(9, 8), Overloaded),
    ],
)
def test_what_a_replica_answers_is_final(said: BaseException, kind: type[Exception]) -> None:
    method = Method(said)
    with pytest.raises(kind):
        asyncio.run(call("Stage", method))
    assert len(method.responses) == 1


def test_a_call_that_was_cancelled_before_its_caller_is_not_made_again() -> None:
    method = Method(asyncio.CancelledError(), "answer")

    async def main() -> None:
        task = asyncio.create_task(call("Stage", method))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert len(method.responses) == 1


def test_cancelling_the_caller_cancels_the_call() -> None:
    method = Method(None)

    async def main() -> None:
        task = asyncio.create_task(call("Stage", method))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert [response.cancelled for response in method.responses] == [True]
