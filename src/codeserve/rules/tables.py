"""The rules' tables: data/rules/*.tsv, comment lines left out, read once."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from functools import lru_cache
from importlib.resources import files

FOLDER = files("codeserve").joinpath("data", "rules")


@lru_cache(maxsize=64)
def rows(name: str) -> tuple[dict[str, str], ...]:
    """The rows of a table by the names of its header."""
    lines = [x for x in FOLDER.joinpath(name).read_text(encoding="utf-8").splitlines() if x and not x.startswith("#")]
    return tuple(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


def any_of(words: Iterable[str]) -> re.Pattern[str]:
    """A pattern for one of some words or phrases, whole words, in any case."""
    ordered = sorted({w for w in words if w}, key=len, reverse=True)
    return re.compile(rf"(?<!\w)(?:{'|'.join(re.escape(w) for w in ordered)})(?!\w)", re.IGNORECASE)


@lru_cache(maxsize=64)
def cue(name: str, kind: str, column: str = "words", key: str = "kind") -> re.Pattern[str]:
    """The words of all rows of one kind; a cell may hold several, parted by "|"."""
    return any_of(word for row in rows(name) if row[key] == kind for word in row[column].split("|"))


@lru_cache(maxsize=65536)
def within(table: str, column: str, code: str) -> str:
    """The cell of the first row whose range (from, to) holds a code; "" where none does. Ranges compare codes of one
    form: five digits, or a letter at the same place."""
    form = _form(code)
    return next((r[column] for r in rows(table) if form == _form(r["from"]) and r["from"] <= code <= r["to"]), "")


def _form(code: str) -> str:
    return "".join("9" if c.isdigit() else c if place == 4 else "A" for place, c in enumerate(code))
