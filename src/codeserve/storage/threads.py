"""Transactions from asyncio code: each runs in a thread, so that a slow database holds up nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.orm import Session

from codeserve.storage.engine import Database

T = TypeVar("T")


async def read(database: Database, work: Callable[[Session], T]) -> T:
    def within() -> T:
        with database.read() as session:
            return work(session)

    return await asyncio.to_thread(within)


async def write(database: Database, work: Callable[[Session], T]) -> T:
    """Committed when it returns."""

    def within() -> T:
        with database.write() as session:
            return work(session)

    return await asyncio.to_thread(within)
