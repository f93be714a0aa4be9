"""The search index: BM25 and dense vectors over the same texts, several texts a document, built once at set-up."""

from __future__ import annotations

import difflib
import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import bm25s
import numpy as np
import orjson
from numpy.typing import NDArray

from codeserve.errors import SetupError
from codeserve.retrieval import text
from codeserve.retrieval.text import Alternatives

Vectors = NDArray[np.float32]
Encoder = Callable[[Sequence[str]], Vectors]
BATCH = 64
_SHORTEST, _SIMILAR = 6, 0.84  # letters of a stem that may be misspelt; similarity to what is meant
LAYOUT = 2  # of the files; a change makes older folders stale
MANIFEST = "keys.json"


@dataclass(frozen=True, slots=True)
class Entry:
    """A document: its key and the texts that name it."""

    key: str
    texts: tuple[str, ...]


def content_hash(entries: Sequence[Entry], encoder: str = "") -> str:
    """Of everything an index depends on: its documents, the encoder's id, how text is read, and the layout."""
    digest = hashlib.sha256(f"{LAYOUT} {metadata.version('bm25s')} {encoder} {text.fingerprint()}\n".encode())
    for entry in entries:
        digest.update("\n".join((entry.key, *entry.texts, "")).encode())
    return digest.hexdigest()[:16]


def build_index(
    entries: Sequence[Entry],
    encode: Encoder | None,
    folder: Path,
    progress: Callable[[float], None] = lambda _: None,
    encoder: str = "",
) -> dict[str, object]:
    """Write the index of `entries` into `folder`; without `encode` BM25 alone. Gives what stands in its manifest.

    `encoder` names what `encode` is, which is called from several threads; `progress` takes the share done, 0 to 1.
    """
    texts = [name for entry in entries for name in entry.texts]
    owners = np.repeat(np.arange(len(entries), dtype=np.int32), [len(entry.texts) for entry in entries])
    bm25 = bm25s.BM25(k1=0.9, b=0.6)
    bm25.index([text.stems(name) or ["_"] for name in texts], show_progress=False)
    bm25.save(folder, show_progress=False)
    np.save(folder / "owners.npy", owners)
    if encode is not None:
        np.save(folder / "dense.npy", _encode_all(texts, encode, progress))
    manifest: dict[str, object] = {
        "hash": content_hash(entries, encoder),
        "encoder": encoder,
        "texts": len(texts),
        "keys": [entry.key for entry in entries],
    }
    (folder / MANIFEST).write_bytes(orjson.dumps(manifest))
    progress(1.0)
    return manifest


def index_is_current(folder: Path, content: str) -> bool:
    """Whether `folder` holds a whole index made from `content` (a `content_hash`)."""
    file = folder / MANIFEST
    return file.is_file() and orjson.loads(file.read_bytes()).get("hash") == content


def _encode_all(texts: Sequence[str], encode: Encoder, progress: Callable[[float], None]) -> NDArray[np.float16]:
    """Vectors of all texts; each text once, sorted by length, since a batch is padded to its longest."""
    distinct = sorted(set(texts), key=lambda name: (len(name), name))
    batches = [distinct[begin : begin + BATCH] for begin in range(0, len(distinct), BATCH)]
    parts: list[NDArray[np.float16]] = []
    # Batches side by side: the threads of one call would wait for each other, on a busy machine for long.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for done, vectors in enumerate(pool.map(encode, batches), 1):
            parts.append(vectors.astype(np.float16))
            progress(min(0.99, done / len(batches)))
    place = {name: i for i, name in enumerate(distinct)}
    return np.asarray(np.concatenate(parts)[[place[name] for name in texts]])


