"""Rows by the beginning of a code: a few look-ups a code instead of a walk through the table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

Row = TypeVar("Row")


class Stems(Generic[Row]):
    """Read-only. `of` gives the rows whose stem a code begins with, in the order in which they came."""

    def __init__(self, rows: Iterable[tuple[str, Row]]) -> None:
        self._rows: dict[str, list[tuple[int, Row]]] = {}
        for place, (stem, row) in enumerate(rows):
            self._rows.setdefault(stem, []).append((place, row))
        self._lengths = sorted({len(stem) for stem in self._rows})

    def of(self, code: str) -> tuple[Row, ...]:
        found: list[tuple[int, Row]] = []
        for length in self._lengths:
            if length > len(code):
                break
            found += self._rows.get(code[:length], ())
        return tuple(row for _, row in sorted(found, key=lambda one: one[0]))
