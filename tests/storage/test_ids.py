from __future__ import annotations

import uuid

from hypothesis import given
from hypothesis import strategies as st

from codeserve.storage.ids import new_id, uuid7

TIMES = st.integers(0, 2**62)
RANDOM = st.integers(0, 2**62 - 1)


@given(TIMES, RANDOM)
def test_it_is_a_uuid_of_version_7_that_tells_its_time(time_ns: int, random: int) -> None:
    made = uuid.UUID(uuid7(time_ns, random))
    assert made.variant == uuid.RFC_4122
    assert made.version == 7
    assert made.int >> 80 == time_ns // 1_000_000


@given(TIMES, TIMES, RANDOM, RANDOM)
def test_later_sorts_behind(one: int, other: int, first: int, second: int) -> None:
    early, late = sorted((one, other))
    if late - early >= 250:
        assert uuid7(early, first) < uuid7(late, second)


def test_new_ones_differ() -> None:
    assert len({new_id() for _ in range(1000)}) == 1000
