"""A note in windows of tokens for the tagger: overlapping, covering every token, cut at lines where that is possible."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from codeserve.notes.spans import Span
from codeserve.tagging.entities import Chunk

Encode = Callable[[str], tuple[Sequence[int], Sequence[Span]]]


def chunk(text: str, encode: Encode, window: int = 224, overlap: int = 32) -> tuple[Chunk, ...]:
    """Chunks of at most `window` tokens; neighbours share at least `overlap` tokens. No token, no chunk."""
    if not 0 <= overlap * 2 <= window:
        raise ValueError("overlap must be at most half of window")
    ids, spans = encode(text)
    chunks: list[Chunk] = []
    begin = 0
    while begin < len(ids):
        end = min(begin + window, len(ids))
        if end < len(ids):
            end = _line_end(text, spans, begin + window // 2 + overlap, end)
        chunks.append(Chunk(tuple(ids[begin:end]), tuple(spans[begin:end])))
        if end == len(ids):
            break
        begin = end - overlap
    return tuple(chunks)


def _line_end(text: str, spans: Sequence[Span], least: int, most: int) -> int:
    """The last place in (least, most] where a line ends, or else `most`."""
    for place in range(most, least, -1):
        if "\n" in text[spans[place - 1].end : spans[place].start]:
            return place
    return most
