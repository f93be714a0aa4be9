from __future__ import annotations

import asyncio

import pytest
from fastapi import APIRouter, FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount, WebSocketRoute

from codeserve.access.table import load_table, make_table
from codeserve.api.auth import ENVIRONMENT, Keys, create_key
from codeserve.api.guard import Access, Guarded, require_rules
from codeserve.errors import Forbidden, SetupError, Unauthorized

TABLE = load_table()


def access(*lines: str) -> Access:
    return Access(Keys(None, {ENVIRONMENT: ",".join(lines)} if lines else {}), TABLE)


@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Bearer ", "Basic abc", "cs_abc", "Bearer é", "Bearer a.b.c"]
)
def test_no_key_or_a_wrong_one(authorization: str | None) -> None:
    with pytest.raises(Unauthorized):
        asyncio.run(access(create_key("one")[1]).identify(authorization, "127.0.0.1"))


def test_a_key_is_its_principal() -> None:
    secret, line = create_key("one", roles=["coder"], tenant="north")
    caller = asyncio.run(access(line).identify(f"bearer  {secret} ", None))
    assert (caller.id, caller.subject, caller.tenant, caller.roles) == ("north/one", "one", "north", {"coder"})
    caller.require("decide")
    with pytest.raises(Forbidden, match="audit"):
        caller.require("audit")


def test_without_keys_loopback_only() -> None:
    free = access()
    caller = asyncio.run(free.identify(None, "127.0.0.1"))
    assert (caller.id, caller.kind, caller.permissions) == ("loopback", "open", TABLE.permissions.keys())
    for client in ("10.0.0.1", "testclient", None):
        with pytest.raises(Unauthorized):
            asyncio.run(free.identify(None, client))
    free.require_loopback("::1")
    with pytest.raises(SetupError):
        free.require_loopback("0.0.0.0")


async def endpoint() -> str:
    return ""


ROUTES = [{"method": "GET", "path": "/x", "permission": "see", "limit": "none"}]
SEE = make_table([{"permission": "see", "phi": "no", "allows": "it"}], [], ROUTES)


def app_with(router: APIRouter) -> FastAPI:
    app = FastAPI(openapi_url=None)
    app.include_router(router, prefix="/x")
    return app


def test_a_guarded_route_with_its_row() -> None:
    router = APIRouter(route_class=Guarded)
    router.get("")(endpoint)
    require_rules(app_with(router).routes, SEE)


def test_a_route_without_a_row_is_not_served() -> None:
    router = APIRouter(route_class=Guarded)
    router.post("")(endpoint)
    with pytest.raises(SetupError, match="POST /x has no permission"):
        require_rules(app_with(router).routes, SEE)


def test_a_route_past_the_door_is_not_served() -> None:
    router = APIRouter()
    router.get("")(endpoint)
    with pytest.raises(SetupError, match="GET /x is not guarded"):
        require_rules(app_with(router).routes, SEE)


@pytest.mark.parametrize("route", [Mount("/x", Starlette()), WebSocketRoute("/x", endpoint)])
def test_what_cannot_be_guarded_is_not_served(route: Mount | WebSocketRoute) -> None:
    with pytest.raises(SetupError, match="cannot be guarded"):
        require_rules([route], SEE)
