"""Pairs of procedure codes as sorted numbers: millions of edits in three memory-mapped columns, one search a claim.

A code of five characters is 26 bits in base 36, so a pair is one number of 52 bits and a claim's pairs are looked up in
one vectorised binary search. A pair may stand in several rows, with other days in force.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

WIDTH = 5
BITS = 26  # 36 ** 5 < 2 ** 26
NOT_APPLICABLE = 9  # deleted on the day on which it began
NEVER = np.iinfo(np.int32).max
COLUMNS = {"keys": np.uint64, "effective": np.int32, "deleted": np.int32, "indicator": np.uint8, "why": np.uint8}
TEXTS = "texts.json"

Edit = tuple[str, str, str, date | None, date | None, str]


def packed(code: str) -> int:
    """Raises ValueError for what is not five letters or digits."""
    if len(code) != WIDTH:
        raise ValueError("a procedure code has five characters")
    return int(code, 36)


def unpacked(number: int) -> str:
    digits = []
    for _ in range(WIDTH):
        number, digit = divmod(number, 36)
        digits.append("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[digit])
    return "".join(reversed(digits))


class Pairs:
    """Read-only; `columns` as in COLUMNS, sorted by key. Days are ordinals, both included."""

    def __init__(self, columns: dict[str, NDArray[Any]], texts: Sequence[str]) -> None:
        self._columns = columns
        self._keys = columns["keys"]
        self._texts = texts

    def __len__(self) -> int:
        return len(self._keys)

    @classmethod
    def make(cls, edits: Iterable[Edit]) -> Pairs:
        """Column 1 code, column 2 code, indicator, first and last day, rationale; at most 256 rationales."""
        texts: dict[str, int] = {}
        found = [
            (
                packed(one) << BITS | packed(two),
                effective.toordinal() if effective else 0,
                deleted.toordinal() if deleted else NEVER,
                int(indicator),
                texts.setdefault(why, len(texts)),
            )
            for one, two, indicator, effective, deleted, why in edits
        ]
        found.sort()
        by_column = list(zip(*found, strict=True)) or [()] * len(COLUMNS)
        columns = {
            name: np.array(values, dtype=kind) for (name, kind), values in zip(COLUMNS.items(), by_column, strict=True)
        }
        return cls(columns, list(texts))

    def write(self, folder: Path) -> None:
        for name, column in self._columns.items():
            np.save(folder / f"{name}.npy", column)
        (folder / TEXTS).write_bytes(orjson.dumps(self._texts))

    @classmethod
    def open(cls, folder: Path) -> Pairs:
        """Maps the columns into memory: processes on one machine share them."""
        columns = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in COLUMNS}
        return cls(columns, orjson.loads((folder / TEXTS).read_bytes()))

    def among(self, codes: Sequence[str], day: date | None) -> Iterator[Edit]:
        """The edits in force on `day` that name two different ones of `codes`, in the order of the table."""
        unique = sorted({packed(code) for code in codes if len(code) == WIDTH and code.isascii() and code.isalnum()})
        numbers = np.array(unique, dtype=np.uint64)
        wanted = ((numbers[:, None] << np.uint64(BITS)) | numbers[None, :]).ravel()
        first = np.searchsorted(self._keys, wanted)
        last = np.searchsorted(self._keys, wanted, side="right")
        for start, end in zip(first[first < last], last[first < last], strict=True):
            for row in range(int(start), int(end)):
                if self._in_force(row, day):
                    yield self._edit(row)

    def _in_force(self, row: int, day: date | None) -> bool:
        if self._columns["indicator"][row] == NOT_APPLICABLE:
            return False
        return day is None or self._columns["effective"][row] <= day.toordinal() <= self._columns["deleted"][row]

    def _edit(self, row: int) -> Edit:
        key, effective, deleted, indicator, why = (self._columns[name][row].item() for name in COLUMNS)
        return (
            unpacked(key >> BITS),
            unpacked(key & ((1 << BITS) - 1)),
            str(indicator),
            date.fromordinal(effective) if effective else None,
            date.fromordinal(deleted) if deleted != NEVER else None,
            self._texts[why],
        )
