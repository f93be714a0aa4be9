"""A failed start waits longer each time, and a good one forgets what was before."""

from __future__ import annotations

import asyncio

import pytest
from ray.experimental import internal_kv

from codeserve.deployments import starting
from codeserve.errors import SetupError, StageFailed


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What was waited; Ray's store is a dictionary here."""
    kept: dict[bytes, bytes] = {}
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(internal_kv, "_internal_kv_get", kept.get)
    monkeypatch.setattr(internal_kv, "_internal_kv_put", lambda key, value, overwrite: kept.update({key: value}))
    monkeypatch.setattr(internal_kv, "_internal_kv_del", lambda key: kept.pop(key, None))
    monkeypatch.setattr(starting.asyncio, "sleep", sleep)
    return waited


async def start(error: Exception | None = None, deployment: str = "Reasoner") -> None:
    async with starting.paced(deployment):
        if error is not None:
            raise error


def test_the_pause_grows_with_each_failure_in_a_row_and_a_start_ends_the_row(pauses: list[float]) -> None:
    for _ in range(3):
        with pytest.raises(StageFailed):
            asyncio.run(start(StageFailed("no engine")))
    asyncio.run(start())
    with pytest.raises(StageFailed):
        asyncio.run(start(StageFailed("no engine")))
    assert pauses == [2, 4, 8, 2]


def test_deployments_are_counted_apart_and_a_wrong_setting_does_not_wait(pauses: list[float]) -> None:
    for deployment in ("Reasoner", "EntityTagger"):
        with pytest.raises(StageFailed):
            asyncio.run(start(StageFailed("no engine"), deployment))
    with pytest.raises(SetupError):
        asyncio.run(start(SetupError("no folder")))
    assert pauses == [2, 2]
