"""The engine's client around a stand-in for vLLM; the end-to-end tests run the real one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from codeserve.config import ReasonerSettings
from codeserve.errors import DeadlineExceeded, StageFailed
from codeserve.reasoning import engine as module
from codeserve.reasoning.engine import Engine


class StandIn(Engine):
    """Answers by `reply(prompt)`: log-probabilities, or an error to raise; None never answers."""

    def __init__(self, reply: Callable[[list[int]], object], timeout_s: float = 5.0) -> None:
        super().__init__(Path(), ReasonerSettings(call_timeout_s=timeout_s), probe=(1, 2))
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
        self._answered = time.monotonic()
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
    engine = StandIn(lambda prompt: None, timeout_s=0.05)
    with pytest.raises(DeadlineExceeded):
        asyncio.run(engine.margins([[1], [2]], 8, 9))
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


def test_the_check_notices_an_engine_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHECK_TIMEOUT_S", 0.05)
    with pytest.raises(StageFailed, match="does not answer"):
        asyncio.run(StandIn(lambda prompt: None).check())


def test_the_check_trusts_a_busy_engine_that_goes_on_answering(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHECK_TIMEOUT_S", 0.1)
    engine = StandIn(lambda prompt: None if prompt == [1, 2] else (0.0, 0.0))

    async def check_while_others_are_answered() -> None:
        checking = asyncio.create_task(engine.check())
        await asyncio.sleep(0.02)
        await engine.margins([[5]], 8, 9)
        await checking
        monkeypatch.setattr(module, "FRESH_S", 0.0)
        with pytest.raises(StageFailed):
            await engine.check()

    asyncio.run(check_while_others_are_answered())
