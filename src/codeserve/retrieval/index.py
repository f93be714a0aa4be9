"""The search index: BM25 and dense vectors over the same texts, several texts a document, built once at set-up."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import bm25s
import numpy as np
import orjson
from numpy.typing import NDArray

from codeserve.errors import SetupError
from codeserve.retrieval import text

Vectors = NDArray[np.float32]
Encoder = Callable[[Sequence[str]], Vectors]
BATCH = 256


@dataclass(frozen=True, slots=True)
class Entry:
    """A document: its key and the texts that name it."""

    key: str
    texts: tuple[str, ...]


def content_hash(entries: Sequence[Entry]) -> str:
    digest = hashlib.sha256()
    for entry in entries:
        digest.update("\n".join((entry.key, *entry.texts, "")).encode())
    return digest.hexdigest()[:16]


def build_index(
    entries: Sequence[Entry], encode: Encoder | None, folder: Path, progress: Callable[[float], None] = lambda _: None
) -> None:
    """Write the index of `entries` into `folder`; without `encode` BM25 alone."""
    texts = [name for entry in entries for name in entry.texts]
    owners = np.repeat(np.arange(len(entries), dtype=np.int32), [len(entry.texts) for entry in entries])
    bm25 = bm25s.BM25(k1=0.9, b=0.6)
    bm25.index([text.stems(name) or ["_"] for name in texts], show_progress=False)
    bm25.save(folder, show_progress=False)
    np.save(folder / "owners.npy", owners)
    if encode is not None:
        np.save(folder / "dense.npy", _encode_all(texts, encode, progress))
    keys = [entry.key for entry in entries]
    (folder / "keys.json").write_bytes(orjson.dumps({"keys": keys, "hash": content_hash(entries)}))
    progress(1.0)


def _encode_all(texts: Sequence[str], encode: Encoder, progress: Callable[[float], None]) -> NDArray[np.float16]:
    """Vectors of all texts; sorted by length, since a batch is padded to its longest."""
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    vectors: NDArray[np.float16] | None = None
    for begin in range(0, len(order), BATCH):
        batch = order[begin : begin + BATCH]
        encoded = encode([texts[i] for i in batch])
        if vectors is None:
            vectors = np.zeros((len(texts), encoded.shape[1]), dtype=np.float16)
        vectors[batch] = encoded
        progress(min(0.99, (begin + len(batch)) / len(texts)))
    assert vectors is not None
    return vectors


class Index:
    """A built index, read-only. Scores are one number a document: the best of its texts."""

    def __init__(self, folder: Path) -> None:
        try:
            held = orjson.loads((folder / "keys.json").read_bytes())
            self._bm25 = bm25s.BM25.load(folder, mmap=True, show_progress=False)
            self._owners = np.load(folder / "owners.npy", mmap_mode="r")
            dense = folder / "dense.npy"
            self._dense = np.load(dense).astype(np.float32) if dense.exists() else None
        except (OSError, ValueError) as error:
            raise SetupError(f"the search index is not whole ({error})", hint="run `codeserve setup`") from None
        self.keys: tuple[str, ...] = tuple(held["keys"])
        self.hash: str = held["hash"]
        self._starts = np.flatnonzero(np.r_[True, np.diff(self._owners) > 0])
        self._vocabulary = self._bm25.vocab_dict

    @property
    def has_dense(self) -> bool:
        return self._dense is not None

    def bm25(self, terms: Sequence[str]) -> Vectors:
        """BM25 by document; zeros where no term is known."""
        known = [term for term in terms if term in self._vocabulary]
        if not known:
            return np.zeros(len(self.keys), dtype=np.float32)
        return np.asarray(np.maximum.reduceat(self._bm25.get_scores(known), self._starts), dtype=np.float32)

    def dense(self, queries: Vectors) -> Vectors:
        """Cosine by query and document, shape (queries, documents)."""
        assert self._dense is not None
        return np.asarray(np.maximum.reduceat(queries @ self._dense.T, self._starts, axis=1))
