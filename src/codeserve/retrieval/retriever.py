"""Candidates for a question: the lexicon's code first, then what words and dense vectors rank best together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from codeserve.codesets.concepts import Concepts
from codeserve.codesets.procedures import Procedures
from codeserve.reasoning.questions import Candidate, Question, System
from codeserve.retrieval import text
from codeserve.retrieval.entries import diagnosis_entries, procedure_entries
from codeserve.retrieval.index import Encoder, Index, Vectors
from codeserve.retrieval.lexicon import Lexicon, LexiconHit, Row, fillers
from codeserve.retrieval.priors import Priors

__all__ = ["Retriever", "Shelf", "diagnosis_entries", "procedure_entries"]

# Chosen on the "tune" halves of evaluation/retrieval.py: how much of the question a text says, how much of the text the
# question says, BM25, the cosine.
TOLD, COVERED, BM25, DENSE = 1.0, 1.0, 0.1, 2.0
FAITH = 0.9  # a synonym, against the word itself
DETAIL = 0.25  # a word of the details, against one of the term
COSINE_FLOOR = 0.2  # a cosine below says nothing
LEXICON_FLOOR = 0.9  # the score of a lexicon's code that is not certain
IMPORTED_FLOOR = 0.8  # and of one that only an imported alphabetical index offers
SEVERAL_FLOOR = 0.5  # and of one of several imported codes of that name
BEYOND = 0.45  # a score among imported procedure codes, against one among this project's own
GROUP = 32  # scores that are looked at together for a bound
NEAR = 0.55  # the cosine from which "dense" counts as a source
# What a service still needs although its code is settled by its name.
SETTLED = frozenset({"side", "units"})


class Shelf:
    """One index with the titles of its documents and the priors that they carry."""

    def __init__(self, index: Index, titles: Mapping[str, str], systems: Mapping[str, System] | None = None) -> None:
        """`systems` of the codes that are not ICD-10-CM's."""
        self.index = index
        self._systems = systems or {}
        self.titles = [titles[key] for key in index.keys]
        self.place = {key: i for i, key in enumerate(index.keys)}
        self._priors = Priors(index.keys, self.titles)
        # Behind each document's last text.
        self._ends = index.best(np.arange(len(index.bm25(())), dtype=np.float32)).astype(np.intp) + 1

    def score(self, question: Question, cosine: Vectors | None) -> Vectors:
        """One score in [0, 1] a document; `cosine` by text, None without dense vectors."""
        return self._score(question, cosine)[0]

    def highest(self, question: Question, cosine: Vectors | None, limit: int) -> list[Candidate]:
        """The best-scored documents, ties by code."""
        scores, told = self._score(question, cosine)
        found: list[Candidate] = []
        for i in _highest(scores, self.index.keys, limit):
            key = self.index.keys[i]
            texts = slice(self._ends[i - 1] if i else 0, self._ends[i])
            by_words = bool(told[texts].max() > 0)
            near = cosine is not None and bool(cosine[texts].max() >= NEAR)
            sources = ("bm25",) * by_words + ("dense",) * (not by_words or near)
            system = self._systems.get(key, System.ICD10CM)
            found.append(Candidate(key, system, self.titles[i], round(float(scores[i]), 4), sources))
        return found

    def _score(self, question: Question, cosine: Vectors | None) -> tuple[Vectors, Vectors]:
        """The score a document, and how much of the question is said in words a text."""
        said = [(group, 1.0) for group in text.groups(question.term)]
        said += [(group, DETAIL) for detail in question.details for group in text.groups(detail)]
        said = [(self.index.spelt(alternatives), weight) for alternatives, weight in said]
        told, covered = self.index.overlap(said, FAITH)
        bm25 = self.index.bm25([word for alternatives, _ in said for word in alternatives[0]])
        scores = TOLD * told + COVERED * covered * told + BM25 * bm25 / max(float(bm25.max(initial=0.0)), 1e-6)
        whole = TOLD + COVERED + BM25
        if cosine is not None:
            scores = scores + DENSE * np.clip((cosine - COSINE_FLOOR) / (1 - COSINE_FLOOR), 0, 1)
            whole += DENSE
        best = self.index.best(np.asarray(scores / whole, dtype=np.float32)) * self._priors.factors(question)
        return np.asarray(np.clip(best, 0, 1), dtype=np.float32), told


