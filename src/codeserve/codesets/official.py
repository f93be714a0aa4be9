"""What stands in the official files: each row of a table as CMS writes it, or the reason why a row is refused.

Formats: CMS NCCI PTP, MUE and add-on code files; the national physician fee schedule relative value file (PPRRVU); the
HCPCS alpha-numeric file and its record layout; an AMA file of CPT descriptors; articles of coverage policies as CSV.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from codeserve.codesets.files import Line, read_lines, read_text
from codeserve.codesets.icd10cm import FORM, normalise_code
from codeserve.errors import InvalidTable

CODE = re.compile(r"\d{4}[0-9A-Z]|[A-Z]\d{4}")
DAY = re.compile(r"(\d{4})-?(\d{2})-?(\d{2})")


@dataclass(frozen=True, slots=True)
class Entry:
    """A row that was understood; `begins` is the day from which it counts, where it has one of its own."""

    key: str
    row: Any
    begins: date | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """`usual`: such rows stand in CMS's own files and are no sign of a wrong one."""

    place: str
    reason: str
    usual: bool = False


Found = Iterator[Entry | Refused]
Row = TypeVar("Row")


class _Bad(ValueError):
    """Why a row is refused."""


class _LeftOut(_Bad):
    """Why a row is refused that may well stand in the file."""


def pairs(paths: Iterable[Path]) -> Found:
    """NCCI PTP, practitioner or hospital, in one or several parts; rows are edits of `codesets.pairs.Edit`."""
    wanted = {"one": r"column ?1", "two": r"column ?2", "effective": r"effective", "deleted": r"deletion"}
    wanted |= {"indicator": r"modifier", "why": r"rationale"}

    def read(cells: Mapping[str, str]) -> Entry:
        one, two = _code(cells["one"]), _code(cells["two"])
        if cells["indicator"] not in ("0", "1", "9"):
            raise _Bad("the modifier indicator is not 0, 1 or 9")
        begins = _needed_day(cells["effective"], "effective")
        ends = None if cells["deleted"] in ("", "*") else _needed_day(cells["deleted"], "deletion")
        edit = (one, two, cells["indicator"], begins, ends, cells["why"])
        return Entry(f"{one}{two}", edit, begins)

    return _by_header(paths, wanted, read)


def units(paths: Iterable[Path]) -> Found:
    """NCCI MUE values; the adjudication indicator is the digit that its text begins with."""
    wanted = {"code": r"code", "units": r"mue value|^mue$", "adjudication?": r"adjudication", "why?": r"rationale"}

    def read(cells: Mapping[str, str]) -> Entry:
        if not cells["units"].isdigit():
            raise _Bad("the MUE value is no whole number")
        adjudication = cells["adjudication?"][:1]
        if adjudication not in ("", "1", "2", "3"):
            raise _Bad("the adjudication indicator is not 1, 2 or 3")
        return Entry(
            _code(cells["code"]),
            {"units": int(cells["units"]), "adjudication": adjudication, "why": cells["why?"]},
        )

    return _by_header(paths, wanted, read)


def add_ons(paths: Iterable[Path]) -> Found:
    """NCCI add-on codes: a row an add-on code and one of its primary codes; those of one code become one entry."""
    wanted = {"code": r"add-?on code$|^aoc$", "kind": r"type", "primary": r"primary (procedure )?code$|^primary$"}
    wanted |= {"deleted?": r"delet"}
    kinds = {"1": "1", "2": "2", "3": "3", "I": "1", "II": "2", "III": "3"}

    def read(cells: Mapping[str, str]) -> Entry:
        kind = kinds.get(cells["kind"].upper().removeprefix("TYPE ").strip())
        if kind is None:
            raise _Bad("the type of add-on code is not 1, 2 or 3")
        if cells["deleted?"] not in ("", "*"):
            raise _LeftOut("deleted")
        primary = cells["primary"].upper()
        named = [primary] if CODE.fullmatch(primary) else []
        if not named and kind != "2":
            raise _Bad("the primary code is no procedure code")
        return Entry(_code(cells["code"]), {"kind": kind, "primaries": named})

    return _joined(_by_header(paths, wanted, read), "primaries")


