"""Names of a table found in a text, word by word: at each word the longest name wins, and names never overlap."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

from codeserve.notes.spans import Span
from codeserve.rules.tables import rows

Row = Mapping[str, str]
VALUE = "#"  # a name that ends so is one only where a number follows; with capitals, only as it is written
SHORT = 2  # letters of a symbol
_WORD = re.compile(r"[^\W_]+")
_GAP = re.compile(r"[\s\-–/&'’+#]{0,3}|\.")
# A value of a test, and not a strength: "magnesium 1.9", "magnesium 400 mg".
_NUMBER = re.compile(
    r"(?: level)?(?: (?:was|is|of|at))?[ :=<>~]{1,3}\d[\d.,]*+(?! ?(?:mg|mcg|g|units?|iu|tab\w*|meq)\b(?!/))"
)


class Terms:
    """Looks up names by their words. One in capitals is found only in capitals; the last word may have a plural s."""

    def __init__(self, named: Iterable[tuple[str, Row]]) -> None:
        self._known: dict[tuple[str, ...], list[tuple[str, Row]]] = {}
        for name, row in named:
            words = tuple(word.lower() for word in _WORD.findall(name))
            self._known.setdefault(words, []).append((name, row))
        self._longest = max(map(len, self._known), default=0)
        self._first = {words[0] for words in self._known} | {f"{words[0]}s" for words in self._known if len(words) == 1}

    @classmethod
    @lru_cache(maxsize=8)
    def of(cls, table: str, column: str = "names") -> Terms:
        """The names of a table's column, parted by "|"."""
        return cls((name, row) for row in rows(table) for name in row[column].split("|"))

    def find(self, text: str) -> Iterator[tuple[Span, Row]]:
        """Spans and rows, in order; a name of several rows comes once for each."""
        words = list(_WORD.finditer(text))
        place = 0
        while place < len(words):
            found = next(self._here(text, words, place), None) if words[place][0].lower() in self._first else None
            if found is None:
                place += 1
                continue
            number, known = found
            span = Span(words[place].start(), words[place + number - 1].end())
            yield from ((span, row) for row in known)
            place += number

    def _here(self, text: str, words: list[re.Match[str]], place: int) -> Iterator[tuple[int, list[Row]]]:
        run = self._run(text, words, place)
        for number in range(len(run), 0, -1):
            lower = tuple(word.lower() for word in run[:number])
            end = words[place + number - 1].end()
            plural = (*lower[:-1], lower[-1].removesuffix("s"))
            for key in dict.fromkeys((lower, plural)):
                said = text[words[place].start() : end]
                fitting = {id(row): row for name, row in self._known.get(key, ()) if _fits(name, said, text, end)}
                if fitting:
                    yield number, list(fitting.values())

    def _run(self, text: str, words: list[re.Match[str]], place: int) -> list[str]:
        """The words from one on that no punctuation parts."""
        run = [words[place][0]]
        for one, other in zip(words[place:], words[place + 1 : place + self._longest], strict=False):
            if not _GAP.fullmatch(text, one.end(), other.start()):
                break
            run.append(other[0])
        return run


def _fits(name: str, said: str, text: str, end: int) -> bool:
    bare = name.removesuffix(VALUE).strip()
    if name.endswith(VALUE):
        as_written = bare.islower() or said == bare
        return as_written and _NUMBER.match(text, end) is not None
    if len(bare) == SHORT and not bare.isupper() and not bare.islower():
        return said == bare  # "Mg" is magnesium, "mg" is not
    return not bare.isupper() or said.isupper() or said.removesuffix("s").isupper()
