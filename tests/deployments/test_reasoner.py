"""The Reasoner's own parts; the end-to-end tests take the whole."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar

from codeserve.deployments.reasoner import within_context

TRACE: ContextVar[str] = ContextVar("trace")


def test_a_search_runs_in_the_pool_and_in_the_trace_of_its_caller() -> None:
    async def search() -> tuple[str, str]:
        TRACE.set("of this note")
        name, trace = await run(lambda end: (threading.current_thread().name, TRACE.get() + end), "!")
        return name, trace

    with ThreadPoolExecutor(1, "search") as pool:
        run = within_context(pool)
        assert asyncio.run(search()) == ("search_0", "of this note!")
