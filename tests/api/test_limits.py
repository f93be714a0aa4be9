from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeserve.api.limits import body_limit, idempotency_key, priority, require_json, timeout_s, while_connected
from codeserve.errors import CallerLeft, InvalidNote, UnsupportedMediaType
from codeserve.figures.families import OTHER, Bounded


@given(st.integers(1, 600_000))
def test_a_wish_is_in_milliseconds(wish: int) -> None:
    assert timeout_s({"X-Request-Timeout-Ms": str(wish)}, 120, 600) == wish / 1000


def test_no_wish_takes_the_default() -> None:
    assert timeout_s({}, 120, 600) == 120


def test_any_note_that_may_be_long_enough_fits_the_body() -> None:
    assert body_limit(200_000) > 200_000 * len("\\ud83e\\ude7a")


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/jsonp", "multipart/form-data; boundary=x"])
def test_other_content_is_refused(content_type: str) -> None:
    with pytest.raises(UnsupportedMediaType):
        require_json({"content-type": content_type})


@given(st.lists(st.text(), max_size=30))
def test_labels_stay_few(values: list[str]) -> None:
    bounded = Bounded(5)
    assert len({bounded(value) for value in values} - {OTHER}) <= 5


def test_a_class_is_one_of_two() -> None:
    assert (priority({}), priority({"X-Priority": "Batch"})) == (None, "batch")
    with pytest.raises(InvalidNote):
        priority({"X-Priority": "urgent"})


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "é"])
def test_an_unusable_idempotency_key_is_refused(key: str) -> None:
    with pytest.raises(InvalidNote):
        idempotency_key({"Idempotency-Key": key})


def test_work_ends_before_its_caller_is_said_to_have_left() -> None:
    ended: list[str] = []

    async def work() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0)
            ended.append("work")

    async def hang_up() -> Any:
        await asyncio.sleep(0.01)
        return {"type": "http.disconnect"}

    with pytest.raises(CallerLeft):
        asyncio.run(while_connected(hang_up, work()))
    assert ended == ["work"]


def test_a_caller_who_stays_gets_the_result() -> None:
    async def stay() -> Any:
        await asyncio.sleep(3600)

    async def work() -> int:
        return 7

    assert asyncio.run(while_connected(stay, work())) == 7
