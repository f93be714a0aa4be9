from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeserve.access.table import load_table, make_table
from codeserve.errors import SetupError

TABLE = load_table()
PERMISSION = {"permission": "see", "phi": "no", "allows": "see it"}
ROLE = {"role": "guest", "who": "a guest", "permissions": "see"}
ROUTE = {"method": "GET", "path": "/x", "permission": "see", "limit": "request"}


def table(permission: Any = None, role: Any = None, route: Any = None) -> Any:
    return make_table([{**PERMISSION, **(permission or {})}], [{**ROLE, **(role or {})}], [{**ROUTE, **(route or {})}])


def test_a_small_table() -> None:
    small = table()
    assert small.rule("GET", "/x") == small.rule("HEAD", "/x")
    assert small.granted(["guest", "stranger"]) == {"see"}
    assert small.granted([]) == frozenset()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"route": {"permission": ""}}, "none given"),
        ({"route": {"permission": "fly"}}, "not defined: fly"),
        ({"route": {"limit": "often"}}, "limit often"),
        ({"route": {"permission": "public"}}, "asks nobody"),
        ({"role": {"permissions": "see fly"}}, "role guest has unknown permissions: fly"),
    ],
)
def test_what_the_loader_refuses(change: Any, told: str) -> None:
    with pytest.raises(SetupError, match=told):
        table(**change)


@pytest.mark.parametrize("twice", range(3))
def test_nothing_is_there_twice(twice: int) -> None:
    rows = [[PERMISSION], [ROLE], [ROUTE]]
    rows[twice] *= 2
    with pytest.raises(SetupError, match="there twice"):
        make_table(*rows)


def test_a_route_that_is_not_there() -> None:
    with pytest.raises(SetupError, match="POST /x has no permission"):
        table().rule("POST", "/x")


@given(st.sets(st.sampled_from(sorted(TABLE.roles))), st.sets(st.sampled_from(sorted(TABLE.roles))))
def test_more_roles_give_more_and_never_less(some: set[str], more: set[str]) -> None:
    assert TABLE.granted(some | more) == TABLE.granted(some) | TABLE.granted(more)


def test_who_sees_suggestions() -> None:
    """Issue: only coders and billers see suggestions; an adapter carries them and sees no queue."""
    seeing = {p.name for p in TABLE.permissions.values() if p.phi} - {"audit"}
    assert {name for name, role in TABLE.roles.items() if role.permissions & seeing} == {
        *("adapter", "coder", "senior_coder")
    }
    assert not TABLE.roles["adapter"].permissions & {"worklist", "decide", "audit", "promote"}


def test_nobody_both_decides_and_approves_or_audits() -> None:
    for role in TABLE.roles.values():
        assert not ("decide" in role.permissions and role.permissions & {"promote", "audit"}), role.name


def test_every_permission_is_somebodys() -> None:
    assert TABLE.granted(TABLE.roles) == TABLE.permissions.keys()
