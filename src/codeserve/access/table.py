"""Roles, permissions and routes, read from data/access/*.tsv. A route that is not in the table is not served."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal, TypeVar, get_args

from codeserve.errors import SetupError

PUBLIC, SIGNATURE = "public", "signature"
Limit = Literal["slot", "request", "none"]
Rows = Iterable[Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Permission:
    name: str
    phi: bool
    allows: str


@dataclass(frozen=True, slots=True)
class Role:
    name: str
    who: str
    permissions: frozenset[str]


@dataclass(frozen=True, slots=True)
class Rule:
    """Of one route: the `permission` that it needs, or public, or signature; what its calls count against."""

    method: str
    path: str
    permission: str
    limit: Limit

    @property
    def open(self) -> bool:
        """Whether nobody is asked who they are."""
        return self.permission in (PUBLIC, SIGNATURE)


@dataclass(frozen=True)
class Table:
    """`rules` by method and the route's template, such as ("GET", "/v1/codes/{code}")."""

    permissions: Mapping[str, Permission]
    roles: Mapping[str, Role]
    rules: Mapping[tuple[str, str], Rule]

    def rule(self, method: str, path: str) -> Rule:
        """Raises SetupError for a route that the table lacks; HEAD counts as GET."""
        rule = self.rules.get(("GET" if method == "HEAD" else method, path))
        if rule is None:
            raise SetupError(
                f"the route {method} {path} has no permission",
                hint="add it to data/access/routes.tsv; public if nobody is asked",
            )
        return rule

    def granted(self, roles: Iterable[str]) -> frozenset[str]:
        """All that these roles may do; roles that the table does not know give nothing."""
        return frozenset().union(*(self.roles[role].permissions for role in roles if role in self.roles))


def make_table(permissions: Rows, roles: Rows, routes: Rows) -> Table:
    """Raises SetupError for a name that is not defined, a row that is there twice or a route without a permission."""
    known = _by_name("permission", (Permission(p["permission"], p["phi"] == "yes", p["allows"]) for p in permissions))
    cast = _by_name("role", (Role(r["role"], r["who"], frozenset(r["permissions"].split())) for r in roles))
    for role in cast.values():
        if unknown := role.permissions - known.keys():
            raise SetupError(f"role {role.name} has unknown permissions: {', '.join(sorted(unknown))}")
    rules: dict[tuple[str, str], Rule] = {}
    for row in routes:
        rule = _rule(row, known)
        if (rule.method, rule.path) in rules:
            raise SetupError(f"the route {rule.method} {rule.path} is there twice")
        rules[rule.method, rule.path] = rule
    return Table(known, cast, rules)


def _rule(row: Mapping[str, str], known: Mapping[str, Permission]) -> Rule:
    place, permission, limit = f"the route {row['method']} {row['path']}", row["permission"], row["limit"]
    if permission not in known and permission not in (PUBLIC, SIGNATURE):
        raise SetupError(f"{place} needs a permission that is not defined: {permission or 'none given'}")
    if limit not in get_args(Limit):
        raise SetupError(f"{place} has the limit {limit or '(none given)'}, not one of {', '.join(get_args(Limit))}")
    rule = Rule(row["method"], row["path"], permission, limit)  # type: ignore[arg-type]  # checked above
    if rule.open and limit != "none":
        raise SetupError(f"{place} asks nobody who they are and so cannot count against anyone's rate")
    return rule


Named = TypeVar("Named", Permission, Role)


def _by_name(kind: str, found: Iterable[Named]) -> dict[str, Named]:
    named: dict[str, Named] = {}
    for one in found:
        if one.name in named:
            raise SetupError(f"the {kind} {one.name} is there twice")
        named[one.name] = one
    return named


@cache
def load_table() -> Table:
    """The shipped table, read once."""
    return make_table(_rows("permissions"), _rows("roles"), _rows("routes"))


def _rows(name: str) -> Rows:
    """Lines that start with # are comments."""
    text = files("codeserve").joinpath("data", "access", f"{name}.tsv").read_text(encoding="utf-8")
    return csv.DictReader((line for line in text.splitlines() if not line.startswith("#")), delimiter="\t")
