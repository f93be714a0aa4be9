"""Every route of the application, with every role, in two practices, against data/access/*.tsv."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi import APIRouter, Request

from codeserve.access.issuer import Issuer
from codeserve.access.table import Rule, load_table, make_table
from codeserve.api.guard import Guarded, principal_of
from tests.access import walk
from tests.access.walk import Walk, leaks, refusals, whole_app
from tests.api.fakes import with_client

TABLE = load_table()
RULES = [pytest.param(rule, id=f"{rule.method} {rule.path}") for rule in TABLE.rules.values()]


@pytest.fixture(scope="module", params=["keys", "tokens"])
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    with ExitStack() as stack:
        issuer = stack.enter_context(Issuer()) if request.param == "tokens" else None
        yield whole_app(tmp_path_factory.mktemp("walk"), TABLE, issuer)


def test_the_table_has_the_applications_routes_and_no_other(whole: Walk) -> None:
    served = {(method, route.path) for route in whole.app.routes for method in route.methods if method != "HEAD"}
    assert served == TABLE.rules.keys()


@pytest.mark.parametrize("rule", RULES)
def test_everybody_is_let_in_as_the_table_says(whole: Walk, rule: Rule) -> None:
    assert with_client(whole.app, lambda http: refusals(whole, http, rule), "10.0.0.7") == []


@pytest.mark.parametrize("rule", RULES)
def test_nothing_of_another_practice_is_seen(whole: Walk, rule: Rule) -> None:
    assert with_client(whole.app, lambda http: leaks(whole, http, rule), "10.0.0.7") == []


def test_the_walk_sees_a_leak_and_a_wrong_door(tmp_path: Path) -> None:
    """A route that forgets the practice, and one that lets in whom the table refuses."""
    note = {"method": "GET", "path": "/notes/{note}", "permission": "extract", "limit": "none"}
    router = APIRouter(route_class=Guarded)

    @router.get("/notes/{note}")
    async def forgets(request: Request, note: str) -> str:
        return principal_of(request).tenant

    whole = whole_app(tmp_path, TABLE)
    whole.app.include_router(router)
    permissions = [{"permission": p.name, "phi": "yes", "allows": ""} for p in TABLE.permissions.values()]
    roles = [{"role": r.name, "who": "", "permissions": " ".join(r.permissions)} for r in TABLE.roles.values()]
    served = make_table(permissions, roles, [note])
    whole.app.state.shell.access.table = served
    said = make_table(permissions, roles, [{**note, "permission": "audit"}])
    rule = served.rule("GET", "/notes/{note}")
    stroll = replace(whole, table=served, samples={"note": "n1"})
    assert len(with_client(whole.app, lambda http: leaks(stroll, http, rule))) == 3
    assert with_client(whole.app, lambda http: refusals(stroll, http, rule)) == []
    wrong = with_client(
        whole.app, lambda http: refusals(replace(stroll, table=said), http, said.rule("GET", "/notes/{note}"))
    )
    assert len(wrong) == 2 * (3 + 2)
    assert {path for _, path in TABLE.rules} >= walk.SHARED
