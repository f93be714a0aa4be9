"""Many notes from a file to a file: one request a line in, one response a line out, in the same order.

A line that cannot be coded becomes a problem document on its line. The output grows line by line, so what is there
after an interruption is whole but for its last line, and `resume` goes on behind it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path
from typing import BinaryIO

Code = Callable[[bytes], Awaitable[bytes]]


def completed_lines(path: Path) -> int:
    """How many whole lines `path` holds; a torn last line is cut off."""
    if not path.exists():
        return 0
    with path.open("rb+") as file:
        lines, whole = 0, 0
        for line in file:
            if not line.endswith(b"\n"):
                break
            lines, whole = lines + 1, whole + len(line)
        file.truncate(whole)
    return lines


async def run(
    lines: Iterable[bytes], code: Code, out: BinaryIO, concurrency: int, done: Callable[[], None] = lambda: None
) -> int:
    """Code `lines`, at most `concurrency` at once, and write the answers in order. Returns how many were written."""
    written = 0
    async for answer in _in_order(lines, code, concurrency):
        out.write(answer + b"\n")
        out.flush()
        written += 1
        done()
    os.fsync(out.fileno())
    return written


async def _in_order(lines: Iterable[bytes], code: Code, concurrency: int) -> AsyncIterator[bytes]:
    waiting: list[asyncio.Task[bytes]] = []
    try:
        for line in lines:
            waiting.append(asyncio.ensure_future(code(line)))
            if len(waiting) >= concurrency:
                yield await waiting.pop(0)
        while waiting:
            yield await waiting.pop(0)
    finally:
        for task in waiting:
            task.cancel()
