from __future__ import annotations

import asyncio
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeserve.batch import completed_lines, run


class File(io.BytesIO):
    def fileno(self) -> int:
        return 1


async def upper(line: bytes) -> bytes:
    await asyncio.sleep(0.001 * (line[0] % 3))
    return line.upper()


@pytest.fixture(autouse=True)
def _no_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda _: None)


@given(st.lists(st.sampled_from([b"a", b"b", b"c"]), max_size=12), st.integers(1, 5))
def test_answers_keep_the_order(lines: list[bytes], concurrency: int) -> None:
    out = File()
    assert asyncio.run(run(lines, upper, out, concurrency)) == len(lines)
    assert out.getvalue() == b"".join(line.upper() + b"\n" for line in lines)


def test_no_more_at_once_than_allowed() -> None:
    running, most = 0, 0

    async def count(line: bytes) -> bytes:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001)
        running -= 1
        return line

    asyncio.run(run([b"x"] * 20, count, File(), 4))
    assert most == 4


def test_a_torn_last_line_is_cut_off(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    out.write_bytes(b'{"a":1}\n{"b":2}\n{"c"')
    assert completed_lines(out) == 2
    assert out.read_bytes() == b'{"a":1}\n{"b":2}\n'


def test_nothing_is_completed_without_a_file(tmp_path: Path) -> None:
    assert completed_lines(tmp_path / "none.jsonl") == 0
