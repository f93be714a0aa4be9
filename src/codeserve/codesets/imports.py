"""Official files into the tables of `codesets.reference`: whole or not at all, and written down.

A version is a folder `<table>/<first day>-<hash>` that is renamed into place when it is complete; a failed import
leaves what was in force. Every attempt is a line of imports.jsonl: files, hash, rows taken, rows refused and why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import orjson

from codeserve.artifacts import put_in_place, unfinished
from codeserve.codesets import official
from codeserve.codesets.files import sha256, years
from codeserve.codesets.ledger import TAKEN, Report, ledger, recorded
from codeserve.codesets.official import Entry, Refused
from codeserve.codesets.pairs import Pairs
from codeserve.codesets.reference import FOLDER, META, ROWS
from codeserve.errors import InvalidTable

MOST_REFUSED = 0.05  # a larger share means that the file is of another kind
LEAST_ROWS = 0.5  # of the version before; fewer look like a cut file
OLDEST_NEWS_DAYS = 550  # the newest row of a current file began within the year before


@dataclass(frozen=True, slots=True)
class Kind:
    """An official table. `months` that a release is in force; `history`: a release also holds what held before it."""

    name: str
    title: str
    read: Callable[[Iterable[Path]], Iterator[Entry | Refused]]
    months: int
    history: bool = False


KINDS = {
    kind.name: kind
    for kind in (
        Kind("ncci-ptp", "CMS NCCI procedure-to-procedure edits", official.pairs, 3, history=True),
        Kind("ncci-mue", "CMS NCCI medically unlikely edits", official.units, 3),
        Kind("ncci-add-ons", "CMS NCCI add-on code edits", official.add_ons, 12),
        Kind("fee-schedule", "CMS physician fee schedule, relative value file", official.fees, 12),
        Kind("hcpcs", "CMS HCPCS Level II", official.hcpcs, 3),
        Kind("cpt", "AMA CPT descriptors (licensed)", official.cpt, 12),
        Kind("necessity", "coverage policies", official.necessity, 12),
    )
}


def import_table(
    home: Path, kind: Kind, paths: Sequence[Path], effective: date, progress: Callable[[int], None] = lambda _: None
) -> Report:
    """Take the files as the version of a table from `effective` on. `progress` takes the rows read so far.

    Raises InvalidTable; then the version before stays in force.
    """
    missing = next((path for path in paths if not path.is_file()), None)
    if missing:
        raise InvalidTable(f"there is no file {missing}")
    report = Report(kind.name, tuple(path.name for path in paths), sha256(paths), effective)
    with recorded(home, report):
        _check_years(paths, effective)
        entries, strange = _read(kind, paths, report, progress)
        _check(home, kind, entries, strange, report, effective)
        _write(home, kind, entries, report, effective)
    return report


def _check_years(paths: Sequence[Path], effective: date) -> None:
    """Raises InvalidTable for a file whose name or title names years, and not that of the release."""
    for path in paths:
        named = years(path)
        if named and effective.year not in named:
            raise InvalidTable(
                f"{path.name} names the year {', '.join(map(str, sorted(named)))}, the release is for {effective.year}",
                hint="give the release's first day with --effective, or the file of that year",
            )


def _read(
    kind: Kind, paths: Sequence[Path], report: Report, progress: Callable[[int], None]
) -> tuple[list[Entry], int]:
    """The rows that were understood, and how many of the others do not belong into such a file at all."""
    entries: list[Entry] = []
    strange = 0
    for number, found in enumerate(kind.read(paths), 1):
        if isinstance(found, Refused):
            report.refuse(found.place, found.reason)
            strange += not found.usual
        else:
            entries.append(found)
        if number % 10_000 == 0:
            progress(number)
    report.rows = len(entries)
    progress(report.rows + report.refused.total())
    return entries, strange


def _check(home: Path, kind: Kind, entries: Sequence[Entry], strange: int, report: Report, effective: date) -> None:
    """Raises InvalidTable for files that are of another kind, cut, or of another time than said."""
    hint = "see that the file is the one of this table"
    if not entries and not report.refused:
        raise InvalidTable(f"{', '.join(report.files)}: a header and no row behind it", hint=hint)
    if not entries or strange > MOST_REFUSED * (len(entries) + strange):
        reason, number = report.refused.most_common(1)[0]
        such = ", ".join(report.examples[reason])
        raise InvalidTable(
            f"{number:,} of {len(entries) + number:,} rows are refused, such as {such}: {reason}", hint=hint
        )
    before = _rows_before(home, kind)
    if len(entries) < LEAST_ROWS * before:
        raise InvalidTable(
            f"{len(entries):,} rows, and the version before had {before:,}: the file looks cut",
            hint="fetch it again, with all its parts",
        )
    newest = max((entry.begins for entry in entries if entry.begins), default=None)
    if newest and not effective - timedelta(days=OLDEST_NEWS_DAYS) <= newest <= effective:
        raise InvalidTable(
            f"the newest row began on {newest}, which does not fit a release in force from {effective}",
            hint="give the release's first day with --effective",
        )


def _rows_before(home: Path, kind: Kind) -> int:
    taken = (line["rows"] for line in ledger(home) if line["table"] == kind.name and line["outcome"] == TAKEN)
    return next(iter(reversed(list(taken))), 0)


def _write(home: Path, kind: Kind, entries: Sequence[Entry], report: Report, effective: date) -> None:
    parent = home / FOLDER / kind.name
    with unfinished(parent, "import") as folder:
        if kind.name == "ncci-ptp":
            Pairs.make(entry.row for entry in entries).write(folder)
        else:
            (folder / ROWS).write_bytes(orjson.dumps({entry.key: entry.row for entry in entries}))
        (folder / META).write_bytes(orjson.dumps(_meta(kind, report, effective)))
        target = parent / f"{effective.isoformat()}-{report.sha256[:8]}"
        put_in_place(folder, target)


def _meta(kind: Kind, report: Report, effective: date) -> dict[str, Any]:
    year, quarter = effective.year, (effective.month - 1) // 3 + 1
    version = f"{year}Q{quarter}" if kind.months == 3 else str(year)
    return {
        "version": version,
        "effective": None if kind.history else effective.isoformat(),
        "until": _last_day(effective, kind.months).isoformat(),
        "source": f"{kind.title}, {version}",
        "sha256": report.sha256,
        "rows": report.rows,
    }


def _last_day(first: date, months: int) -> date:
    """The last day of the quarter or the year that a release of a day belongs to."""
    end = first.month - (first.month - 1) % months + months
    return date(first.year + (end - 1) // 12, (end - 1) % 12 + 1, 1) - timedelta(days=1)
