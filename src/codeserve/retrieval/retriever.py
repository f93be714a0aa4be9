"""Candidates for a question: the lexicon's code first, then what words and dense vectors rank best together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from codeserve.codesets.concepts import Concept, Concepts
from codeserve.codesets.procedures import ProcedureCode, Procedures
from codeserve.reasoning.questions import Candidate, Question, System
from codeserve.retrieval import text
from codeserve.retrieval.entries import diagnosis_entries, procedure_entries
from codeserve.retrieval.index import Encoder, Index, Vectors
from codeserve.retrieval.lexicon import Lexicon, LexiconHit, fillers
from codeserve.retrieval.priors import Priors

__all__ = ["Retriever", "Shelf", "diagnosis_entries", "procedure_entries"]

# Measured by evaluation/retrieval.py on terms whose texts the index does not hold.
TOLD, COVERED, BM25, DENSE = 0.40, 0.25, 0.15, 0.40
FAITH = 0.9  # a synonym, against the word itself
DETAIL = 0.25  # a word of the details, against one of the term
DENSE_FLOOR = 0.2  # a cosine below says nothing
LEXICON_FLOOR = 0.9
NEAR = 0.55  # the cosine from which "dense" counts as a source


class Shelf:
    """One index with the titles of its documents and the priors that they carry."""

    def __init__(self, index: Index, titles: dict[str, str]) -> None:
        self.index = index
        self.titles = [titles[key] for key in index.keys]
        self.place = {key: i for i, key in enumerate(index.keys)}
        self._priors = Priors(index.keys, self.titles)

    def score(self, question: Question, cosine: Vectors | None) -> Vectors:
        """One score in [0, 1] a document; `cosine` by text, None without dense vectors."""
        said = [(group, 1.0) for group in text.groups(question.term)]
        said += [(group, DETAIL) for detail in question.details for group in text.groups(detail)]
        told, covered = self.index.overlap(said, FAITH)
        bm25 = self.index.bm25([word for alternatives, _ in said for word in alternatives[0]])
        bm25 = bm25 / max(float(bm25.max(initial=0.0)), 1e-6)
        scores = TOLD * told + COVERED * covered * told + BM25 * bm25
        whole = TOLD + COVERED + BM25
        if cosine is not None:
            scores = scores + DENSE * np.clip((cosine - DENSE_FLOOR) / (1 - DENSE_FLOOR), 0, 1)
            whole += DENSE
        best = self.index.best(np.asarray(scores / whole, dtype=np.float32))
        return np.asarray(np.clip(best * self._priors.factors(question), 0, 1), dtype=np.float32)


class Retriever:
    """Answers several questions at once, so that their terms are encoded in one batch. Safe to share by threads."""

    def __init__(
        self,
        diagnoses: Index,
        procedures: Index,
        lexicon: Lexicon,
        concepts: Concepts,
        codes: Procedures,
        encode: Encoder | None = None,
    ) -> None:
        self._diagnoses = Shelf(diagnoses, {concept.key: concept.description for concept in concepts.all()})
        self._procedures = Shelf(procedures, {row.code: row.description for row in codes.all()})
        self._lexicon = lexicon
        self._concepts = concepts
        self._encode = encode if diagnoses.has_dense and procedures.has_dense else None
        self._named: dict[tuple[str, ...], list[ProcedureCode]] = defaultdict(list)
        for row in codes.all():
            for signature in {text.signature(term) for term in row.terms}:
                self._named[signature].append(row)
        self._codes = {row.code: row for row in codes.all()}
        self.version = f"{diagnoses.hash}-{procedures.hash}"

    def search(self, questions: Sequence[Question], limit: int = 20) -> list[tuple[Candidate, ...]]:
        """At most `limit` candidates a question, best first; ties go by code."""
        if self._encode is None or not questions:
            return [self._candidates(question, None, limit) for question in questions]
        vectors = self._encode([_spelt_out(question) for question in questions])
        return [self._candidates(question, vectors[i], limit) for i, question in enumerate(questions)]

    def _candidates(self, question: Question, vector: Vectors | None, limit: int) -> tuple[Candidate, ...]:
        shelf = self._diagnoses if question.system is System.ICD10CM else self._procedures
        cosine = None if vector is None else shelf.index.dense(vector[None])[0]
        scores = shelf.score(question, cosine)
        near = np.zeros(len(scores), dtype=np.float32) if cosine is None else shelf.index.best(cosine)
        known = list(self._known(question))
        keys = {candidate.code for candidate in known}
        found = [self._found(shelf, i, scores, near) for i in _highest(scores, shelf.index.keys, limit)]
        return tuple([*known, *(candidate for candidate in found if candidate.code not in keys)][:limit])

    def _found(self, shelf: Shelf, place: int, scores: Vectors, near: Vectors) -> Candidate:
        key = shelf.index.keys[place]
        system = self._codes[key].system if shelf is self._procedures else System.ICD10CM
        sources = ("bm25", "dense") if near[place] >= NEAR else ("bm25",)
        return Candidate(key, system, shelf.titles[place], round(float(scores[place]), 4), sources)

    def _known(self, question: Question) -> Iterator[Candidate]:
        """What the lexicon, or the procedure table's own terms, offer for the term."""
        if question.system is System.ICD10CM:
            yield from self._from_lexicon(question)
            return
        rows = self._named.get(text.signature(question.term), [])
        certain = len(rows) == 1 and not rows[0].needs and not question.details
        for row in rows:
            score = 1.0 if len(rows) == 1 else LEXICON_FLOOR
            yield Candidate(row.code, row.system, row.description, score, ("lexicon",), certain)

    def _from_lexicon(self, question: Question) -> Iterator[Candidate]:
        """The codes of the term with a detail, where the lexicon knows that, then those of the term alone."""
        around = " ".join((question.term, *question.details, question.context))
        plain = self._lexicon.lookup(question.term, around)
        longer = [
            hit
            for detail in question.details
            for hit in self._lexicon.lookup(f"{question.term} {detail}", around)
            if hit.code not in {other.code for other in plain}
        ]
        named = [(concept, hit) for hit in (*longer, *plain) for concept in self._concepts.by_stem(hit.code)]
        sole = len({concept.key for concept, _ in named}) == 1
        offered: set[str] = set()
        for concept, hit in named:
            if concept.key not in offered:
                offered.add(concept.key)
                certain = sole and hit.certain and _agrees(question, concept, hit)
                score = 1.0 if certain or (sole and not longer) else LEXICON_FLOOR
                yield Candidate(concept.key, System.ICD10CM, concept.description, score, ("lexicon",), certain)


def _agrees(question: Question, concept: Concept, hit: LexiconHit) -> bool:
    """Whether every detail is a side, an episode or the like, or in the words of the term or the title already."""
    known = {*text.signature(hit.term), *text.signature(concept.description)}
    known |= {word for term in concept.inclusion_terms for word in text.signature(term)}
    sure = fillers()
    return all(word in known or sure.get(word, False) for detail in question.details for word in text.signature(detail))


def _highest(scores: Vectors, keys: Sequence[str], limit: int) -> list[int]:
    """The places of the highest scores above 0, ties by key."""
    count = min(limit, len(scores))
    if count == 0:
        return []
    least = np.partition(scores, len(scores) - count)[len(scores) - count]
    places: NDArray[np.intp] = np.flatnonzero((scores >= least) & (scores > 0))
    return sorted((int(i) for i in places), key=lambda i: (-scores[i], keys[i]))[:count]


def _spelt_out(question: Question) -> str:
    """The question as the encoder reads it: short forms written out, details behind."""
    return " ".join(text.expand(text.words(" ".join((question.term, *question.details)))))
