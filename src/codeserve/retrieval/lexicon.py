"""The lexicon: the words clinicians write and the code that each defaults to, from data/lexicon/*.tsv.

A row is `term, code, near, not_near, note`; the code is billable, or a stem with "-" that names one concept. `near` and
`not_near` are words, parted by "|", of which one must, none may stand around the term. `ambiguous` in the note leaves
the choice to the LLM.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from itertools import combinations

from codeserve.codesets.concepts import Concepts
from codeserve.notes.spans import Span
from codeserve.retrieval import text

COLUMNS = ("term", "code", "near", "not_near", "note")
MAX_DROPPED = 3
_TOKEN = re.compile(r"[A-Za-z0-9]+(?:['’][A-Za-z]+)?")
_BREAK = re.compile(r"[.;:\n]")


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the lexicon; `place` is file:line."""

    term: str
    code: str
    near: tuple[str, ...]
    not_near: tuple[str, ...]
    note: str
    place: str

    @property
    def ambiguous(self) -> bool:
        return "ambiguous" in self.note

    def holds(self, around: str) -> bool:
        """Whether its conditions hold in the words around the term."""
        if self.near and not any(word in around for word in self.near):
            return False
        return not any(word in around for word in self.not_near)


@dataclass(frozen=True, slots=True)
class LexiconHit:
    """`certain`: the one row for this very term, its conditions hold, and nothing that could change it was dropped."""

    term: str
    code: str
    certain: bool


@lru_cache(maxsize=1)
def _fillers() -> dict[str, bool]:
    return {text.stem(row["word"]): row["sure"] == "yes" for row in text.rows("fillers.tsv")}


def read_rows() -> Iterator[Row]:
    """All rows of data/lexicon, in the order of the files' names."""
    folder = files("codeserve").joinpath("data", "lexicon")
    for file in sorted((f for f in folder.iterdir() if f.name.endswith(".tsv")), key=lambda f: f.name):
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines()[1:], 2):
            if line and not line.startswith("#"):
                yield _row(line, f"{file.name}:{number}")


def _row(line: str, place: str) -> Row:
    cells = dict(zip(COLUMNS, (*line.split("\t"), "", "", "", ""), strict=False))
    near, not_near = (tuple(w for w in cells[name].lower().split("|") if w) for name in ("near", "not_near"))
    return Row(cells["term"], cells["code"], near, not_near, cells["note"], place)


class Lexicon:
    """All rows, found by the words of a term in any order, and as phrases in running text."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = tuple(rows)
        self._by_signature: dict[tuple[str, ...], list[Row]] = defaultdict(list)
        self._phrases: dict[tuple[str, ...], Row] = {}
        self._longest: dict[str, int] = {}
        for row in rows:
            self._by_signature[text.signature(row.term)].append(row)
            phrase = tuple(text.stem(word) for word in text.words(row.term))
            self._phrases.setdefault(phrase, row)
            self._longest[phrase[0]] = max(len(phrase), self._longest.get(phrase[0], 0))

    @classmethod
    def load(cls) -> Lexicon:
        return cls(tuple(read_rows()))

    def lookup(self, term: str, around: str = "") -> tuple[LexiconHit, ...]:
        """The hits for a term: as it stands, or else with as few qualifying words dropped as it takes."""
        full = text.signature(term)
        fillers = _fillers()
        droppable = [word for word in full if word in fillers]
        for count in range(min(len(droppable), MAX_DROPPED) + 1):
            for dropped in combinations(droppable, count):
                rows = self._by_signature.get(tuple(word for word in full if word not in dropped))
                hits = _hits(rows or (), around.lower(), all(fillers[word] for word in dropped))
                if hits:
                    return hits
        return ()

    def scan(self, running: str) -> list[tuple[Span, LexiconHit]]:
        """The longest known phrases in a text, left to right, none across a sentence end or a line."""
        tokens = list(_TOKEN.finditer(running))
        stems = [text.stem((text.words(token[0]) or [""])[0]) for token in tokens]
        found: list[tuple[Span, LexiconHit]] = []
        place = 0
        while place < len(tokens):
            length = self._match(stems, place)
            if length:
                span = Span(tokens[place].start(), tokens[place + length - 1].end())
                if not _BREAK.search(span.of(running)):
                    row = self._phrases[tuple(stems[place : place + length])]
                    found.append((span, LexiconHit(row.term, row.code, not row.ambiguous)))
                    place += length
                    continue
            place += 1
        return found

    def _match(self, stems: list[str], place: int) -> int:
        for length in range(min(self._longest.get(stems[place], 0), len(stems) - place), 0, -1):
            if tuple(stems[place : place + length]) in self._phrases:
                return length
        return 0


def _hits(rows: Sequence[Row], around: str, sure: bool) -> tuple[LexiconHit, ...]:
    fitting = [row for row in rows if row.holds(around)]
    # A row whose condition holds says more than one without.
    stated = [row for row in fitting if row.near] or fitting
    codes = dict.fromkeys(row.code for row in stated)
    certain = sure and len(codes) == 1 and not any(row.ambiguous for row in stated)
    return tuple(LexiconHit(stated[0].term, code, certain) for code in codes)


def validate(rows: Sequence[Row], concepts: Concepts) -> list[str]:
    """What is wrong with the rows, each with its place."""
    wrong: list[str] = []
    seen: dict[tuple[str, tuple[str, ...]], Row] = {}
    for row in rows:
        if not row.term or row.term != row.term.lower() or not text.signature(row.term):
            wrong.append(f"{row.place}: the term must be in lower case and hold a word")
        named = concepts.by_stem(row.code)
        if not named:
            wrong.append(f"{row.place}: {row.code} is neither a billable code nor a stem that names one")
        other = seen.setdefault((row.term, row.near), row)
        if other.code != row.code and not (row.ambiguous and other.ambiguous) and row.not_near == other.not_near:
            wrong.append(f"{row.place}: {row.term!r} is {row.code} here and {other.code} in {other.place}")
    return wrong
