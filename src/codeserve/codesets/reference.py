"""The tables about procedure codes, by day of service: CMS's where they were imported, else starting tables.

NCCI pairs, MUE units and add-on codes (CMS National Correct Coding Initiative), the Medicare physician fee schedule,
HCPCS Level II, a licensed CPT file, and coverage policies. `codeserve import` fills them (codesets/imports.py).
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

import orjson

from codeserve.codesets.pairs import Pairs
from codeserve.errors import SetupError

DATA = files("codeserve").joinpath("data", "codesets")
FOLDER = "reference"
META = "meta.json"
ROWS = "rows.json"
STARTER = "starter"
STARTER_SOURCE = "starting table of this project, not CMS's file"
NAMES = ("ncci-ptp", "ncci-mue", "ncci-add-ons", "fee-schedule", "hcpcs", "cpt", "necessity")

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class TableInfo:
    """`effective` and `until` are the days of service that a table covers, both included; None is open. `source` is
    what a finding says of it."""

    name: str
    version: str
    effective: date | None
    until: date | None
    source: str

    def covers(self, day: date | None) -> bool:
        if day is None:
            return True
        return (self.effective is None or self.effective <= day) and (self.until is None or day <= self.until)


@dataclass(frozen=True, slots=True)
class PairEdit:
    """`column2` is part of `column1`. `indicator`: "0" never together, "1" a modifier may allow both, "9" deleted."""

    column1: str
    column2: str
    indicator: str
    effective: date | None
    deleted: date | None
    rationale: str
    table: TableInfo


@dataclass(frozen=True, slots=True)
class UnitsEdit:
    """`adjudication`: "1" a claim line, "2" and "3" a date of service (2 is absolute), "" not known."""

    code: str
    units: int
    adjudication: str
    rationale: str
    table: TableInfo


@dataclass(frozen=True, slots=True)
class AddOn:
    """`kind` "1": only with `primaries`; "2": the payer decides; "3": with `primaries` among others."""

    code: str
    kind: str
    primaries: frozenset[str]
    table: TableInfo


@dataclass(frozen=True, slots=True)
class Fee:
    """A line of the fee schedule. RVUs are totals (work, practice, malpractice); None where a starting table has none.
    Indicators as CMS writes them; `intra_op` the operation's share of the global payment, in [0, 1]; `endo_base` the
    code of the endoscopy that others of its family contain."""

    code: str
    modifier: str
    status: str
    work: float | None
    facility: float | None
    nonfacility: float | None
    global_days: str
    pctc: str
    multiple: str
    bilateral: str
    assistant: str
    co_surgeons: str
    conversion_factor: float | None
    table: TableInfo
    intra_op: float | None = None
    endo_base: str = ""

    def payment(self, in_facility: bool) -> float | None:
        """US dollars before geographic adjustment."""
        units = self.facility if in_facility else self.nonfacility
        return None if units is None or self.conversion_factor is None else round(units * self.conversion_factor, 2)


@dataclass(frozen=True, slots=True)
class Policy:
    """A coverage policy (LCD or NCD article): `diagnoses` are the codes or their beginnings that support a service.
    `region`: where it holds, as its file says; "" where it says nothing."""

    procedure: str
    policy: str
    title: str
    diagnoses: Sequence[str]
    table: TableInfo
    region: str = ""


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A code of HCPCS Level II, or of a CPT file that the customer holds a licence for."""

    code: str
    description: str
    effective: date | None
    terminated: date | None
    table: TableInfo


