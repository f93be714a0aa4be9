"""Named families of codes that a practice may allow to be posted, from data/rollout/families.tsv."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from codeserve.errors import SetupError

CATEGORY = 3  # characters of an ICD-10-CM category


@dataclass(frozen=True, slots=True)
class Range:
    """From `first` to `last`, inclusive: categories of ICD-10-CM or codes of procedures."""

    first: str
    last: str

    def holds(self, code: str) -> bool:
        return self.first <= code <= self.last


@dataclass(frozen=True)
class Families:
    """The ranges of each family, of diagnoses and of procedures."""

    diagnoses: Mapping[str, tuple[Range, ...]]
    procedures: Mapping[str, tuple[Range, ...]]

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self.diagnoses) | frozenset(self.procedures)

    def of(self, code: str, diagnosis: bool) -> frozenset[str]:
        """The families that a code belongs to; a procedure is never taken for a diagnosis (E1390 is HCPCS)."""
        key, ranges = (code[:CATEGORY], self.diagnoses) if diagnosis else (code, self.procedures)
        return frozenset(name for name, held in ranges.items() if any(one.holds(key) for one in held))


def make_families(rows: Iterable[Mapping[str, str]]) -> Families:
    """Raises SetupError for a range that mixes kinds or runs backwards."""
    found: tuple[dict[str, tuple[Range, ...]], dict[str, tuple[Range, ...]]] = ({}, {})
    for row in rows:
        name, first, last = row["family"], row["first"], row["last"]
        if len(first) != len(last) or len(first) not in (CATEGORY, 5) or first > last:
            raise SetupError(f"the family {name} has a range that cannot be: {first} to {last}")
        kind = found[len(first) != CATEGORY]
        kind[name] = (*kind.get(name, ()), Range(first, last))
    return Families(*found)


@cache
def load_families() -> Families:
    """The shipped table, read once."""
    return make_families(rows("families"))


def rows(name: str) -> Iterable[dict[str, str]]:
    """The rows of a table of data/rollout; lines that start with # are comments."""
    text = files("codeserve").joinpath("data", "rollout", f"{name}.tsv").read_text(encoding="utf-8")
    return csv.DictReader((line for line in text.splitlines() if not line.startswith("#")), delimiter="\t")
