"""Rows of official files as CMS publishes them: text (tab, comma or fixed width) and xlsx, each with its place."""

from __future__ import annotations

import csv
import hashlib
import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from codeserve.errors import InvalidTable

XLSX = ".xlsx"
MARKS = (
    (b"PK\x03\x04", "a zip archive", "unpack it, and give the text or xlsx file that it holds"),
    (b"\xff\xfe", "neither UTF-8 nor Windows-1252 text, but UTF-16", "save it as UTF-8 text"),
    (b"\xfe\xff", "neither UTF-8 nor Windows-1252 text, but UTF-16", "save it as UTF-8 text"),
    (b"%PDF", "a PDF document", "fetch the text or xlsx file"),
)
YEAR = re.compile(r"(?<!\d)20[0-9]{2}(?!\d)")
SNIFFED = 50  # lines that show which delimiter a file has


@dataclass(frozen=True, slots=True)
class Line:
    """`number` counts from 1; cells are trimmed, numbers and dates of a spreadsheet as text."""

    file: str
    number: int
    cells: tuple[str, ...]

    @property
    def place(self) -> str:
        return f"{self.file}, line {self.number}"


def sha256(paths: Sequence[Path]) -> str:
    total = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                total.update(block)
    return total.hexdigest()


def years(path: Path) -> frozenset[int]:
    """The years that a text file's name or title line names; a line about copyright names the licensor's."""
    title = ""
    if path.suffix.lower() != XLSX:
        with path.open("rb") as file:
            title = file.readline(1000).decode("utf-8", errors="replace")
    told = path.name if "copyright" in title.lower() else f"{path.name} {title}"
    return frozenset(int(year) for year in YEAR.findall(told))


def read_lines(path: Path) -> Iterator[Line]:
    """The rows of a text or xlsx file, empty ones left out. Raises InvalidTable with the place of what is wrong."""
    cells = _sheet(path) if path.suffix.lower() == XLSX else _delimited(path)
    for number, row in cells:
        trimmed = tuple(cell.strip() for cell in row)
        if any(trimmed):
            yield Line(path.name, number, trimmed)


def read_text(path: Path) -> str:
    """UTF-8, or the Windows code page that CMS uses for the copyright sign. Raises InvalidTable for anything else, and
    for a file whose last line is cut."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InvalidTable(f"{path.name} cannot be read ({type(error).__name__})") from None
    for mark, what, mend in MARKS:
        if content.startswith(mark):
            raise InvalidTable(f"{path.name} is {what}", hint=mend)
    if b"\0" in content[:4096]:
        raise InvalidTable(f"{path.name} is neither UTF-8 nor Windows-1252 text", hint="save it as UTF-8 text")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", errors="replace")
    if not text.strip():
        raise InvalidTable(f"{path.name} is empty")
    if not text.endswith(("\n", "\r")):
        lines = text.count("\n") + 1
        raise InvalidTable(f"{path.name}, line {lines}: the file ends within a line: it is cut", hint="fetch it again")
    return text


def _delimited(path: Path) -> Iterator[tuple[int, list[str]]]:
    text = read_text(path)
    head = text.splitlines()[:SNIFFED]
    delimiter = max("\t,|", key=lambda mark: sum(line.count(mark) for line in head))
    reader = csv.reader(io.StringIO(text), delimiter=delimiter)
    try:
        yield from ((reader.line_num, row) for row in reader)
    except csv.Error:
        raise InvalidTable(f"{path.name}, line {reader.line_num}: the row cannot be read") from None


def _sheet(path: Path) -> Iterator[tuple[int, list[str]]]:
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        sheet = load_workbook(path, read_only=True, data_only=True).worksheets[0]
        for number, row in enumerate(sheet.iter_rows(values_only=True), 1):
            yield number, [_written(value) for value in row]
    except (OSError, zipfile.BadZipFile, InvalidFileException, KeyError, EOFError, ValueError):
        raise InvalidTable(f"{path.name} is no whole xlsx file", hint="fetch it again") from None


def _written(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime | date):
        return value.strftime("%Y%m%d")
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
