"""Releases of ICD-10-CM by the days of service that they are for: 1 April to 30 September, 1 October to 31 March.

Source: ICD-10-CM Official Guidelines, and CMS's two updates a year (42 CFR 412.60).
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path

from codeserve.artifacts import put_in_place, unfinished
from codeserve.codesets.files import sha256
from codeserve.codesets.icd10cm import Icd10cm, build
from codeserve.codesets.ledger import Report, recorded
from codeserve.codesets.reference import FOLDER, TableInfo
from codeserve.errors import InvalidTable, SetupError

NAME = "icd10cm"


@dataclass(frozen=True)
class Release:
    """An imported release; it is read when a claim of its time comes."""

    folder: Path
    period: TableInfo

    @cached_property
    def icd(self) -> Icd10cm:
        return Icd10cm.load(self.folder)


def period(version: str) -> TableInfo:
    """The days of a version like "2026-04": to the day before the next update."""
    year, month = int(version[:4]), int(version[5:7] or 10)
    first = date(year, month, 1)
    after = date(year, 10, 1) if month < 10 else date(year + 1, 4, 1)
    return TableInfo(NAME, version, first, after - timedelta(days=1), f"ICD-10-CM tabular list, {version}")


def imported(home: Path | None) -> tuple[Release, ...]:
    """Newest first."""
    folder = home / FOLDER / NAME if home else None
    if folder is None or not folder.is_dir():
        return ()
    paths = sorted((path for path in folder.iterdir() if not path.name.startswith(".")), reverse=True)
    return tuple(Release(path, period(path.name)) for path in paths)


def import_release(home: Path, tabular: Path, codes: Path, effective: date) -> Icd10cm:
    """Take the CDC's tabular XML and list of codes as the release from `effective` on. Raises InvalidTable; then
    what was there stays."""
    if missing := next((path for path in (tabular, codes) if not path.is_file()), None):
        raise InvalidTable(f"there is no file {missing}")
    report = Report(NAME, (tabular.name, codes.name), sha256((tabular, codes)), effective)
    with recorded(home, report):
        made = _import(home, tabular, codes, effective)
        report.rows = sum(1 for _ in made.billable_codes())
    return made


def _import(home: Path, tabular: Path, codes: Path, effective: date) -> Icd10cm:
    if (effective.month, effective.day) not in ((4, 1), (10, 1)):
        raise InvalidTable("a release of ICD-10-CM begins on 1 April or 1 October", hint="give --effective")
    target = home / FOLDER / NAME / f"{effective:%Y-%m}"
    try:
        with unfinished(target.parent, "import") as folder:
            source = folder / "source"
            source.mkdir()
            shutil.copy(tabular, source / "tabular.xml")
            shutil.copy(codes, source / "codes.txt")
            made = _built(folder, source, target.name)
            shutil.rmtree(source)
            put_in_place(folder, target)
            return made
    except OSError as error:
        raise InvalidTable(f"the files cannot be read ({type(error).__name__})") from None


def _built(folder: Path, source: Path, version: str) -> Icd10cm:
    try:
        build(folder, source, version)
    except (SetupError, SyntaxError, KeyError, ValueError) as error:  # an XML parse error is a SyntaxError
        raise InvalidTable(f"the files are no whole tabular list and code list ({type(error).__name__})") from None
    icd = Icd10cm.load(folder)
    if sum(1 for _ in icd.billable_codes()) == 0:
        raise InvalidTable("the tabular list holds no billable code")
    return icd
