"""The load generator against a server of a few lines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web

from benchmarks.load import Generator, Load

BODIES = [{"document_id": str(i), "text": "gout"} for i in range(5)]


@asynccontextmanager
async def server(pause_s: float, status: int = 200) -> AsyncIterator[tuple[str, list[int]]]:
    """Answers one request at a time; the list holds how many were in work at each arrival."""
    at_once, inside, one = [], set[object](), asyncio.Lock()

    async def answer(request: web.Request) -> web.Response:
        mark = object()
        inside.add(mark)
        at_once.append(len(inside))
        async with one:
            await asyncio.sleep(pause_s)
        inside.discard(mark)
        return web.Response(text="{}", status=status, headers={"Server-Timing": "tag;dur=1.50, total;dur=2"})

    app = web.Application()
    app.router.add_post("/v1/extract-codes", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", at_once
    finally:
        await runner.cleanup()


def generated(
    mode: str, level: float, pause_s: float = 0.0, status: int = 200, **more: float
) -> tuple[Generator, list[int]]:
    async def go() -> tuple[Generator, list[int]]:
        async with server(pause_s, status) as (url, at_once), aiohttp.ClientSession(url) as client:
            generator = Generator(Load(url, BODIES, mode, level, **more), client)
            await generator.run()
            return generator, at_once

    return asyncio.run(go())


def test_a_closed_loop_never_has_more_than_its_callers() -> None:
    generator, at_once = generated("closed", 3, pause_s=0.01, seconds=0.3)
    assert max(at_once) == 3
    assert {one.status for one in generator.sent} == {200}
    assert generator.sent[0].stages_ms == {"tag": 1.5, "total": 2.0}


def test_an_open_loop_counts_a_queue_from_the_due_arrival() -> None:
    """Twice as many as the server can do: it sends on all the same, and the last waits for all before it."""
    generator, at_once = generated("open", 100, pause_s=0.02, seconds=0.5)
    last = max(generator.sent, key=lambda one: one.due)
    assert max(at_once) > 3
    assert last.done - last.due > 5 * 0.02


def test_the_warm_up_is_not_counted() -> None:
    generator, at_once = generated("closed", 1, pause_s=0.02, seconds=0.1, warm_s=0.2)
    assert len(at_once) > len(generator.sent)
    assert all(one.done >= 0 for one in generator.sent)
    assert generator.answered == len(at_once)


def test_each_note_once_keeps_its_answer() -> None:
    generator, _ = generated("once", 2)
    assert sorted(one.note for one in generator.sent) == [0, 1, 2, 3, 4]
    assert {one.body for one in generator.sent} == {"{}"}


def test_a_refusal_is_kept_as_such() -> None:
    generator, _ = generated("once", 1, status=429)
    assert {one.status for one in generator.sent} == {429}
