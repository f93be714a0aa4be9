"""The door of every route: who calls, whether they may, whether they ask too fast. Before a body is read."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from typing import TYPE_CHECKING, Any

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from codeserve.access.principal import DEFAULT_TENANT, Principal
from codeserve.access.table import PUBLIC, Rule, Table
from codeserve.api.auth import ANYONE, Keys
from codeserve.errors import SetupError, Unauthorized
from codeserve.loopback import is_loopback

if TYPE_CHECKING:  # PyJWT is loaded only where tokens are taken
    from codeserve.access.tokens import Tokens


class Access:
    """Callers by their API keys and tokens, and what each route asks of them. With neither configured (`open`) every
    caller on loopback may do everything."""

    def __init__(self, keys: Keys, table: Table, tokens: Tokens | None = None) -> None:
        self._keys, self._tokens = keys, tokens
        self.table = table
        self.open = keys.open and tokens is None
        self._anyone = Principal(
            ANYONE, DEFAULT_TENANT, frozenset(table.roles), frozenset(table.permissions), "open", ANYONE
        )

    def require_loopback(self, host: str) -> None:
        """Raises SetupError when anyone could call and `host` can be reached from outside."""
        if self.open and not is_loopback(host):
            raise SetupError(
                "without an API key the service may listen on a loopback address only",
                hint="codeserve keys create NAME, then name the file as keys_file; or listen on 127.0.0.1",
            )

    async def identify(self, authorization: str | None, client: str | None) -> Principal:
        """Raises Unauthorized and ProviderAway."""
        if self.open:
            if client is None or not is_loopback(client):
                raise Unauthorized("Without a configured key only callers on loopback are taken")
            return self._anyone
        scheme, _, secret = (authorization or "").partition(" ")
        secret = secret.strip()
        if scheme.lower() != "bearer" or not secret:
            raise Unauthorized("The header Authorization: Bearer is missing")
        if self._tokens is not None and secret.count(".") == 2:
            return await self._tokens.principal(secret)
        caller = self._keys.find(secret)
        if caller is None:
            raise Unauthorized("This API key is not known")
        return caller


class Guarded(APIRoute):
    """A route that is entered only as its row in data/access/routes.tsv says. `principal_of` tells who entered."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            access: Access = request.app.state.shell.access
            rule = access.table.rule(request.method, self.path)
            if not rule.open:
                await _enter(request, access, rule)
            return await handle(request)

        return guarded


async def _enter(request: Request, access: Access, rule: Rule) -> None:
    client = request.client.host if request.client else None
    principal = await access.identify(request.headers.get("authorization"), client)
    call = request.state.call
    call.principal, call.caller = principal, principal.id
    principal.require(rule.permission)
    if rule.limit == "request":
        request.app.state.shell.admission.charge(principal.id)


def principal_of(request: Request) -> Principal:
    """Who entered a route that is neither public nor open to platforms by signature."""
    principal: Principal = request.state.call.principal
    return principal


def require_rules(routes: Iterable[BaseRoute], table: Table) -> None:
    """Raises SetupError for a route that would be served without its row in the table, or past this door."""
    for route in routes:
        if not isinstance(route, Route):
            raise SetupError(f"{type(route).__name__} {getattr(route, 'path', '')} cannot be guarded")
        for method in route.methods or ():
            rule = table.rule(method, route.path)
            if not isinstance(route, Guarded) and rule.permission != PUBLIC:
                raise SetupError(
                    f"the route {method} {route.path} is not guarded", hint="APIRouter(route_class=Guarded)"
                )
