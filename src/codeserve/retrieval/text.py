"""How words are compared: the same normal form for the lexicon, the index and the query."""

from __future__ import annotations

import csv
import re
from functools import lru_cache
from importlib.resources import files

import Stemmer

_WORD = re.compile(r"[a-z0-9]+(?:'[a-z]+)?")
_STEMMER = Stemmer.Stemmer("english")
STOP = frozenset("a an the of in on to and or for with by at as is due from her his their this that".split())
# Words that tell codes apart although they are short.
KEEP = frozenset({"with", "without", "no", "not"})


def words(text: str) -> list[str]:
    """Lower-case words: hyphens and slashes part them, a possessive is dropped."""
    plain = text.lower().replace("’", "'")
    return [word[:-2] if word.endswith("'s") else word.replace("'", "") for word in _WORD.findall(plain)]


@lru_cache(maxsize=65536)
def stem(word: str) -> str:
    return str(_STEMMER.stemWord(word))


@lru_cache(maxsize=1)
def abbreviations() -> dict[str, tuple[str, ...]]:
    """What clinicians' short forms stand for, from data/retrieval/abbreviations.tsv."""
    return {row["short"]: tuple(words(row["long"])) for row in rows("abbreviations.tsv")}


@lru_cache(maxsize=1)
def synonyms() -> dict[str, tuple[str, ...]]:
    """The classification's word for a clinician's, from data/retrieval/synonyms.tsv."""
    return {stem(row["word"]): tuple(stem(w) for w in words(row["classification"])) for row in rows("synonyms.tsv")}


def rows(name: str) -> list[dict[str, str]]:
    """A table of data/retrieval, comment lines left out."""
    text = files("codeserve").joinpath("data", "retrieval", name).read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


def expand(listed: list[str]) -> list[str]:
    """Short forms written out."""
    short = abbreviations()
    return [long for word in listed for long in short.get(word, (word,))]


def stems(text: str) -> list[str]:
    """Index and query terms: short forms expanded, stop words dropped, stemmed."""
    return [stem(word) for word in expand(words(text)) if word not in STOP]


def query_terms(text: str) -> list[str]:
    """The stems of a query and the classification's words for them."""
    known = synonyms()
    listed = stems(text)
    return listed + [other for word in listed for other in known.get(word, ())]


def signature(text: str) -> tuple[str, ...]:
    """The same for "kidney stones" and "stone, kidney"."""
    return tuple(sorted(set(stems(text))))