class Reference:
    """Read-only. The newest imported version that covers the day answers, else the starting table."""

    def __init__(self, versions: Mapping[str, Sequence[_Version]]) -> None:
        self._versions = versions

    @classmethod
    def load(cls, home: Path | None = None) -> Reference:
        """What was imported under `home`, beside the starting tables. Quick: rows are read when first asked for."""
        found = {name: [*_imported(home, name), _starter(name)] for name in NAMES}
        return cls({name: [one for one in versions if one is not None] for name, versions in found.items()})

    def table(self, name: str, day: date | None) -> TableInfo | None:
        version = self._in_force(name, day)
        return version.info if version else None

    def version(self, name: str) -> str:
        """Of the newest imported table of a name; "" where none was imported."""
        table = self.table(name, None)
        return table.version if table and table.version != STARTER else ""

    @property
    def tables(self) -> tuple[TableInfo, ...]:
        return tuple(version.info for versions in self._versions.values() for version in versions)

    def pairs(self, codes: Sequence[str], day: date | None) -> tuple[PairEdit, ...]:
        """Every edit in force on `day` (any day where None) that names two of the codes, in either order."""
        version = self._in_force("ncci-ptp", day)
        if version is None:
            return ()
        return tuple(PairEdit(*found, version.info) for found in version.pairs.among(codes, day))

    def units(self, code: str, day: date | None) -> UnitsEdit | None:
        return self._row(
            "ncci-mue", code, day, lambda r, t: UnitsEdit(code, r["units"], r["adjudication"], r["why"], t)
        )

    def add_on(self, code: str, day: date | None) -> AddOn | None:
        return self._row("ncci-add-ons", code, day, lambda r, t: AddOn(code, r["kind"], frozenset(r["primaries"]), t))

    def fee(self, code: str, modifier: str = "", day: date | None = None) -> Fee | None:
        return self._row("fee-schedule", f"{code}{modifier}", day, lambda r, t: Fee(code, modifier, **r, table=t))

    def policies(self, code: str, day: date | None) -> tuple[Policy, ...]:
        made = self._row("necessity", code, day, lambda r, t: tuple(Policy(code, **one, table=t) for one in r["all"]))
        return made or ()

    def hcpcs(self, code: str, day: date | None = None) -> Descriptor | None:
        return self._descriptor("hcpcs", code, day)

    def cpt(self, code: str, day: date | None = None) -> Descriptor | None:
        """The AMA's descriptor, where a licensed file was imported."""
        return self._descriptor("cpt", code, day)

    def descriptors(self, name: str) -> Iterator[Descriptor]:
        """All codes of the newest imported version of "hcpcs" or "cpt" that are in force on its first day."""
        version = self._in_force(name, None)
        if version is None:
            return
        for code, row in version.rows.items():
            one = Descriptor(code, row["description"], _day(row["effective"]), _day(row["terminated"]), version.info)
            begins = version.info.effective
            if one.terminated is None or begins is None or one.terminated >= begins:
                yield one

    def _descriptor(self, name: str, code: str, day: date | None) -> Descriptor | None:
        return self._row(
            name,
            code,
            day,
            lambda r, t: Descriptor(code, r["description"], _day(r["effective"]), _day(r["terminated"]), t),
        )

    def _row(
        self, name: str, key: str, day: date | None, make: Callable[[dict[str, Any], TableInfo], Row]
    ) -> Row | None:
        version = self._in_force(name, day)
        row = version.rows.get(key) if version else None
        return make(row, version.info) if row is not None and version else None

    def _in_force(self, name: str, day: date | None) -> _Version | None:
        return next((version for version in self._versions.get(name, ()) if version.info.covers(day)), None)


class _Version:
    """One version of one table; its content is read when it is first needed."""

    def __init__(self, info: TableInfo, read: Callable[[], Any]) -> None:
        self.info = info
        self._read = read

    @cached_property
    def rows(self) -> Mapping[str, Any]:
        content: Mapping[str, Any] = self._read()
        return content

    @cached_property
    def pairs(self) -> Pairs:
        content: Pairs = self._read()
        return content


def _imported(home: Path | None, name: str) -> list[_Version]:
    """The imported versions, newest first. Raises SetupError for a version without its description."""
    folder = home / FOLDER / name if home else None
    if folder is None or not folder.is_dir():
        return []
    # A version's folder begins with the day from which it is CMS's current one.
    paths = sorted((path for path in folder.iterdir() if not path.name.startswith(".")), reverse=True)
    return [_open(path, name) for path in paths]


def _open(folder: Path, name: str) -> _Version:
    try:
        meta = orjson.loads((folder / META).read_bytes())
    except (OSError, orjson.JSONDecodeError):
        raise SetupError(
            f"an imported table of {name} is not whole", hint=f"import it again: codeserve import {name}"
        ) from None
    info = TableInfo(name, meta["version"], _day(meta["effective"]), _day(meta["until"]), meta["source"])
    if name == "ncci-ptp":
        return _Version(info, lambda: Pairs.open(folder))
    return _Version(info, lambda: orjson.loads((folder / ROWS).read_bytes()))


def _starter(name: str) -> _Version | None:
    make = {
        "ncci-ptp": _starter_pairs,
        "ncci-mue": _starter_units,
        "ncci-add-ons": _starter_add_ons,
        "fee-schedule": _starter_fees,
    }.get(name)
    return _Version(TableInfo(name, STARTER, None, None, STARTER_SOURCE), make) if make else None


def _starting(name: str) -> Iterator[dict[str, str]]:
    lines = (line for line in DATA.joinpath(name).read_text(encoding="utf-8").splitlines() if line[:1] not in ("", "#"))
    return csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)


def _starter_pairs() -> Pairs:
    return Pairs.make(
        (r["column1"], r["column2"], r["modifier_indicator"], None, None, r["why"])
        for r in _starting("ncci_starter.tsv")
    )


def _starter_units() -> dict[str, Any]:
    return {
        r["code"]: {"units": int(r["most"]), "adjudication": "", "why": r["why"]} for r in _starting("mue_starter.tsv")
    }


def _starter_add_ons() -> dict[str, Any]:
    return {
        r["code"]: {"kind": r["kind"], "primaries": r["primaries"].split("|") if r["primaries"] else []}
        for r in _starting("add_ons_starter.tsv")
    }


def _starter_fees() -> dict[str, Any]:
    """Indicators alone: RVUs change every year and are taken from CMS's file or not at all."""
    none = dict.fromkeys(("work", "facility", "nonfacility", "conversion_factor"))
    flags = ("status", "global_days", "pctc", "multiple", "bilateral", "assistant", "co_surgeons")
    return {
        r["code"]: {"status": "A", **none, **{flag: r[flag] for flag in flags if flag in r}}
        for r in _starting("fee_starter.tsv")
    }


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None
