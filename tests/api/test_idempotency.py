from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeserve.api.idempotency import Answers
from codeserve.errors import DeadlineExceeded, IdempotencyConflict, StageFailed


class Work:
    """Counts its runs; `go` lets them end, with `answers` in turn."""

    def __init__(self, *answers: bytes | BaseException) -> None:
        self.answers = list(answers)
        self.runs = 0
        self.go = asyncio.Event()

    async def __call__(self) -> bytes:
        self.runs += 1
        await self.go.wait()
        said = self.answers.pop(0)
        if isinstance(said, BaseException):
            raise said
        return said


def test_the_same_request_is_worked_on_once_also_while_it_runs() -> None:
    async def main() -> None:
        answers, work = Answers(10, 60), Work(b"1")
        both = [asyncio.create_task(answers.once("a", "k", b"note", work)) for _ in range(3)]
        await asyncio.sleep(0)
        work.go.set()
        assert await asyncio.gather(*both) == [b"1"] * 3
        assert await answers.once("a", "k", b"note", work) == b"1"
        assert work.runs == 1

    asyncio.run(main())


def test_another_request_is_a_conflict_and_another_caller_is_not() -> None:
    async def main() -> None:
        answers, work = Answers(10, 60), Work(b"1", b"2")
        work.go.set()
        await answers.once("a", "k", b"note", work)
        with pytest.raises(IdempotencyConflict):
            await answers.once("a", "k", b"other", work)
        assert await answers.once("b", "k", b"other", work) == b"2"

    asyncio.run(main())


def test_a_failure_is_told_to_all_and_kept_for_nobody() -> None:
    async def main() -> None:
        answers, work = Answers(10, 60), Work(StageFailed("dead"), b"2")
        both = [asyncio.create_task(answers.once("a", "k", b"note", work)) for _ in range(2)]
        await asyncio.sleep(0)
        work.go.set()
        told = await asyncio.gather(*both, return_exceptions=True)
        assert [type(one) for one in told] == [StageFailed, StageFailed]
        assert len(answers) == 0
        assert await answers.once("a", "k", b"note", work) == b"2"

    asyncio.run(main())


@pytest.mark.parametrize("end", ["cancelled", "late"])
def test_when_its_owner_leaves_the_next_one_takes_over(end: str) -> None:
    async def main() -> None:
        answers = Answers(10, 60)
        work = Work(DeadlineExceeded() if end == "late" else b"2", b"2")
        first, second, third = (asyncio.create_task(answers.once("a", "k", b"note", work)) for _ in range(3))
        await asyncio.sleep(0)
        if end == "cancelled":
            first.cancel()
        await asyncio.sleep(0)
        work.go.set()
        told = await asyncio.gather(first, second, third, return_exceptions=True)
        assert isinstance(told[0], asyncio.CancelledError | DeadlineExceeded)
        assert told[1:] == [b"2", b"2"]
        assert work.runs == 2

    asyncio.run(main())


def test_one_who_stops_waiting_does_not_disturb_the_owner() -> None:
    async def main() -> None:
        answers, work = Answers(10, 60), Work(b"1")
        first, second = (asyncio.create_task(answers.once("a", "k", b"note", work)) for _ in range(2))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.sleep(0)
        work.go.set()
        assert await first == b"1"

    asyncio.run(main())


def test_an_answer_is_forgotten_in_time() -> None:
    now = [0.0]

    async def main() -> None:
        answers, work = Answers(10, 60, lambda: now[0]), Work(b"1", b"2")
        work.go.set()
        await answers.once("a", "k", b"note", work)
        now[0] = 59
        assert answers.knows("a", "k")
        now[0] = 60
        assert await answers.once("a", "k", b"other", work) == b"2"

    asyncio.run(main())


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9)), max_size=60), st.integers(0, 5))
def test_answers_stay_few_and_a_greedy_caller_loses_its_own(asked: list[Any], most: int) -> None:
    async def main() -> None:
        answers = Answers(most, 60)

        async def work() -> bytes:
            return b"x"

        for caller, key in asked:
            await answers.once(caller, str(key), b"note", work)
            assert len(answers) <= most
        if most:
            await answers.once("quiet", "k", b"note", work)
            for number in range(50):
                await answers.once("greedy", str(number), b"note", work)
            assert answers.knows("quiet", "k") or most == 1

    asyncio.run(main())
