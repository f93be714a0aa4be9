"""A note in windows of tokens for the tagger: overlapping, covering every token, cut where a sentence begins."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from codeserve.notes.spans import Span
from codeserve.tagging.entities import Chunk

Encode = Callable[[str], tuple[Sequence[int], Sequence[Span]]]


def chunk(text: str, encode: Encode, window: int = 224, overlap: int = 32) -> tuple[Chunk, ...]:
    """Chunks of at most `window` tokens; neighbours share at least `overlap` tokens. No token, no chunk.

    A chunk begins where a line begins, or else a sentence, when one does within `overlap` tokens before its place;
    it ends likewise in its last half. ValueError if overlap exceeds half of window.
    """
    if not 0 <= overlap * 2 <= window or window < 1:
        raise ValueError("overlap must be at most half of window, and window positive")
    ids, spans = encode(text)
    chunks: list[Chunk] = []
    begin = 0
    while begin < len(ids):
        end = min(begin + window, len(ids))
        if end < len(ids):
            end = _opening(text, spans, begin + window // 2 + overlap, end)
        chunks.append(Chunk(tuple(ids[begin:end]), tuple(spans[begin:end])))
        if end == len(ids):
            break
        begin = _opening(text, spans, max(begin, end - 2 * overlap), end - overlap)
    return tuple(chunks)


def _opening(text: str, spans: Sequence[Span], least: int, most: int) -> int:
    """The last place in (least, most] whose token opens a line; else a sentence; else `most`."""
    sentence = 0
    for place in range(most, least, -1):
        before = spans[place - 1]
        gap = text[before.end : spans[place].start]
        if "\n" in gap or "\r" in gap:
            return place
        if not sentence and gap and text[before.start : before.end][-1:] in (".", "!", "?"):
            sentence = place
    return sentence or most