def fees(paths: Iterable[Path]) -> Found:
    """The relative value file. Its header is spread over several lines, so columns are counted from the line that
    begins with HCPCS and MOD (layout of 2021 to 2026, in the file's own documentation)."""
    places = {"status": 3, "work": 5, "nonfacility": 11, "facility": 12, "pctc": 13, "global_days": 14}
    places |= {"multiple": 18, "bilateral": 19, "assistant": 20, "co_surgeons": 21, "conversion_factor": 24}
    places |= {"intra_op": 16, "endo_base": 23}
    numbers = ("work", "nonfacility", "facility", "conversion_factor", "intra_op")

    def read(cells: tuple[str, ...]) -> Entry:
        if len(cells) <= places["conversion_factor"]:
            raise _Bad("too few columns")
        row: dict[str, Any] = {name: cells[place] for name, place in places.items()}
        row.update({name: _number(row[name]) for name in numbers})
        if row["conversion_factor"] == 0:
            row["conversion_factor"] = None
        return Entry(_code(cells[0]) + cells[1], row)

    def is_header(line: Line) -> bool:
        return [cell.upper() for cell in line.cells[:2]] == ["HCPCS", "MOD"]

    return _rows(paths, is_header, lambda line: read(line.cells), "a line that begins with HCPCS and MOD")


def hcpcs(paths: Iterable[Path]) -> Found:
    """HCPCS Level II: the fixed-width file (record layout HCPC20yy), or a table with a header."""
    listed = list(paths)
    wanted = {"code": r"^hcpcs?( code)?$|^code$", "description": r"long desc|^description$|short.desc"}
    wanted |= {"effective?": r"^act.*eff|effective", "terminated?": r"^term"}

    def read(cells: Mapping[str, str]) -> Entry:
        code = _code(cells["code"])
        if code[0].isdigit():
            raise _LeftOut("a CPT code: its descriptor belongs to the AMA")
        if not cells["description"]:
            raise _Bad("no description")
        days = {name: _iso(cells[f"{name}?"]) for name in ("effective", "terminated")}
        return Entry(code, {"description": cells["description"], **days}, _day(cells["effective?"]))

    fixed = [path for path in listed if path.suffix.lower() == ".txt"]
    tables = [path for path in listed if path not in fixed]
    read_fixed = (found for path in fixed for found in _fixed(path, read))
    return chain(read_fixed, _by_header(tables, wanted, read) if tables else ())


def _fixed(path: Path, read: Callable[[Mapping[str, str]], Entry]) -> Found:
    """Records of 320 characters; a continuation (record 4) adds to the long description of the line above."""
    whole: dict[str, dict[str, str]] = {}
    for number, line in enumerate(read_text(path).splitlines(), 1):
        code, record = line[:5].strip(), line[10:11]
        if record not in ("3", "4"):  # 7 and 8 are modifiers
            continue
        if len(line) < 120:
            yield Refused(f"{path.name}, line {number}", "the record is shorter than its layout")
        elif record == "4" and code in whole:
            whole[code]["description"] += " " + line[11:91].strip()
        else:
            days = {"effective?": line[276:284].strip(), "terminated?": line[284:292].strip()}
            whole[code] = {"code": code, "description": line[11:91].strip(), "place": str(number), **days}
    if not whole:
        raise InvalidTable(f"{path.name} holds no record of the HCPCS layout")
    for cells in whole.values():
        yield _tried(f"{path.name}, line {cells['place']}", read, cells)


def cpt(paths: Iterable[Path]) -> Found:
    """The AMA's descriptors, by a customer who is licensed: a code and a descriptor a line, behind any header."""

    def read(line: Line) -> Entry:
        if len(line.cells) < 2 or not line.cells[-1]:
            raise _Bad("no descriptor")
        return Entry(_code(line.cells[0]), {"description": line.cells[-1], "effective": None, "terminated": None})

    def is_header(line: Line) -> bool:
        return not CODE.fullmatch(line.cells[0])

    return (_tried(line.place, read, line) for path in paths for line in read_lines(path) if not is_header(line))


