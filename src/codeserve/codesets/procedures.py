"""CPT and HCPCS Level II codes that are used in a visit, described in words of our own (data/procedures/*.tsv).

A CPT descriptor belongs to the AMA and is not repeated here; a licensed file can be imported beside these.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.resources import files

from codeserve.errors import SetupError
from codeserve.reasoning.questions import System

COLUMNS = ("code", "system", "description", "terms", "kind", "needs", "note")
KINDS = frozenset(
    {
        "evaluation",
        "test",
        "imaging",
        "injection",
        "immunization",
        "drug",
        "supply",
        "surgery",
        "treatment",
        "screening",
        "counselling",
    }
)
NEEDS = frozenset({"side", "units", "dose", "length", "site", "minutes", "age", "count", "route"})
_CPT = re.compile(r"\d{5}|\d{4}[FTU]")
_HCPCS = re.compile(r"[A-V]\d{4}")


@dataclass(frozen=True, slots=True)
class ProcedureCode:
    """`terms`: what clinicians write, lower case. `needs`: what the note must say to choose or bill it (NEEDS).
    `imported`: an official release describes it, not this project's own table (codesets/imported.py)."""

    code: str
    system: System
    description: str
    terms: tuple[str, ...]
    kind: str
    needs: frozenset[str] = frozenset()
    note: str = ""
    imported: bool = False


class Procedures:
    """The table, read-only, in the order of the files."""

    def __init__(self, rows: Iterable[ProcedureCode], sha256: str) -> None:
        self._by_code = {row.code: row for row in rows}
        self.sha256 = sha256

    @classmethod
    def load(cls) -> Procedures:
        """Read all tables that ship. Raises SetupError, naming file and line, for a row that is not well formed."""
        folder = files("codeserve").joinpath("data", "procedures")
        tables = sorted((f for f in folder.iterdir() if f.name.endswith(".tsv")), key=lambda f: f.name)
        texts = {table.name: table.read_text(encoding="utf-8") for table in tables}
        rows: dict[str, ProcedureCode] = {}
        for name, text in texts.items():
            for line, row in _parse(name, text):
                if row.code in rows:
                    raise SetupError(f"{name}, line {line}: {row.code} stands in the tables twice")
                rows[row.code] = row
        return cls(rows.values(), hashlib.sha256("".join(texts.values()).encode()).hexdigest())

    def __contains__(self, code: str) -> bool:
        return self.get(code) is not None

    def __len__(self) -> int:
        return len(self._by_code)

    def get(self, code: str) -> ProcedureCode | None:
        return self._by_code.get(code.strip().upper())

    def all(self) -> tuple[ProcedureCode, ...]:
        return tuple(self._by_code.values())

    def documents(self) -> Iterator[tuple[ProcedureCode, tuple[str, ...]]]:
        """Each code of this project's own with the texts to index: its description and its terms."""
        return ((row, (row.description, *row.terms)) for row in self._by_code.values() if not row.imported)

    def imported(self) -> tuple[ProcedureCode, ...]:
        return tuple(row for row in self._by_code.values() if row.imported)


def _parse(name: str, text: str) -> Iterator[tuple[int, ProcedureCode]]:
    lines = text.splitlines()
    if tuple(lines[0].split("\t")) != COLUMNS:
        raise SetupError(f"{name}: the header must be {' '.join(COLUMNS)}")
    for number, cells in enumerate(csv.reader(lines[1:], delimiter="\t", quoting=csv.QUOTE_NONE), 2):
        if cells and not cells[0].startswith("#"):
            yield number, _row(cells, f"{name}, line {number}")


def _row(cells: list[str], place: str) -> ProcedureCode:
    code, system, description, terms, kind, needs, note = (c.strip() for c in (*cells, *[""] * len(COLUMNS))[:7])
    wanted = {"CPT": _CPT, "HCPCS": _HCPCS}.get(system)
    if wanted is None or not wanted.fullmatch(code):
        raise SetupError(f"{place}: {code} is no code of {system}")
    named = tuple(term for term in terms.split("|") if term)
    needed = frozenset(need for need in needs.split("|") if need)
    if not description or not named or kind not in KINDS or not needed <= NEEDS or len(cells) > len(COLUMNS):
        raise SetupError(f"{place}: {code} lacks a description or terms, or its kind or needs are unknown")
    return ProcedureCode(code, System(system), description, named, kind, needed, note)
