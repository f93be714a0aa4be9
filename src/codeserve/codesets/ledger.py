"""What every import did: a line of imports.jsonl each, whether it was taken, refused or broke off.

A line holds the files' names without their folders, the hash of their content, rows read, rows refused by reason with
some of their places, and the outcome.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import orjson

from codeserve.codesets.reference import FOLDER
from codeserve.errors import CodeserveError

LEDGER = "imports.jsonl"
EXAMPLES = 3  # of refused rows, a reason
TAKEN = "taken"


@dataclass(slots=True)
class Report:
    """What an import did. `rows` were taken; `refused` counts the others by reason, `examples` has places of some.
    `effective` is None for what has no first day of service."""

    table: str
    files: tuple[str, ...]
    sha256: str
    effective: date | None
    rows: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    outcome: str = "failed"

    def refuse(self, place: str, reason: str) -> None:
        self.refused[reason] += 1
        if len(self.examples.setdefault(reason, [])) < EXAMPLES:
            self.examples[reason].append(place)


@contextmanager
def recorded(home: Path, report: Report) -> Iterator[None]:
    """Write down how an import ends, whichever way."""
    try:
        yield
        report.outcome = TAKEN
    except CodeserveError as error:
        report.outcome = f"refused: {error.detail}"
        raise
    except BaseException as error:
        report.outcome = f"failed: {type(error).__name__}"
        raise
    finally:
        _append(home, report)


def ledger(home: Path) -> list[dict[str, Any]]:
    """What was imported or refused, oldest first."""
    path = home / FOLDER / LEDGER
    return [orjson.loads(line) for line in path.read_bytes().splitlines()] if path.is_file() else []


def _append(home: Path, report: Report) -> None:
    folder = home / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    line = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "table": report.table,
        "files": report.files,
        "sha256": report.sha256,
        "effective": report.effective.isoformat() if report.effective else None,
        "read": report.rows + report.refused.total(),
        "rows": report.rows,
        "refused": {reason: {"rows": n, "such_as": report.examples[reason]} for reason, n in report.refused.items()},
        "outcome": report.outcome,
    }
    with (folder / LEDGER).open("ab") as file:
        file.write(orjson.dumps(line) + b"\n")
