from __future__ import annotations

import os

import pytest
from starlette.responses import PlainTextResponse

from codeserve.api import descriptors, proxy
from codeserve.api.descriptors import HELD, LOW, Reserve
from tests.api.fakes import request


def open_files() -> set[str]:
    return set(os.listdir("/dev/fd"))


def test_free_counts_what_is_open() -> None:
    before = descriptors.free()
    opened = os.open(os.devnull, os.O_RDONLY)
    try:
        assert descriptors.free() == before - 1
    finally:
        os.close(opened)


def test_the_reserve_is_given_up_when_few_are_left_and_taken_back() -> None:
    left = [LOW + HELD]
    reserve = Reserve(lambda: left[0])
    before = len(open_files())
    reserve.look()
    assert len(open_files()) == before + HELD
    left[0] = LOW - 1
    reserve.look()
    assert (len(open_files()), reserve.short) == (before, True)
    left[0] = LOW + HELD - 1  # what was given up does not count as room
    reserve.look()
    assert (len(open_files()), reserve.short) == (before, True)
    left[0] = LOW + HELD
    reserve.look()
    assert (len(open_files()), reserve.short) == (before + HELD, False)
    left[0] = 0
    reserve.look()


@pytest.mark.parametrize("short", [False, True])
def test_an_answer_ends_its_connection_while_descriptors_are_short(short: bool) -> None:
    reserve = Reserve(lambda: 0 if short else LOW)
    reserve.look()
    response = request(proxy.Edge(PlainTextResponse("well"), reserve), "GET", "/livez")
    assert response.headers.get("connection") == ("close" if short else None)
