"""What a tagger replica counts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from prometheus_client import Counter, Histogram

from codeserve.figures.families import Common
from codeserve.tagging.entities import Entity

CHUNKS = (1, 2, 4, 8, 16, 32, 64, 128)


class TaggerFigures(Common):
    def __init__(self) -> None:
        super().__init__()
        self._batches = Histogram(
            "codeserve_tagger_batch_chunks", "Chunks in a batch", buckets=CHUNKS, registry=self.registry
        )
        self._tokens = Counter(
            "codeserve_tagger_tokens", "Tokens of batches: of notes, or padding", ["kind"], registry=self.registry
        )
        self._entities = Counter(
            "codeserve_entities", "Entities by kind; where chunks overlap, twice", ["kind"], registry=self.registry
        )

    def batch(self, waited: Sequence[float], lengths: Sequence[int], padded: int, seconds: float) -> None:
        """Of one batch: how long each chunk waited for it, their tokens, what the model computed, its time."""
        for one in waited:
            self.took("batch_wait", one)
        self.took("tagger_model", seconds)
        self._batches.observe(len(lengths))
        self._tokens.labels("note").inc(sum(lengths))
        self._tokens.labels("padding").inc(padded - sum(lengths))

    def tagged(self, chunks: Iterable[Iterable[Entity]]) -> None:
        for entities in chunks:
            for entity in entities:
                self._entities.labels(entity.kind.value).inc()
