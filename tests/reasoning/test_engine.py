"""The engine's client around a stand-in for vLLM; the end-to-end tests run the real one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from codeserve.config import ReasonerSettings
from codeserve.errors import DeadlineExceeded, StageFailed
from codeserve.reasoning.engine import Engine


class StandIn(Engine):
    """Answers by `reply(prompt)`: log-probabilities, or an error to raise; None never answers."""

    def __init__(
        self, reply: Callable[[list[int]], object], timeout_s: float = 60.0, stall_s: float | None = None
    ) -> None:
        settings = ReasonerSettings(call_timeout_s=timeout_s, stall_s=stall_s or timeout_s / 2)
        super().__init__(Path(), settings, probe=(1, 2))
        self._llm = object()  # type: ignore[assignment]
        self.reply = reply
        self.aborted = 0

    async def _ask(self, prompt: list[int], answers: Sequence[int]) -> tuple[float, ...]:
        said = self.reply(prompt)
        if isinstance(said, Exception):
            raise said
        try:
            await asyncio.sleep(0 if said is not None else 3600)
        except asyncio.CancelledError:
            self.aborted += 1
            raise
        return tuple(said)  # type: ignore[arg-type]


def test_margins_come_in_the_order_of_the_prompts() -> None:
    engine = StandIn(lambda prompt: (-float(prompt[0]), -1.0))
    assert asyncio.run(engine.margins([[3], [1], [2]], 8, 9)) == [-2.0, 0.0, -1.0]


def test_an_engine_that_is_not_running_fails() -> None:
    engine = Engine(Path(), ReasonerSettings(), probe=(1, 2))
    with pytest.raises(StageFailed):
        asyncio.run(engine.check())


def test_one_failed_prompt_aborts_the_others() -> None:
    engine = StandIn(lambda prompt: StageFailed("dead") if prompt == [1] else None)

    async def ask() -> None:
        with pytest.raises(StageFailed):
            await engine.margins([[0], [1], [2]], 8, 9)
        await asyncio.sleep(0)

    asyncio.run(ask())
    assert engine.aborted >= 1


def test_a_call_that_takes_too_long_is_a_deadline_and_aborts() -> None:
    engine = StandIn(lambda prompt: (-1.0, -2.0) if prompt == [5] else None, timeout_s=0.2)

    async def ask_while_others_are_answered() -> None:
        late = asyncio.create_task(engine.margins([[1], [2]], 8, 9))
        while not late.done():
            await engine.margins([[5]], 8, 9)
            await asyncio.sleep(0.01)
        with pytest.raises(DeadlineExceeded):
            await late

    asyncio.run(ask_while_others_are_answered())
    assert engine.aborted == 2


def test_a_cancelled_call_aborts_what_is_under_way() -> None:
    engine = StandIn(lambda prompt: None)

    async def cancel() -> None:
        task = asyncio.create_task(engine.margins([[1], [2]], 8, 9))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    assert engine.aborted == 2


STALL_S = 0.1


def stopped(*answered: list[int]) -> StandIn:
    """Answers only these prompts."""
    return StandIn(lambda prompt: (-1.0, -2.0) if prompt in answered else None, stall_s=STALL_S)


def test_the_check_notices_an_idle_engine_that_does_not_answer() -> None:
    with pytest.raises(StageFailed, match="stands still"):
        asyncio.run(stopped().check())


def test_an_idle_engine_that_answers_is_healthy() -> None:
    asyncio.run(stopped([1, 2]).check())


def test_what_is_under_way_fails_as_soon_as_a_stall_is_seen() -> None:
    engine = stopped()

    async def ask() -> None:
        calls = [engine.margins([[number], [number + 1]], 8, 9) for number in (5, 7)]
        failures = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(failure, StageFailed) and failure.retry_after for failure in failures)

    asyncio.run(asyncio.wait_for(ask(), 20))
    assert engine.aborted == 4
    assert engine.progress.running == 0


def test_a_stalled_engine_is_refused_at_once_until_a_probe_is_answered() -> None:
    engine = stopped()

    async def stall_and_recover() -> None:
        with pytest.raises(StageFailed):
            await engine.check()
        engine.reply = lambda prompt: None if prompt == [1, 2] else (-1.0, -2.0)
        with pytest.raises(StageFailed):
            await engine.margins([[5]], 8, 9)
        engine.reply = lambda prompt: (-1.0, -2.0)
        with pytest.raises(StageFailed):  # this check sends the probe
            await engine.check()
        await asyncio.sleep(0.01)
        await engine.check()
        assert await engine.margins([[5]], 8, 9) == [1.0]

    asyncio.run(stall_and_recover())


def test_the_check_trusts_a_busy_engine_in_which_tokens_come() -> None:
    engine = stopped([5])

    async def check_while_others_are_answered() -> None:
        waiting = asyncio.create_task(engine.margins([[3]], 8, 9))
        for _ in range(6):
            await asyncio.sleep(STALL_S / 2)
            await engine.margins([[5]], 8, 9)
            await engine.check()
        with pytest.raises(StageFailed, match="stands still"):
            await waiting

    asyncio.run(check_while_others_are_answered())


def test_a_first_request_that_compiles_for_long_is_no_stall() -> None:
    engine = StandIn(lambda prompt: (-1.0, -2.0), stall_s=STALL_S)
    ask = engine._ask

    async def compiling(prompt: list[int], answers: Sequence[int]) -> tuple[float, ...]:
        await asyncio.sleep(3 * STALL_S)
        return await ask(prompt, answers)

    engine._ask = compiling  # type: ignore[method-assign]
    asyncio.run(engine.warm_up())


def test_a_first_request_without_an_answer_fails_the_start() -> None:
    engine = StandIn(lambda prompt: None, timeout_s=2 * STALL_S)
    with pytest.raises(StageFailed, match="first request"):
        asyncio.run(engine.warm_up())
