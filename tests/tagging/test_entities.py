"""A chunk travels between processes as plain numbers and arrives as it was."""

from __future__ import annotations

import pickle

from hypothesis import given
from hypothesis import strategies as st

from codeserve.notes.spans import Span
from codeserve.tagging.entities import Chunk

TOKENS = st.lists(st.tuples(st.integers(0, 2**31), st.integers(0, 10**6), st.integers(0, 50)), max_size=40)


@given(TOKENS)
def test_a_chunk_arrives_as_it_was(tokens: list[tuple[int, int, int]]) -> None:
    chunk = Chunk(tuple(i for i, _, _ in tokens), tuple(Span(start, start + size) for _, start, size in tokens))
    assert pickle.loads(pickle.dumps(chunk)) == chunk
