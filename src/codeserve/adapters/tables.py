"""The adapters' tables: data/adapters/*.tsv, comment lines left out, read once."""

from __future__ import annotations

import csv
from functools import lru_cache
from importlib.resources import files

FOLDER = files("codeserve").joinpath("data", "adapters")


@lru_cache(maxsize=32)
def rows(name: str) -> tuple[dict[str, str], ...]:
    """The rows of a table by the names of its header."""
    lines = [x for x in FOLDER.joinpath(name).read_text(encoding="utf-8").splitlines() if x and not x.startswith("#")]
    return tuple(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


@lru_cache(maxsize=32)
def column(name: str, key: str, value: str) -> dict[str, str]:
    """One column of a table by another."""
    return {row[key]: row[value] for row in rows(name)}
