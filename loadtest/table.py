"""`python -m loadtest.table`: the results that lie in runs/loadtest as a Markdown table."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

HEAD = (
    "| scenario, minutes, models | traffic | sent | good | slow | refused | failed | no answer | p50 / p95 s "
    "| objectives | date, load average |\n|---|---|---|---|---|---|---|---|---|---|---|"
)


def lines(told: Mapping[str, Any]) -> Iterator[str]:
    """A line a kind of traffic."""
    run = told["run"]
    for kind, row in told["traffic"].items():
        missed = [
            f"{one['objective']} {one['got'] if one['got'] is None else format(one['got'], '.3g')} ({one['bound']:g})"
            for one in told["objectives"]
            if one["traffic"] == kind and not one["met"]
        ]
        took = " / ".join("–" if row["seconds"][q] is None else f"{row['seconds'][q]:.2f}" for q in ("p50", "p95"))
        counts = " | ".join(str(row[name]) for name in ("sent", "good", "slow", "refused", "failed", "unanswered"))
        yield (
            f"| {told['scenario']}, {told['minutes']:g}, {run['models']} | {kind} | {counts} | {took} "
            f"| {'**missed:** ' + ', '.join(missed) if missed else 'met'} "
            f"| {run['when'][:16].replace('T', ' ')}, {run['load_average']['before']:.0f} to "
            f"{run['load_average']['after']:.0f} |"
        )


def table(results: Iterable[Mapping[str, Any]]) -> str:
    return "\n".join([HEAD, *(line for told in results for line in lines(told))])


if __name__ == "__main__":
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/loadtest")
    print(table(json.loads(path.read_text()) for path in sorted(folder.glob("*/summary.json"))))