@dataclass(frozen=True, slots=True)
class _Named:
    """What a lexicon's code stands for. `settled`: naming it is enough to choose it."""

    code: str
    system: System
    description: str
    settled: bool
    terms: tuple[str, ...]
    imported: bool = False


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
        imported: Index | None = None,
    ) -> None:
        """`imported`: the index of the procedure codes that an official release added, by words alone."""
        titles = {concept.key: concept.description for concept in concepts.all()}
        self._diagnoses = Shelf(diagnoses, titles)
        services = {row.code: row.description for row in codes.all()}
        systems = {row.code: row.system for row in codes.all()}
        self._procedures = Shelf(procedures, services, systems)
        self._imported = Shelf(imported, services, systems) if imported else None
        self._lexicon = lexicon
        self._services = Lexicon([Row(term, row.code) for row in codes.all() for term in row.terms])
        self._concepts = concepts
        self._codes = codes
        self._encode = encode if diagnoses.has_dense and procedures.has_dense else None
        self.version = f"{diagnoses.hash}-{procedures.hash}"

    def search(self, questions: Sequence[Question], limit: int = 20, dense: bool = True) -> list[tuple[Candidate, ...]]:
        """At most `limit` candidates a question, best first; ties go by code. Without `dense` by words alone, in a
        third of the time.

        What a lexicon offers comes with the source "lexicon", and first where it is certain.
        """
        encode = self._encode if dense and questions else None
        vectors = encode([spelt_out(question) for question in questions]) if encode else None
        found: list[tuple[Candidate, ...]] = []
        for place, question in enumerate(questions):
            shelf = self._diagnoses if question.system is System.ICD10CM else self._procedures
            cosine = None if vectors is None else shelf.index.dense(vectors[place])
            offered = [*shelf.highest(question, cosine, limit), *self._beyond(question, limit)]
            found.append(_merge(self._known(question), offered, limit))
        return found

    def _beyond(self, question: Question, limit: int) -> list[Candidate]:
        """What an imported release offers for a service, behind what this project's own table does."""
        if self._imported is None or question.system is System.ICD10CM:
            return []
        found = self._imported.highest(question, None, limit)
        return [replace(one, score=round(one.score * BEYOND, 4), sources=("imported",)) for one in found]

    def _known(self, question: Question) -> list[Candidate]:
        """The codes of the term with a detail, where the lexicon knows that, then those of the term alone."""
        hits = self._hits(question)
        named = [(named, hit) for hit in hits for named in self._meant(question.system, hit.code)]
        sole = len({one.code for one, _ in named}) == 1
        known: dict[str, Candidate] = {}
        for one, hit in named:
            certain = sole and hit.certain and one.settled and _agrees(question, one, hit)
            score = 1.0 if certain else _floor(one, hit, sole)
            known.setdefault(one.code, Candidate(one.code, one.system, one.description, score, ("lexicon",), certain))
        return list(known.values())

    def _hits(self, question: Question) -> list[LexiconHit]:
        lexicon = self._lexicon if question.system is System.ICD10CM else self._services
        around = " ".join((question.term, *question.details, question.context))
        plain = lexicon.lookup(question.term, around)
        codes = {hit.code for hit in plain}
        details = question.details
        for count in range(len(details), 1, -1):
            if several := lexicon.lookup(f"{question.term} {' '.join(details[:count])}", around):
                return list(several)
        longer = (hit for detail in details for hit in lexicon.lookup(f"{question.term} {detail}", around))
        return [*(hit for hit in longer if hit.code not in codes), *plain]

    def _meant(self, system: System, code: str) -> list[_Named]:
        if system is System.ICD10CM:
            concepts = self._concepts.by_stem(code)
            return [_Named(c.key, system, c.description, True, c.inclusion_terms) for c in concepts]
        row = self._codes.get(code)
        if row is None:
            return []
        settled = row.needs <= SETTLED and not row.imported
        return [_Named(row.code, row.system, row.description, settled, row.terms, row.imported)]


def _floor(one: _Named, hit: LexiconHit, sole: bool) -> float:
    """The score of a code that its name offers without being certain."""
    if one.imported:
        return IMPORTED_FLOOR if sole else SEVERAL_FLOOR
    return IMPORTED_FLOOR if hit.imported else LEXICON_FLOOR


def _merge(known: Sequence[Candidate], found: Sequence[Candidate], limit: int) -> tuple[Candidate, ...]:
    """Both lists as one by score; a code of both has both sources and the better score."""
    merged = {candidate.code: candidate for candidate in known}
    for candidate in found:
        if (same := merged.get(candidate.code)) is None:
            merged[candidate.code] = candidate
        else:
            score = max(same.score, candidate.score)
            merged[candidate.code] = replace(same, score=score, sources=(*same.sources, *candidate.sources))
    ranked = sorted(merged.values(), key=lambda candidate: (-candidate.certain, -candidate.score, candidate.code))
    return tuple(ranked[:limit])


def _agrees(question: Question, named: _Named, hit: LexiconHit) -> bool:
    """Whether every detail is a side, an episode or the like, or in the words of the term or the title already."""
    known = {word for term in (hit.term, named.description, *named.terms) for word in text.signature(term)}
    sure = fillers()
    return all(word in known or sure.get(word, False) for detail in question.details for word in text.signature(detail))


def _highest(scores: Vectors, keys: Sequence[str], limit: int) -> list[int]:
    """The places of the highest scores above 0, ties by key."""
    count = min(limit, len(scores))
    if count == 0:
        return []
    places: NDArray[np.intp] = np.flatnonzero((scores >= _least(scores, count)) & (scores > 0))
    return sorted((int(i) for i in places), key=lambda i: (-scores[i], keys[i]))[:count]


def _least(scores: Vectors, count: int) -> float:
    """A bound that the `count` highest scores reach, and few others.

    The lowest of the `count` best of small groups is one: that many groups hold a score as high. To find the bound
    among all scores takes ten times as long.
    """
    groups = len(scores) // GROUP
    tops = scores[: groups * GROUP].reshape(groups, GROUP).max(axis=1) if groups >= count else scores
    return float(np.partition(tops, len(tops) - count)[len(tops) - count])


def spelt_out(question: Question) -> str:
    """The question as the encoder reads it: short forms written out, details behind."""
    return " ".join(text.expand(text.words(" ".join((question.term, *question.details)))))