def necessity(paths: Iterable[Path]) -> Found:
    """Coverage articles: procedure, policy, title, diagnosis (a code or its beginning), one diagnosis a row."""
    wanted = {"code": r"procedure|cpt|hcpcs", "policy": r"policy|article|lcd|ncd", "title": r"title"}
    wanted |= {"diagnosis": r"diagnosis|icd", "region?": r"region|state|jurisdiction|contractor"}

    def read(cells: Mapping[str, str]) -> Entry:
        if not FORM.fullmatch(cells["diagnosis"].upper()):
            raise _Bad("the diagnosis is no code of ICD-10-CM")
        return Entry(
            _code(cells["code"]),
            {
                "policy": cells["policy"],
                "title": cells["title"],
                "region": cells["region?"],
                "diagnoses": normalise_code(cells["diagnosis"]),
            },
        )

    policies: dict[str, dict[str, dict[str, Any]]] = {}
    for found in _by_header(paths, wanted, read):
        if isinstance(found, Refused):
            yield found
        else:
            one = policies.setdefault(found.key, {}).setdefault(found.row["policy"], {**found.row, "diagnoses": []})
            one["diagnoses"].append(found.row["diagnoses"])
    yield from (Entry(code, {"all": list(by_policy.values())}) for code, by_policy in policies.items())


def _joined(found: Found, column: str) -> Found:
    """Entries of one key as one, their lists in `column` put together."""
    whole: dict[str, Entry] = {}
    for one in found:
        if isinstance(one, Refused):
            yield one
        elif one.key in whole:
            whole[one.key].row[column].extend(one.row[column])
        else:
            whole[one.key] = one
    yield from whole.values()


def _by_header(paths: Iterable[Path], wanted: Mapping[str, str], read: Callable[[Mapping[str, str]], Entry]) -> Found:
    """Rows by the names of their columns: `wanted` takes ours to a pattern for the file's; ours with "?" may lack."""
    for path in paths:
        columns: dict[str, int] | None = None
        for line in read_lines(path):
            if columns is None:
                columns = _columns(line, wanted)
            else:
                cells = {ours: _cell(line.cells, columns.get(ours)) for ours in wanted}
                yield _tried(line.place, read, cells)
        if columns is None:
            names = ", ".join(name.rstrip("?") for name in wanted)
            raise InvalidTable(f"{path.name} has no header with the columns of this table ({names})")


def _columns(line: Line, wanted: Mapping[str, str]) -> dict[str, int] | None:
    """Our names to places in a header line; None for any other line."""
    names = [" ".join(cell.lower().split()) for cell in line.cells]
    found = {
        ours: next((i for i, name in enumerate(names) if re.search(pattern, name)), None)
        for ours, pattern in wanted.items()
    }
    if any(place is None and not ours.endswith("?") for ours, place in found.items()):
        return None
    return {ours: place for ours, place in found.items() if place is not None}


def _cell(cells: tuple[str, ...], place: int | None) -> str:
    return cells[place] if place is not None and place < len(cells) else ""


def _rows(
    paths: Iterable[Path], is_header: Callable[[Line], bool], read: Callable[[Line], Entry], header: str
) -> Found:
    for path in paths:
        begun = False
        for line in read_lines(path):
            if begun:
                yield _tried(line.place, read, line)
            begun = begun or is_header(line)
        if not begun:
            raise InvalidTable(f"{path.name} has no header: {header}")


def _tried(place: str, read: Callable[[Row], Entry], row: Row) -> Entry | Refused:
    try:
        return read(row)
    except _Bad as why:
        return Refused(place, str(why), isinstance(why, _LeftOut))


def _code(text: str) -> str:
    code = text.upper()
    if not CODE.fullmatch(code):
        raise _Bad("no procedure code")
    return code


def _day(text: str) -> date | None:
    match = DAY.fullmatch(text)
    try:
        return date(int(match[1]), int(match[2]), int(match[3])) if match else None
    except ValueError:
        return None


def _iso(text: str) -> str | None:
    day = _day(text)
    return day.isoformat() if day else None


def _needed_day(text: str, name: str) -> date:
    day = _day(text)
    if day is None:
        raise _Bad(f"the {name} date is no day")
    return day


def _number(text: str) -> float | None:
    try:
        return float(text.replace(",", "")) if text else None
    except ValueError:
        raise _Bad("a value is no number") from None
