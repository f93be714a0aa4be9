"""People's names in a note that nobody named beforehand.

A run of capitalised words is a name by what stands around it (data/redaction_frames.tsv) or by the name lists of the US
Census of 1990 (package `names`). What is found so goes wherever it stands in the note. Every look has a bounded window:
linear in the text's length.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.resources import files

from spacy.lang.en.stop_words import STOP_WORDS

from codeserve.notes.spans import Span

WINDOW = 64  # characters looked at on either side of a run
LONGEST = 4  # words of one name
SURE_FIRST = 2  # letters below which a listed first name says nothing
SHORT_FORM = 4  # letters up to which capitals are an abbreviation (EMS, RHF) rather than a shouted name
NO_NAME = re.compile(r"(?:ly|log(?:y|ist|ists)|graphy|scopy|ectomy|itis|emia|trician|therapy)$")
RUN_GAP = re.compile(r"[ \u00A0]{1,2}|-|\. ?")
WORD = re.compile(r"[^\W\d_][\u0300-\u036f]*(?:['’](?!s\b)[^\W\d_]|[^\W\d_]|[\u0300-\u036f]){0,40}")
PARTICLES = frozenset(
    {"van", "von", "der", "den", "de", "da", "la", "del", "di", "dos", "du", "bin", "ibn", "al", "el", "ter"}
)
SIGN = re.compile(r"(?i)\b(?:positive|negative|neg|pos|\+) $")


@dataclass(frozen=True, slots=True)
class Lists:
    """In lower case: `first` and `last` names, `clinical` words that no list calls a name, `common` words."""

    first: frozenset[str]
    last: frozenset[str]
    clinical: frozenset[str]
    common: frozenset[str]


@lru_cache(maxsize=1)
def lists() -> Lists:
    lexicon = files("codeserve").joinpath("data", "lexicon")
    terms = (
        word
        for file in lexicon.iterdir()
        if file.name.endswith(".tsv")
        for line in file.read_text(encoding="utf-8").splitlines()[1:]
        for word in re.findall(r"[^\W\d_]+", line.split("\t")[0].lower())
    )
    common = frozenset(_column("redaction_words.tsv"))
    clinical = frozenset({*_column("redaction_clinical.tsv"), *STOP_WORDS, *terms})
    return Lists(_census("male.first") | _census("female.first"), _census("all.last"), clinical, common)


def _column(name: str) -> list[str]:
    return files("codeserve").joinpath("data", name).read_text(encoding="utf-8").splitlines()[1:]


def _census(name: str) -> frozenset[str]:
    lines = files("names").joinpath(f"dist.{name}").read_text(encoding="ascii").splitlines()
    return frozenset(line.split()[0].lower() for line in lines)


@lru_cache(maxsize=1)
def _frames() -> tuple[re.Pattern[str], re.Pattern[str]]:
    rows = [line.split("\t") for line in _column("redaction_frames.tsv")]
    sides = ("before", "after")
    before, after = (re.compile("|".join(f"(?:{p})" for side, p in rows if side == which)) for which in sides)
    return before, after


class NameFinder:
    """The names of one note."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = [m for m in WORD.finditer(text) if m[0][0].isupper() or m[0] in PARTICLES]

    @cached_property
    def _lower(self) -> frozenset[str]:
        """Words that the note also writes in lower case: words of the language, as far as this note says."""
        return frozenset(re.findall(r"(?<![^\W_])[a-z]{2,40}", self._text))

    def find(self, known: Iterable[Span], eponym: re.Pattern[str]) -> Iterator[Span]:
        """Spans of names, `known` ones (found otherwise) spread over the note, no part of an eponym."""
        introduced = [*known]
        for run in self._runs():
            introduced += (span for span in self._names_of(run) if not eponym.match(self._text, span.end))
        yield from introduced
        yield from self._spread(introduced, eponym)

    def _runs(self) -> Iterator[list[re.Match[str]]]:
        """Capitalised words that stand together, particles within them."""
        run: list[re.Match[str]] = []
        for token in self._tokens:
            if run and not self._joined(run[-1], token):
                yield run
                run = []
            if run or token[0][0].isupper():
                run.append(token)
        if run:
            yield run

    def _joined(self, left: re.Match[str], right: re.Match[str]) -> bool:
        gap = self._text[left.end() : right.start()]
        if gap.startswith("."):
            return len(left[0]) == 1
        return RUN_GAP.fullmatch(gap) is not None

    def _names_of(self, run: Sequence[re.Match[str]]) -> Iterator[Span]:
        run = [*run]
        while run and run[-1][0] in PARTICLES:
            run.pop()
        before, after = _frames()
        start = 0
        while start < len(run):
            end = self._end_of_name(run, start, before, after)
            if end > start:
                yield Span(run[start].start(), run[end - 1].end())
            start = max(end, start + 1)

    def _end_of_name(
        self, run: Sequence[re.Match[str]], start: int, before: re.Pattern[str], after: re.Pattern[str]
    ) -> int:
        """Where the name that starts at word `start` ends; `start` itself if none does."""
        text, words = self._text, lists()
        opens = run[start].start()
        left = text[max(0, opens - WINDOW) : opens]
        stop = min(len(run), start + LONGEST)
        if self._may_be_name(run[start]) and before.search(left):
            end = start + 1
            while end < stop and (run[end][0] in PARTICLES or self._may_be_surname(run[end])):
                end += 1
            return end
        closes = run[-1].end()
        if (
            len(run) - start <= LONGEST
            and after.search(text[closes : closes + 2 * WINDOW])
            and self._all_names(run, start)
        ):
            return len(run)
        return self._listed(run, start, stop, words, left)

    def _all_names(self, run: Sequence[re.Match[str]], start: int) -> bool:
        rest = run[start:]
        return self._may_be_name(rest[0]) and all(self._may_be_surname(t) or t[0] in PARTICLES for t in rest[1:])

    def _listed(self, run: Sequence[re.Match[str]], start: int, stop: int, words: Lists, left: str) -> int:
        """By the lists: a first name and what follows it, or a first name alone within a sentence."""
        first = run[start][0].lower()
        sure = first in words.first and first not in words.clinical and len(first) > SURE_FIRST
        second = start + 1
        while second < stop - 1 and (len(run[second][0]) == 1 or run[second][0] in PARTICLES):
            second += 1
        if second < stop and self._surname_after(run[second], sure, first in words.first or len(first) == 1):
            return second + 1
        alone = sure and first not in words.common and first not in self._lower and not run[start][0].isupper()
        return start + 1 if alone else start

    def _surname_after(self, token: re.Match[str], sure: bool, listed: bool) -> bool:
        words, word = lists(), token[0].lower().replace("'", "").replace("’", "")
        if word in words.last and word not in words.clinical and word not in words.common:
            return sure or (listed and word not in self._lower)
        return sure and word in words.last and (word in words.common or word not in words.clinical)

    def _may_be_name(self, token: re.Match[str]) -> bool:
        """In a frame: a capitalised word that is none of the clinic's or the language's, unless a list knows it."""
        words, word = lists(), token[0].lower()
        if word in PARTICLES:
            return False
        if word in words.clinical:
            return word in words.first and word in _GIVEN
        short_form = token[0].isupper() and len(word) <= SHORT_FORM
        return word in words.first or word in words.last or not (short_form or NO_NAME.search(word))

    def _may_be_surname(self, token: re.Match[str]) -> bool:
        words, word = lists(), token[0].lower()
        return word not in words.clinical or word in words.common or (word in words.last and word not in STOP_WORDS)

    def _spread(self, introduced: Sequence[Span], eponym: re.Pattern[str]) -> Iterator[Span]:
        """Every other place of the names' words: whole words, capitalised, no eponym, no word of the language."""
        words = lists()
        parts = {word[0].lower() for span in introduced for word in WORD.finditer(span.of(self._text))}
        parts = {p for p in parts if len(p) > SURE_FIRST and p not in PARTICLES and p not in STOP_WORDS}
        plain = {p for p in parts if p in words.common or p in words.clinical or p in self._lower}
        for token in self._tokens:
            word = token[0].lower()
            if word not in parts or eponym.match(self._text, token.end()):
                continue
            left = self._text[max(0, token.start() - WINDOW) : token.start()]
            if word in plain and (
                not left.endswith(" ") or left.rstrip(" ").endswith((".", ":", "•", "-")) or SIGN.search(left)
            ):
                continue
            yield Span(token.start(), token.end())


# Given names among the clinical words: in a frame they are people.
_GIVEN = frozenset(
    {"virginia", "heather", "dawn", "april", "may", "june", "grace", "hope", "faith", "mark", "allen", "thomas"}
    | {"turner", "patrick", "dallas", "camila", "ella"}
)
