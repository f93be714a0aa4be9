from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeserve.notes.chunks import chunk
from codeserve.notes.spans import Span


def by_words(text: str) -> tuple[list[int], list[Span]]:
    spans = [Span(*match.span()) for match in re.finditer(r"\S", text)]
    return [ord(text[span.start]) for span in spans], spans


@given(st.text(alphabet="ab \n", max_size=300), st.integers(4, 40), st.integers(0, 20))
def test_every_token_is_in_a_chunk_of_at_most_a_window(text: str, window: int, overlap: int) -> None:
    overlap = min(overlap, window // 2)
    chunks = chunk(text, by_words, window, overlap)
    _, spans = by_words(text)
    assert {span for c in chunks for span in c.spans} == set(spans)
    assert all(0 < len(c.ids) <= window and len(c.ids) == len(c.spans) for c in chunks)
    for one, other in pairwise(chunks):
        assert set(one.spans[len(one.spans) - overlap :]) <= set(other.spans)
        assert other.spans[0] > one.spans[0]


def test_a_chunk_ends_with_a_line_where_it_can() -> None:
    text = "a" * 30 + "\n" + "b" * 30
    assert len(chunk(text, by_words, 40, 4)[0].ids) == 30


def test_an_overlap_above_half_the_window_is_refused() -> None:
    with pytest.raises(ValueError, match="half"):
        chunk("abc", by_words, 10, 6)


def test_a_chunk_begins_with_a_sentence_where_one_is_near() -> None:
    text = "a" * 12 + ". " + "b" * 9 + ". " + "c" * 60
    chunks = chunk(text, by_words, 36, 8)
    assert chunks[1].spans[0].start == text.index("c")


def test_text_without_spaces_is_covered() -> None:
    chunks = chunk("x" * 5000, by_words)
    assert {span for c in chunks for span in c.spans} == {Span(i, i + 1) for i in range(5000)}
