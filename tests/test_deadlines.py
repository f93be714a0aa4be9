from __future__ import annotations

import asyncio
import math

import pytest

from codeserve.deadlines import seconds_left, within
from codeserve.errors import DeadlineExceeded


def test_nothing_begins_without_time() -> None:
    async def main() -> None:
        async with within(0):
            raise AssertionError("it began")

    with pytest.raises(DeadlineExceeded):
        asyncio.run(main())


def test_what_takes_too_long_is_cancelled() -> None:
    async def main() -> None:
        async with within(0.01):
            await asyncio.sleep(3600)

    with pytest.raises(DeadlineExceeded):
        asyncio.run(main())


def test_a_time_out_of_the_work_itself_is_not_ours() -> None:
    async def main() -> None:
        async with within(60):
            raise TimeoutError

    with pytest.raises(TimeoutError):
        asyncio.run(main())


def test_no_deadline_is_no_limit() -> None:
    async def main() -> float:
        async with within(seconds_left(math.inf)):
            await asyncio.sleep(0)
        return seconds_left(asyncio.get_running_loop().time() + 5)

    assert 4 < asyncio.run(main()) <= 5
