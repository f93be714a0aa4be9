"""What `codeserve capacity` prints."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from codeserve.capacity.plan import Plan, Profile, Wish, plan


def show_plan(wish: Wish, profile: Profile, console: Console) -> None:
    """Raises SetupError where the wish cannot be met."""
    with console.status("simulating the busiest hour …"):
        found = plan(wish, profile)
    table = Table(title=f"{wish.notes_per_day:,.0f} notes a day, 99 % within {wish.p99_s:g} s", show_header=False)
    for name, value in _rows(wish, found):
        table.add_row(name, value)
    console.print(table)
    console.print("Assumed:", style="bold")
    for line in _assumptions(wish, profile):
        console.print(f"- {line}", soft_wrap=True, highlight=False)


def _rows(wish: Wish, found: Plan) -> list[tuple[str, str]]:
    rows = [
        ("notes a second in the busiest hour", f"{wish.rate:.2f}"),
        ("chains (gateway, tagger, reasoner)", f"{found.replicas}, of which {wish.spare} spare"),
        ("busy in that hour, without the spare", f"{found.busy:.0%}"),
        ("latency p50 / p99", f"{found.p50_s:.1f} s / {found.p99_s:.1f} s"),
        ("cores", f"{found.cores:g}"),
        ("GPUs", f"{found.gpus:g}"),
        ("memory", f"{found.memory_gib:g} GiB"),
    ]
    if found.cost_a_month is not None and found.cost_a_note is not None:
        rows.append(("cost a month / a note", f"{found.cost_a_month:,.0f} / {found.cost_a_note:.4f}"))
    return rows


def _assumptions(wish: Wish, profile: Profile) -> list[str]:
    return [
        f"one chain is as measured: {profile.name}: {profile.measured}",
        f"{wish.busiest_hour:.0%} of a day's notes come in its busiest hour, independently of one another (Poisson)",
        "notes cost what the measured ones did; longer notes cost more",
        f"{wish.slots} notes at once are at work or in line for each chain; the least busy chain takes the next one",
        "chains on more machines are as quick as one: replicas share nothing, which is measured on one machine only",
    ]
