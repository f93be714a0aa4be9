"""Official files into the tables of `codesets.reference`: whole or not at all, and written down.

A version is a folder `<table>/<first day>-<hash>` that is renamed into place when it is complete; a failed import
leaves what was in force. Every attempt is a line of imports.jsonl: files, hash, rows taken, rows refused and why.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from codeserve.artifacts import unfinished
from codeserve.codesets import official
from codeserve.codesets.files import sha256
from codeserve.codesets.official import Entry, Refused
from codeserve.codesets.pairs import Pairs
from codeserve.codesets.reference import FOLDER, META, ROWS
from codeserve.errors import CodeserveError, InvalidTable

LEDGER = "imports.jsonl"
EXAMPLES = 3  # of refused rows, a reason
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


@dataclass(slots=True)
class Report:
    """What an import did. `refused` counts rows by reason, `examples` has places of some."""

    table: str
    files: tuple[str, ...]
    sha256: str
    effective: date
    rows: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    outcome: str = "taken"

    def refuse(self, row: Refused) -> None:
        self.refused[row.reason] += 1
        if len(self.examples.setdefault(row.reason, [])) < EXAMPLES:
            self.examples[row.reason].append(row.place)


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
    try:
        entries = _read(kind, paths, report, progress)
        _check(home, kind, entries, report)
        _write(home, kind, entries, report)
    except CodeserveError as error:
        report.outcome = f"refused: {error.detail}"
        raise
    finally:
        _record(home, report)
    return report


def ledger(home: Path) -> list[dict[str, Any]]:
    """What was imported or refused, oldest first."""
    path = home / FOLDER / LEDGER
    return [orjson.loads(line) for line in path.read_bytes().splitlines()] if path.is_file() else []


def _read(kind: Kind, paths: Sequence[Path], report: Report, progress: Callable[[int], None]) -> list[Entry]:
    entries: list[Entry] = []
    for number, found in enumerate(kind.read(paths), 1):
        if isinstance(found, Refused):
            report.refuse(found)
        else:
            entries.append(found)
        if number % 10_000 == 0:
            progress(number)
    report.rows = len(entries)
    progress(report.rows + report.refused.total())
    return entries


def _check(home: Path, kind: Kind, entries: Sequence[Entry], report: Report) -> None:
    """Raises InvalidTable for files that are of another kind, cut, or of another time than said."""
    refused = report.refused.total()
    if not entries or refused > MOST_REFUSED * (len(entries) + refused):
        reason, places = next(iter(report.examples.items()), ("it holds no row", []))
        such = ", ".join(places) or "all"
        raise InvalidTable(
            f"{refused:,} of {len(entries) + refused:,} rows are refused, such as {such}: {reason}",
            hint="see that the file is the one of this table",
        )
    before = _rows_before(home, kind)
    if len(entries) < LEAST_ROWS * before:
        raise InvalidTable(
            f"{len(entries):,} rows, and the version before had {before:,}: the file looks cut",
            hint="fetch it again, with all its parts",
        )
    newest = max((entry.begins for entry in entries if entry.begins), default=None)
    if newest and not report.effective - timedelta(days=OLDEST_NEWS_DAYS) <= newest <= report.effective:
        raise InvalidTable(
            f"the newest row began on {newest}, which does not fit a release in force from {report.effective}",
            hint="give the release's first day with --effective",
        )


def _rows_before(home: Path, kind: Kind) -> int:
    taken = (line["rows"] for line in ledger(home) if line["table"] == kind.name and line["outcome"] == "taken")
    return next(iter(reversed(list(taken))), 0)


def _write(home: Path, kind: Kind, entries: Sequence[Entry], report: Report) -> None:
    parent = home / FOLDER / kind.name
    with unfinished(parent, "import") as folder:
        if kind.name == "ncci-ptp":
            Pairs.make(entry.row for entry in entries).write(folder)
        else:
            (folder / ROWS).write_bytes(orjson.dumps({entry.key: entry.row for entry in entries}))
        (folder / META).write_bytes(orjson.dumps(_meta(kind, report)))
        target = parent / f"{report.effective.isoformat()}-{report.sha256[:8]}"
        if target.exists():
            shutil.rmtree(target)  # the same files again
        folder.rename(target)


def _meta(kind: Kind, report: Report) -> dict[str, Any]:
    year, quarter = report.effective.year, (report.effective.month - 1) // 3 + 1
    version = f"{year}Q{quarter}" if kind.months == 3 else str(year)
    return {
        "version": version,
        "effective": None if kind.history else report.effective.isoformat(),
        "until": _last_day(report.effective, kind.months).isoformat(),
        "source": f"{kind.title}, {version}",
        "sha256": report.sha256,
        "rows": report.rows,
    }


def _last_day(first: date, months: int) -> date:
    """The last day of the quarter or the year that a release of a day belongs to."""
    end = first.month - (first.month - 1) % months + months
    return date(first.year + (end - 1) // 12, (end - 1) % 12 + 1, 1) - timedelta(days=1)


def _record(home: Path, report: Report) -> None:
    folder = home / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    line = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "table": report.table,
        "files": report.files,
        "sha256": report.sha256,
        "effective": report.effective.isoformat(),
        "rows": report.rows,
        "refused": {reason: {"rows": n, "such_as": report.examples[reason]} for reason, n in report.refused.items()},
        "outcome": report.outcome,
    }
    with (folder / LEDGER).open("ab") as file:
        file.write(orjson.dumps(line) + b"\n")
