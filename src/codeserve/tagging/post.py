"""Label probabilities → entities: BIO decoding on whole words, and the merge of overlapping windows. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from codeserve.notes.spans import Span
from codeserve.tagging.entities import Chunk, Entity, EntityKind

Probabilities = npt.NDArray[np.float32]
KINDS = {kind.value: kind for kind in EntityKind}
# A line this long that goes on in lower case was broken by the writer's editor, not ended.
WRAPPED_LINE = 50


@dataclass(frozen=True, slots=True)
class _Word:
    span: Span
    kind: EntityKind | None
    begins: bool
    score: float


def decode(probabilities: Probabilities, chunk: Chunk, labels: Sequence[str], text: str) -> tuple[Entity, ...]:
    """The entities of one chunk, in order, apart from each other; their spans index `text`.

    `probabilities` is (tokens, labels), rows summing to 1; `labels` are "O", "B-problem", "I-problem" …; a kind that
    is none of ours counts as outside. The first token of a word decides for the word; an I- that continues nothing
    starts an entity; `score` is the mean probability of the entity's words.
    """
    if len(chunk.ids) != len(probabilities):
        raise ValueError(f"{len(chunk.ids)} tokens but {len(probabilities)} rows of probabilities")
    words = list(_words(probabilities, chunk, labels, text))
    entities = (_entity(group, text) for group in _groups(words, text))
    return tuple(entity for entity in entities if entity is not None)


def _words(probabilities: Probabilities, chunk: Chunk, labels: Sequence[str], text: str) -> Iterator[_Word]:
    columns = [_kind_of(label) for label in labels]
    best = probabilities.argmax(axis=1).tolist() if len(probabilities) else []
    position = 0
    while position < len(chunk.spans):
        first, span = position, chunk.spans[position]
        position += 1
        while position < len(chunk.spans) and _same_word(span, chunk.spans[position], text):
            span = span.cover(chunk.spans[position])
            position += 1
        kind, begins = columns[best[first]]
        score = sum(float(probabilities[first, i]) for i, (other, _) in enumerate(columns) if other is kind)
        yield _Word(span, kind, begins, min(score, 1.0))


def _kind_of(label: str) -> tuple[EntityKind | None, bool]:
    prefix, _, name = label.partition("-")
    kind = KINDS.get(name) if prefix in ("B", "I") else None
    return kind, kind is not None and prefix == "B"


def _same_word(left: Span, right: Span, text: str) -> bool:
    if right.start < left.end:  # pieces of one character
        return True
    return left.end == right.start and text[left.end - 1].isalnum() and text[right.start].isalnum()


def _groups(words: Iterable[_Word], text: str) -> Iterator[list[_Word]]:
    group: list[_Word] = []
    for word in words:
        continues = group and word.kind is group[-1].kind and not word.begins
        if group and not (continues and not _line_ends(group[-1].span, word.span, text)):
            yield group
            group = []
        if word.kind is not None:
            group.append(word)
    if group:
        yield group


def _line_ends(left: Span, right: Span, text: str) -> bool:
    """Whether a line break between two words ends what stands before it."""
    between = text[left.end : right.start]
    if "\n" not in between:
        return False
    line = left.end - (text.rfind("\n", 0, left.end) + 1)
    return between.count("\n") > 1 or line < WRAPPED_LINE or not text[right.start].islower()


def _entity(group: Sequence[_Word], text: str) -> Entity | None:
    kind = group[0].kind
    span = _trim(group[0].span.cover(group[-1].span), text)
    if kind is None or span is None:
        return None
    return Entity(kind, span, span.of(text), sum(word.score for word in group) / len(group))


# Words that no term begins or ends with ("hepatitis a" is one, so "a" is not among them).
LEADING = re.compile(r"(?:(?:the|an|his|her|their|any|some|and|or|of|with)(?:\s+|$))+", re.IGNORECASE)
TRAILING = re.compile(
    r"(?:\s+(?:the|an|his|her|their|and|or|of|with|in|on|at|to|for|by|is|are|was|were))+$", re.IGNORECASE
)


def _trim(span: Span, text: str) -> Span | None:
    """The span without punctuation, space and words that only join at its ends; a bracket that it opened, a % stay."""
    start, end = span.start, span.end
    while start < end and not text[start].isalnum():
        start += 1
    while end > start and not (text[end - 1].isalnum() or _closes(text[start:end])):
        end -= 1
    if leading := LEADING.match(text, start, end):
        return _trim(Span(leading.end(), end), text)
    last = TRAILING.search(text, start, end)
    if last and last.start() > start:
        return _trim(Span(start, last.start()), text)
    return Span(start, end) if start < end else None


def _closes(piece: str) -> bool:
    return piece[-1] in "%+" or (piece[-1] == ")" and piece.count("(") >= piece.count(")"))


def merge(found: Sequence[Sequence[Entity]], chunks: Sequence[Chunk] = ()) -> tuple[Entity, ...]:
    """The entities of a note from those of its overlapping windows, in order, no two overlapping.

    `chunks[i]` is the window that `found[i]` came from. Of copies that overlap, the one further from its window's
    edge is kept (it saw more context), then the longer, then the one with the higher score. Without `chunks`, the
    longer one is.
    """
    windows = [_window(chunk) for chunk in chunks] or [None] * len(found)
    ranked = sorted(
        (
            (entity, _margin(entity, window))
            for entities, window in zip(found, windows, strict=True)
            for entity in entities
        ),
        key=lambda pair: (-pair[1], -len(pair[0].span), -pair[0].score, pair[0].span, pair[0].kind),
    )
    return tuple(sorted(_apart(entity for entity, _ in ranked), key=lambda entity: (entity.span, entity.kind)))


# Beyond this many characters of context on either side, more of it makes no difference.
ENOUGH_CONTEXT = 60


def _window(chunk: Chunk) -> Span | None:
    return Span(chunk.spans[0].start, chunk.spans[-1].end) if chunk.spans else None


def _margin(entity: Entity, window: Span | None) -> int:
    if window is None:
        return 0
    return min(entity.span.start - window.start, window.end - entity.span.end, ENOUGH_CONTEXT)


def _apart(ranked: Iterable[Entity]) -> list[Entity]:
    """Those that overlap no better-ranked one; taken characters are looked up by blocks, so time stays linear."""
    kept: list[Entity] = []
    blocks: dict[int, list[Entity]] = {}
    for entity in ranked:
        touched = range(entity.span.start // ENOUGH_CONTEXT, entity.span.end // ENOUGH_CONTEXT + 1)
        if any(entity.span.overlaps(other.span) for block in touched for other in blocks.get(block, ())):
            continue
        kept.append(entity)
        for block in touched:
            blocks.setdefault(block, []).append(entity)
    return kept
