"""The tables of docs/security.md, made from the data. `python -m codeserve.access.describe` writes them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from codeserve.access.table import Rule, Table, load_table
from codeserve.artifacts import write_whole
from codeserve.errors import SetupError

PAGE = Path("docs/security.md")
BEGIN, END = "<!-- made by python -m codeserve.access.describe -->", "<!-- end -->"
_BLOCK = re.compile(re.escape(BEGIN) + r".*?" + re.escape(END), re.DOTALL)


def tables(table: Table) -> str:
    """Markdown: roles, then permissions by role, then the routes."""
    roles = list(table.roles.values())
    who = _grid(("role", "who"), ((f"`{role.name}`", role.who) for role in roles))
    head = ("permission", "allows", "health information", *(f"`{role.name}`" for role in roles))
    may = _grid(
        head,
        (
            (f"`{p.name}`", p.allows, "yes" if p.phi else "", *("x" if p.name in r.permissions else "" for r in roles))
            for p in table.permissions.values()
        ),
    )
    routes = _grid(("route", "needs", "counts against"), map(_route, table.rules.values()))
    return "\n\n".join((who, may, routes))


def _route(rule: Rule) -> tuple[str, ...]:
    against = {"slot": "rate and slots", "request": "rate", "none": ""}[rule.limit]
    needs = rule.permission if rule.open else f"`{rule.permission}`"
    return f"`{rule.method} {rule.path}`", needs, against


def _grid(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ("---",) * len(head), *rows))


def with_tables(page: str, table: Table) -> str:
    """Raises SetupError for a page without the marks between which the tables stand."""
    made, count = _BLOCK.subn(lambda _: f"{BEGIN}\n\n{tables(table)}\n\n{END}", page)
    if count != 1:
        raise SetupError("the page has no place for the tables", hint=f"put {BEGIN} and {END} where they go")
    return made


def main() -> None:
    write_whole(PAGE, [with_tables(PAGE.read_text(encoding="utf-8"), load_table()).encode()])


if __name__ == "__main__":
    main()
