from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from codeserve.api.drain import Drain
from codeserve.errors import NotReady
from tests.api.fakes import FakeService, make_app, with_client


def test_what_runs_is_finished_and_what_comes_is_told_to_come_again() -> None:
    app = make_app(FakeService(delay_s=0.2))
    drain: Drain = app.state.shell.drain
    body = {"document_id": "d", "text": "chest pain"}

    async def send(http: httpx.AsyncClient) -> Any:
        running = asyncio.create_task(http.post("/v1/extract-codes", json=body))
        await asyncio.sleep(0.05)
        draining = asyncio.create_task(drain.finish(10))
        await asyncio.sleep(0)
        late, ready = await http.post("/v1/extract-codes", json=body), await http.get("/readyz")
        alive = await http.get("/livez")
        assert not running.done()
        return await draining, await running, late, ready, alive

    left, running, late, ready, alive = with_client(app, send)
    assert (left, running.status_code, alive.status_code) == (0, 200, 200)
    for refused in (late, ready):
        assert (refused.status_code, refused.json()["type"]) == (503, "urn:codeserve:problem:not-ready")
        assert int(refused.headers["Retry-After"]) > 0


def test_a_drain_tells_how_many_it_had_to_leave() -> None:
    async def leave() -> int:
        drain = Drain()
        with drain.enter(), drain.enter():
            left = await drain.finish(0.01)
        with pytest.raises(NotReady), drain.enter():
            pass
        assert await drain.finish(0.01) == 0
        return left

    assert asyncio.run(leave()) == 2
