"""What makes a candidate less likely before its words are compared: what its title says and nobody said, and whom it is
not for. The tables are data/retrieval/priors.tsv and people.tsv."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from codeserve.reasoning.questions import Question
from codeserve.retrieval import text
from codeserve.retrieval.entries import plain
from codeserve.retrieval.index import Vectors

Marks = NDArray[np.bool_]


class Priors:
    """The factors of one list of codes, by question."""

    def __init__(self, keys: Sequence[str], titles: Sequence[str]) -> None:
        said = [plain(title) for title in titles]
        self._titles = [
            (re.compile(row["unless"], re.I), float(row["factor"]), _matching(re.compile(row["title"], re.I), said))
            for row in text.rows("priors.tsv")
        ]
        self._people = [(row, _within(row["codes"], keys)) for row in text.rows("people.tsv")]
        self._count = len(keys)

    def factors(self, question: Question) -> Vectors:
        """One factor in (0, 1] a code."""
        factors = np.ones(self._count, dtype=np.float32)
        said = " ".join((question.term, *question.details))
        said = f"{said} {' '.join(text.expand(text.words(said)))}"
        for unless, factor, carried in self._titles:
            if not unless.search(said):
                factors[carried] *= factor
        for row, meant in self._people:
            if _excluded(row, question):
                factors[meant] *= float(row["factor"])
        return factors


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
