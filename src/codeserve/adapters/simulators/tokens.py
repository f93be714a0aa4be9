"""The token endpoint of a simulated platform: client credentials, and refresh tokens that are exchanged at each use."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

TOKEN_PATH = "/oauth/token"
CLIENT_ID, CLIENT_SECRET, FIRST_REFRESH = "simulated-client", "simulated-client-secret", "first-refresh-token"


class TokenDesk:
    """`issued` counts the tokens that were given out; `revoke_all` makes every one of them a 401."""

    def __init__(self, life_s: float) -> None:
        self.life_s = life_s
        self.issued = 0
        self.refresh_token = FIRST_REFRESH
        self._until: dict[str, float] = {}

    def routes(self) -> list[Route]:
        return [Route(TOKEN_PATH, self._token, methods=["POST"])]

    def revoke_all(self) -> None:
        self._until.clear()

    def good(self, headers: Mapping[str, str]) -> bool:
        token = headers.get("authorization", "").removeprefix("Bearer ")
        return self._until.get(token, 0.0) > time.monotonic()

    async def _token(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode()))
        if form.get("client_id") != CLIENT_ID or not self._client(form):
            return JSONResponse({"error": "invalid_client"}, 401)
        answer: dict[str, object] = {"token_type": "Bearer", "expires_in": self.life_s}
        if form.get("grant_type") == "refresh_token":
            if form.get("refresh_token") != self.refresh_token:
                return JSONResponse({"error": "invalid_grant"}, 400)
            self.refresh_token = secrets.token_urlsafe(16)
            answer["refresh_token"] = self.refresh_token
        elif form.get("grant_type") != "client_credentials":
            return JSONResponse({"error": "unsupported_grant_type"}, 400)
        token = secrets.token_urlsafe(16)
        self._until[token] = time.monotonic() + self.life_s
        self.issued += 1
        return JSONResponse(answer | {"access_token": token})

    def _client(self, form: Mapping[str, str]) -> bool:
        """The secret, or an assertion; its signature is for the tests of `oauth` to check."""
        return form.get("client_secret") == CLIENT_SECRET or "client_assertion" in form


def credentials(**more: str) -> dict[str, str]:
    return {"token_url": TOKEN_PATH, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, **more}
