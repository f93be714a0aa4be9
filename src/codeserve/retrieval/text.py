"""How words are compared: the same normal form for the lexicon, the index and the query."""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib.resources import files

import Stemmer

from codeserve.notes.spans import Span

_STEMMER = Stemmer.Stemmer("english")
_ARTICLES = "a an the her his their this that is due mellitus"
_LINKS = "of in on to and or for with by at as from"
STOP = frozenset((*_ARTICLES.split(" "), *_LINKS.split(" ")))
_ROMAN = {"i": "1", "ii": "2", "iii": "3", "iv": "4", "v": "5"}
_ROMAN_NUMBER = re.compile(r"(iii|ii|iv|i|v)([ab]?)")
_NUMBERED = frozenset({"type", "stage", "grade", "class", "phase", "degree"})
_LETTERED = frozenset({"hepatitis", "influenza", "flu", "vitamin", "type", "group", "hemophilia"})
_KEPT = re.compile(r"(ss|us|is|ous)$")
_PREFIX = "anti|broncho|cardio|extra|gastro|hyper|hypo|inter|intra|micro|multi|osteo|peri|poly|sub|under|over|uro"
_MAX_PHRASE = 4

Alternatives = tuple[tuple[str, ...], ...]


def rows(name: str) -> list[dict[str, str]]:
    """A table of data/retrieval, comment lines left out."""
    text = files("codeserve").joinpath("data", "retrieval", name).read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


@lru_cache(maxsize=1)
def _word_pattern() -> re.Pattern[str]:
    """Short forms that hold a slash, words that "non", "post" and "pre" are joined to, any other word."""
    slashed = "|".join(re.escape(row["short"]) for row in rows("abbreviations.tsv") if "/" in row["short"])
    joined = rf"(?:(?:non|post|pre)[- ]|(?:{_PREFIX})-)[a-z]{{3,}}"
    return re.compile(rf"(?<![a-z0-9])(?:{slashed})(?![a-z0-9])|\b{joined}|[a-z0-9]+(?:['’][a-z]+)?", re.I)


def tokens(text: str) -> Iterator[tuple[Span, str]]:
    """Each word in its normal form with its place: lower case, no possessive, "type II" as "type 2", hyphens part
    words except behind a prefix ("non-displaced", "non displaced" → "nondisplaced")."""
    before = ""
    for match in _word_pattern().finditer(text):
        word = _normal(match[0].lower(), before)
        if word:
            yield Span(match.start(), match.end()), word
        before = word


def _normal(word: str, before: str) -> str:
    if "/" in word:
        return word
    word = word.replace("’", "'").removesuffix("'s").replace("'", "").replace("-", "").replace(" ", "")
    if before in _NUMBERED and (number := _ROMAN_NUMBER.fullmatch(word)):
        return _ROMAN[number[1]] + number[2]
    return "letter_a" if word == "a" and before in _LETTERED else word


def words(text: str) -> list[str]:
    return [word for _, word in tokens(text)]


@lru_cache(maxsize=65536)
def stem(word: str) -> str:
    return str(_STEMMER.stemWord(word))


@lru_cache(maxsize=65536)
def singular(word: str) -> str:
    """The singular, as far as regular endings tell; the same for both numbers is enough."""
    if len(word) < 4 or not word.endswith("s") or _KEPT.search(word):
        return word
    if word.endswith("ies"):
        return word[:-3] + "y"
    return word[:-2] if re.search(r"(ch|sh|x|ss|zz)es$", word) else word[:-1]


@lru_cache(maxsize=1)
def abbreviations() -> dict[str, tuple[str, ...]]:
    """What clinicians' short forms stand for, from data/retrieval/abbreviations.tsv."""
    return {row["short"]: tuple(words(row["long"])) for row in rows("abbreviations.tsv")}


@lru_cache(maxsize=1)
def synonyms() -> dict[tuple[str, ...], Alternatives]:
    """The classification's words, stemmed, for a clinician's, from data/retrieval/synonyms.tsv."""
    return {
        tuple(stems(row["words"])): tuple(tuple(stems(other)) for other in row["classification"].split("|"))
        for row in rows("synonyms.tsv")
    }


def expand(listed: Sequence[str]) -> list[str]:
    """Short forms written out."""
    short = abbreviations()
    return [long for word in listed for long in short.get(word, (word,))]


def stems(text: str) -> list[str]:
    """Index and query terms: short forms expanded, stop words dropped, stemmed."""
    return [stem(word) for word in expand(words(text)) if word not in STOP]


def groups(text: str) -> list[Alternatives]:
    """A query's stems, each (or each known phrase of up to 4) with the classification's words for it as alternatives.

    "kidney stone" → (("kidney",), ("renal",)), (("stone",), ("calculus",)).
    """
    listed = stems(text)
    known = synonyms()
    found: list[Alternatives] = []
    place = 0
    while place < len(listed):
        length = next((n for n in range(_MAX_PHRASE, 0, -1) if tuple(listed[place : place + n]) in known), 1)
        phrase = tuple(listed[place : place + length])
        found.append((phrase, *known.get(phrase, ())))
        place += len(phrase)
    return found


def signature(text: str) -> tuple[str, ...]:
    """The same for "kidney stones" and "stone, kidney"."""
    return tuple(sorted({singular(word) for word in expand(words(text)) if word not in STOP}))


@lru_cache(maxsize=1)
def weightless() -> frozenset[str]:
    """Stems of a title that say nothing of the condition."""
    return frozenset(stem(word) for word in words("unspecified other specified nos nec elsewhere classified certain"))


@lru_cache(maxsize=1)
def fingerprint() -> str:
    """Of the tables that decide which words an index holds."""
    return hashlib.sha256(repr(sorted(abbreviations().items())).encode()).hexdigest()[:8]
