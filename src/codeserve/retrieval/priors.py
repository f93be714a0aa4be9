"""What makes a candidate less likely before its words are compared: what its title says and nobody said, and whom it is
not for. The tables are data/retrieval/priors.tsv and people.tsv."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from codeserve.reasoning.questions import Question
from codeserve.retrieval import text
from codeserve.retrieval.entries import plain
from codeserve.retrieval.index import Vectors

Marks = NDArray[np.bool_]
KEPT = 128  # products; the same few rows apply to most questions, and a product is a pass over all codes for each


class Priors:
    """The factors of one list of codes, by question."""

    def __init__(self, keys: Sequence[str], titles: Sequence[str]) -> None:
        said = [plain(title) for title in titles]
        of_titles, self._people = text.rows("priors.tsv"), text.rows("people.tsv")
        self._unless = [re.compile(row["unless"], re.I) for row in of_titles]
        carried = [_matching(re.compile(row["title"], re.I), said) for row in of_titles]
        meant = [_within(row["codes"], keys) for row in self._people]
        rows = zip((*of_titles, *self._people), (*carried, *meant), strict=True)
        self._factors = [np.where(marks, np.float32(row["factor"]), np.float32(1)) for row, marks in rows]
        self._count = len(keys)
        self._product = lru_cache(KEPT)(self._multiplied)

    def factors(self, question: Question) -> Vectors:
        """One factor in (0, 1] a code; not to be changed."""
        said = " ".join((question.term, *question.details))
        said = f"{said} {' '.join(text.expand(text.words(said)))}"
        said_not = [not unless.search(said) for unless in self._unless]
        return self._product((*said_not, *(_excluded(row, question) for row in self._people)))

    def _multiplied(self, applies: tuple[bool, ...]) -> Vectors:
        product = np.ones(self._count, dtype=np.float32)
        for factors in (factors for factors, one in zip(self._factors, applies, strict=True) if one):
            product *= factors
        product.flags.writeable = False
        return product


def _matching(pattern: re.Pattern[str], titles: Sequence[str]) -> Marks:
    return np.array([bool(pattern.search(title)) for title in titles], dtype=bool)


def _within(codes: str, keys: Sequence[str]) -> Marks:
    """Codes that begin like `codes`, or lie in the range of two beginnings."""
    first, _, last = codes.partition("-")
    last = last or first
    return np.array([first <= key and key[: len(last)] <= last for key in keys], dtype=bool)


def _excluded(row: dict[str, str], question: Question) -> bool:
    if row["sex"] and question.sex in ("female", "male") and question.sex != row["sex"]:
        return True
    if question.age is None:
        return False
    return bool(row["from"] and question.age < int(row["from"])) or bool(
        row["below"] and question.age >= int(row["below"])
    )
