"""The outcome of a run as plain values, and as a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from loadtest.scenario import Scenario
from loadtest.tally import GOOD, OUTCOMES, Row
from loadtest.verdict import judge


def summarise(name: str, scenario: Scenario, rows: Mapping[str, Row], seconds: float) -> dict[str, Any]:
    """What summary.json holds. `good_per_s` is over the part of the run in which the traffic sends."""
    verdicts = judge(scenario, rows)
    length = scenario.minutes * 60
    traffic = {}
    for kind, one in scenario.traffic.items():
        row = rows.get(kind, Row())
        begin, end = one.part
        traffic[kind] = {
            "sent": row.sent,
            **{outcome: row.outcomes[outcome] for outcome in OUTCOMES},
            "unanswered": row.unanswered,
            "good_per_s": round(row.outcomes[GOOD] / (length * (end - begin)), 3),
            "seconds": {f"p{q:g}": row.percentile_s(q / 100) for q in (50, 95, 99)},
            "why": dict(row.why.most_common()),
        }
    return {
        "scenario": name,
        "minutes": scenario.minutes,
        "seconds": round(seconds, 1),
        "met": all(verdict.met for verdict in verdicts),
        "traffic": traffic,
        "objectives": [asdict(verdict) for verdict in verdicts],
    }


def show(told: Mapping[str, Any], console: Console) -> None:
    names = ("sent", *OUTCOMES, "unanswered", "good_per_s")
    headings = ("sent", *OUTCOMES, "no answer", "good/s", "p50 s", "p95 s", "p99 s")
    table = Table("traffic", *headings, title=f"{told['scenario']}, {told['seconds']:.0f} s", padding=(0, 0))
    for kind, row in told["traffic"].items():
        took = ("–" if s is None else f"{s:.2f}" for s in row["seconds"].values())
        table.add_row(kind, *(f"{row[name]:g}" for name in names), *took)
    console.print(table)
    for kind, row in told["traffic"].items():
        for why, count in row["why"].items():
            console.print(f"  {kind}: {count} × {why}", style="yellow", highlight=False)
    for one in told["objectives"]:
        sign = "at least" if one["objective"] == "goodput" else "at most"
        got = "nothing to measure" if one["got"] is None else f"{one['got']:.3g}"
        met = "[green]met[/]   " if one["met"] else "[bold red]MISSED[/]"
        console.print(f"{met} {one['traffic']} {one['objective']}: {got}, {sign} {one['bound']:g}", highlight=False)