class Index:
    """A built index, read-only. Scores are one number a text; `best` makes them one a document."""

    def __init__(self, folder: Path) -> None:
        """Raises SetupError when a file is missing or broken."""
        try:
            held = orjson.loads((folder / MANIFEST).read_bytes())
            self._bm25 = bm25s.BM25.load(folder, mmap=True, show_progress=False)
            self._owners = np.load(folder / "owners.npy", mmap_mode="r")
            dense = folder / "dense.npy"
            # BLAS has no product for halves: on disk they are halves, in memory singles.
            self._dense = np.load(dense).astype(np.float32) if dense.exists() else None
        except (OSError, ValueError) as error:
            reason = type(error).__name__
            raise SetupError(f"the search index is not whole ({reason})", hint="run `codeserve setup`") from None
        self.keys: tuple[str, ...] = tuple(held["keys"])
        self.hash: str = held["hash"]
        self._starts = np.flatnonzero(np.r_[True, np.diff(self._owners) > 0])
        self._words = _Words(self._bm25, len(self._owners))

    @property
    def has_dense(self) -> bool:
        return self._dense is not None

    def best(self, scores: Vectors) -> Vectors:
        """The best of each document's texts, along the last axis."""
        return np.asarray(np.maximum.reduceat(scores, self._starts, axis=-1), dtype=np.float32)

    def bm25(self, terms: Sequence[str]) -> Vectors:
        """BM25 by text; zeros where no term is known."""
        known = [term for term in terms if term in self._bm25.vocab_dict]
        if not known:
            return np.zeros(len(self._owners), dtype=np.float32)
        return np.asarray(self._bm25.get_scores(known), dtype=np.float32)

    def spelt(self, alternatives: Alternatives) -> Alternatives:
        """With the nearest known word where no text holds a query's only word."""
        if len(alternatives) > 1 or len(alternatives[0]) > 1:
            return alternatives
        near = self._words.nearest(alternatives[0][0])
        return alternatives if near is None else (*alternatives, (near,))

    def overlap(self, said: Sequence[tuple[Alternatives, float]], faith: float) -> tuple[Vectors, Vectors]:
        """How much of the query each text says, and how much of each text the query says; both in [0, 1], by text.

        `said` are the query's groups with their weights; an alternative counts `faith` times as much as the words
        themselves. Words weigh by how rare they are.
        """
        return self._words.overlap(said, faith)

    def dense(self, query: Vectors) -> Vectors:
        """Cosine by text of one query's vector, shape (width,). Call only where `has_dense`."""
        assert self._dense is not None
        return np.asarray(self._dense @ query, dtype=np.float32)


class _Words:
    """Which texts hold a word, and what the word weighs."""

    def __init__(self, bm25: bm25s.BM25, count: int) -> None:
        self._ids: dict[str, int] = bm25.vocab_dict
        self._beginnings: dict[str, list[str]] = defaultdict(list)
        for word in sorted(self._ids):
            self._beginnings[word[:2]].append(word)
        self._texts = np.asarray(bm25.scores["indices"])
        self._starts = np.asarray(bm25.scores["indptr"])
        frequency = np.diff(self._starts).astype(np.float32)
        self._weights = np.log1p((count - frequency + 0.5) / (frequency + 0.5)).astype(np.float32)
        for word in text.weightless():
            if word in self._ids:
                self._weights[self._ids[word]] = 0.0
        self._unknown = float(np.median(self._weights))
        self._count = count
        self._totals = np.zeros(count, dtype=np.float32)
        np.add.at(self._totals, self._texts, np.repeat(self._weights, np.diff(self._starts)))

    def weight(self, word: str) -> float:
        place = self._ids.get(word)
        return self._unknown if place is None else float(self._weights[place])

    def overlap(self, said: Sequence[tuple[Alternatives, float]], faith: float) -> tuple[Vectors, Vectors]:
        told = np.zeros(self._count, dtype=np.float32)
        total = 0.0
        words: dict[str, float] = {}
        for alternatives, weight in said:
            own = sum(self.weight(word) for word in alternatives[0])
            total += weight * own
            told += weight * own * self._group(alternatives, faith)
            words.update((word, 1.0) for alternative in alternatives for word in alternative)
        covered = np.zeros(self._count, dtype=np.float32)
        for word in words:
            covered[self._having(word)] += self.weight(word)
        return told / max(total, 1e-6), covered / np.maximum(self._totals, 1e-6)

    def _group(self, alternatives: Alternatives, faith: float) -> Vectors:
        found = np.zeros(self._count, dtype=np.float32)
        for place, alternative in enumerate(alternatives):
            share = np.zeros(self._count, dtype=np.float32)
            total = sum(self.weight(word) for word in alternative)
            for word in set(alternative):
                share[self._having(word)] += self.weight(word) / max(total, 1e-6)
            np.maximum(found, share if place == 0 else faith * share, out=found)
        return found

    def nearest(self, word: str) -> str | None:
        """For a word that no text holds the most similar one of the same beginning, as for a slip of the pen."""
        if word in self._ids or len(word) < _SHORTEST:
            return None
        alike = self._beginnings.get(word[:2], ())
        return next(iter(difflib.get_close_matches(word, alike, n=1, cutoff=_SIMILAR)), None)

    def _having(self, word: str) -> NDArray[np.int32]:
        place = self._ids.get(word)
        if place is None:
            return np.zeros(0, dtype=np.int32)
        return np.asarray(self._texts[self._starts[place] : self._starts[place + 1]])
