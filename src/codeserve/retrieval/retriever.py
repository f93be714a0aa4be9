"""Candidates for a question: the lexicon's code first, then what BM25 and dense retrieval rank best together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from codeserve.codesets.concepts import Concept, Concepts
from codeserve.reasoning.questions import Candidate, Question, System
from codeserve.retrieval import text
from codeserve.retrieval.index import Encoder, Entry, Index, Vectors
from codeserve.retrieval.lexicon import Lexicon, LexiconHit

if TYPE_CHECKING:
    from codeserve.codesets.procedures import Procedures

DENSE_WEIGHT = 0.5
DETAIL_WEIGHT = 0.25
LEXICON_FLOOR = 0.9


def diagnosis_entries(concepts: Concepts) -> list[Entry]:
    """What is indexed for a concept: its title and its inclusion terms without their NOS."""
    return [Entry(c.key, tuple(dict.fromkeys((c.description, *map(_plain, c.inclusion_terms))))) for c in concepts.all()]


def procedure_entries(procedures: Procedures) -> list[Entry]:
    return [Entry(p.code, tuple(dict.fromkeys((p.description, *p.terms)))) for p in procedures.all()]


def _plain(term: str) -> str:
    return re.sub(r"\s*\bNOS\b", "", term)


@dataclass(frozen=True, slots=True)
class Prior:
    title: re.Pattern[str]
    unless: re.Pattern[str]
    factor: float


@lru_cache(maxsize=1)
def priors() -> tuple[Prior, ...]:
    return tuple(
        Prior(re.compile(row["title"], re.I), re.compile(row["unless"], re.I), float(row["factor"]))
        for row in text.rows("priors.tsv")
    )


class Shelf:
    """One index with the titles of its documents and the priors that each title carries."""

    def __init__(self, index: Index, titles: dict[str, str]) -> None:
        self.index = index
        self.titles = [titles[key] for key in index.keys]
        self.place = {key: i for i, key in enumerate(index.keys)}
        self._carried = [
            np.array([bool(prior.title.search(title)) for title in self.titles], dtype=bool) for prior in priors()
        ]
        self._length = np.array([len(text.stems(title)) for title in self.titles], dtype=np.float32)

    def score(self, question: Question, vector: Vectors | None) -> Vectors:
        """One score in [0, 1] a document."""
        terms = text.query_terms(question.term)
        scores = _relative(self.index.bm25(terms))
        if question.details:
            both = self.index.bm25([*terms, *text.query_terms(" ".join(question.details))])
            scores = (scores + DETAIL_WEIGHT * _relative(both)) / (1 + DETAIL_WEIGHT)
        if vector is not None:
            scores = (1 - DENSE_WEIGHT) * scores + DENSE_WEIGHT * _relative(vector, floor=0.3)
        said = " ".join((question.term, *question.details))
        for prior, carried in zip(priors(), self._carried, strict=True):
            if not prior.unless.search(said):
                scores = np.where(carried, scores * prior.factor, scores)
        # Of two titles that fit alike, the shorter says less that the note does not.
        return np.asarray(np.clip(scores - 0.004 * self._length, 0, 1), dtype=np.float32)


def _relative(scores: Vectors, floor: float = 0.0) -> Vectors:
    best = float(scores.max(initial=0.0))
    if best <= floor:
        return np.zeros_like(scores)
    return np.asarray(np.clip((scores - floor) / (best - floor), 0, 1), dtype=np.float32)


class Retriever:
    """Answers several questions at once, so that their terms are encoded in one batch."""

    def __init__(
        self, diagnoses: Shelf, procedures: Shelf, lexicon: Lexicon, concepts: Concepts, codes: Procedures,
        encode: Encoder | None,
    ) -> None:
        self._shelves = {System.ICD10CM: diagnoses, System.CPT: procedures}
        self._lexicon = lexicon
        self._concepts = concepts
        self._codes = codes
        self._encode = encode
        self.version = f"{diagnoses.index.hash}-{procedures.index.hash}"

    def search(self, questions: Sequence[Question], limit: int = 20) -> list[tuple[Candidate, ...]]:
        """At most `limit` candidates a question, best first; ties go by code."""
        vectors = self._encode([_said(q) for q in questions]) if self._encode and questions else None
        return [
            self._candidates(question, None if vectors is None else vectors[i], limit)
            for i, question in enumerate(questions)
        ]

    def _candidates(self, question: Question, vector: Vectors | None, limit: int) -> tuple[Candidate, ...]:
        shelf = self._shelves[question.system]
        dense = shelf.index.dense(vector[None])[0] if vector is not None and shelf.index.has_dense else None
        scores = shelf.score(question, dense)
        best = np.argpartition(-scores, min(limit, len(scores) - 1))[:limit]
        ranked = sorted((int(i) for i in best if scores[i] > 0), key=lambda i: (-scores[i], shelf.index.keys[i]))
        known = list(self._known(question))
        keys = {candidate.code for candidate in known}
        found = (self._found(question, shelf, i, float(scores[i]), dense) for i in ranked)
        return tuple([*known, *(c for c in found if c.code not in keys)][:limit])

    def _found(
        self, question: Question, shelf: Shelf, place: int, score: float, dense: Vectors | None
    ) -> Candidate:
        key = shelf.index.keys[place]
        sources = ("bm25",) if dense is None or dense[place] < 0.5 else ("bm25", "dense")
        return Candidate(key, self._system(question, key), shelf.titles[place], round(score, 4), sources)

    def _known(self, question: Question) -> Iterable[Candidate]:
        """What the lexicon, or the procedure table's own terms, offer for the term."""
        if question.system is System.ICD10CM:
            around = " ".join((question.term, *question.details, question.context))
            hits = self._lexicon.lookup(question.term, around)
            named = ((concept, hit) for hit in hits for concept in self._concepts.by_stem(hit.code))
            yield from (_from_lexicon(concept, hit) for concept, hit in named)
        else:
            for procedure in self._codes.named(question.term):
                yield Candidate(
                    procedure.code, procedure.system, procedure.description, 1.0, ("lexicon",),
                    certain=len(self._codes.named(question.term)) == 1,
                )

    def _system(self, question: Question, key: str) -> System:
        if question.system is System.ICD10CM:
            return System.ICD10CM
        return System.HCPCS if key[0].isalpha() else System.CPT


def _from_lexicon(concept: Concept, hit: LexiconHit) -> Candidate:
    score = 1.0 if hit.certain else LEXICON_FLOOR
    return Candidate(concept.key, System.ICD10CM, concept.description, score, ("lexicon",), hit.certain)


def _said(question: Question) -> str:
    """The question as the encoder reads it: short forms written out."""
    return " ".join(text.expand(text.words(question.term)))
