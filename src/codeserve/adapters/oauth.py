"""OAuth 2 tokens that renew themselves: before they expire, after a 401, and once for all calls that wait.

Grants: `client_credentials` with a secret (RFC 6749 4.4) or a signed assertion (RFC 7523, as SMART Backend Services
asks for), and `refresh_token` (RFC 6749 6) for a platform where a person gave consent once.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlencode

import jwt
import orjson

from codeserve.adapters.errors import CredentialsRefused, Malformed, Refused
from codeserve.adapters.http import Answer, Ask, Wire
from codeserve.artifacts import write_whole
from codeserve.errors import SetupError

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
EARLY_S = 60.0  # a token is renewed this long before it expires, so that none expires on its way
LIFE_S = 300.0  # of a token that does not say


@dataclass(frozen=True, slots=True)
class OAuthClient:
    """`token_url` absolute or under the base address. With `private_key` (PEM) the client signs an assertion instead
    of sending `client_secret`; with `refresh_token` it asks in the name of the person who gave consent."""

    token_url: str
    client_id: str
    client_secret: str = field(default="", repr=False)
    private_key: str = field(default="", repr=False)
    key_id: str = ""
    algorithm: str = "RS384"
    scope: str = ""
    refresh_token: str = field(default="", repr=False)

    @classmethod
    def of(cls, platform: str, values: Mapping[str, str]) -> OAuthClient:
        """Raises SetupError that names what is missing, never a value."""
        wrong = sorted({"token_url", "client_id"} - set(values)) + sorted(set(values) - set(cls.__dataclass_fields__))
        if not wrong and not (values.get("client_secret") or values.get("private_key")):
            wrong = ["client_secret or private_key"]
        if wrong:
            raise SetupError(f"platform {platform}: credentials: missing or unknown: {', '.join(wrong)}")
        return cls(**values)


class TokenStore(Protocol):
    """Where a refresh token that the platform exchanged is kept, so that a restart finds it."""

    def load(self) -> str | None: ...

    def save(self, refresh_token: str) -> None: ...


@dataclass(slots=True)
class MemoryStore:
    """For platforms that keep the refresh token, and for tests."""

    token: str | None = field(default=None, repr=False)

    def load(self) -> str | None:
        return self.token

    def save(self, refresh_token: str) -> None:
        self.token = refresh_token


@dataclass(frozen=True, slots=True)
class FileStore:
    """A file that its owner alone reads."""

    path: Path

    def load(self) -> str | None:
        return self.path.read_text(encoding="utf-8").strip() if self.path.exists() else None

    def save(self, refresh_token: str) -> None:
        write_whole(self.path, [refresh_token.encode()])


@dataclass(frozen=True, slots=True)
class _Token:
    value: str = field(repr=False)
    until: float


class OAuth:
    """An `Auth` for the wire. Calls that find no good token wait for one and the same exchange."""

    def __init__(
        self,
        wire: Wire,
        client: OAuthClient,
        store: TokenStore | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """The endpoint may be on another host than the platform's data, so it has a wire of its own."""
        self._wire = wire.to(client.token_url)
        self._client = client
        self._store = store or MemoryStore()
        self._clock = clock
        self._lock = asyncio.Lock()
        self._token: _Token | None = None

    async def headers(self) -> Mapping[str, str]:
        async with self._lock:
            if self._token is None or self._token.until <= self._clock():
                self._token = await self._exchange()
            return {"Authorization": f"Bearer {self._token.value}"}

    async def refused(self, headers: Mapping[str, str]) -> None:
        async with self._lock:
            # Another call may have renewed it meanwhile.
            if self._token and headers.get("Authorization") == f"Bearer {self._token.value}":
                self._token = None

    async def close(self) -> None:
        await self._wire.close()

    async def _exchange(self) -> _Token:
        kept = self._store.load() or self._client.refresh_token
        refused: Refused | None = None
        try:
            return await self._ask(kept)
        except Refused as error:
            refused = CredentialsRefused(error.detail)
        # Another worker may have exchanged it: what that was given is in the store. Or a person gave consent anew.
        for other in (self._store.load(), self._client.refresh_token):
            if other and other != kept:
                return await self._ask(other)
        raise refused

    async def _ask(self, refresh_token: str) -> _Token:
        body = urlencode(self._form(refresh_token)).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        ask = Ask("take a token", "POST", self._wire.base_url.rstrip("/"), _answer, headers=headers, body=body)
        answer = await self._wire.send(ask)
        if (new := answer.get("refresh_token")) and new != refresh_token:
            self._store.save(str(new))
        life = max(0.0, float(answer.get("expires_in") or LIFE_S))
        # A token that lives shorter than the margin is used for half its life.
        return _Token(str(answer["access_token"]), self._clock() + max(life - EARLY_S, life / 2))

    def _form(self, refresh_token: str) -> dict[str, str]:
        client = self._client
        form = {"grant_type": "client_credentials", "client_id": client.client_id}
        if refresh_token:
            form |= {"grant_type": "refresh_token", "refresh_token": refresh_token}
        if client.scope:
            form["scope"] = client.scope
        if client.private_key:
            form |= {"client_assertion_type": ASSERTION, "client_assertion": self._assertion()}
        else:
            form["client_secret"] = client.client_secret
        return form

    def _assertion(self) -> str:
        """Of SMART App Launch 2.2, "Client Authentication: Asymmetric": lives at most five minutes, is used once."""
        client = self._client
        claims = {"iss": client.client_id, "sub": client.client_id, "aud": self._wire.base_url.rstrip("/")}
        claims |= {"exp": int(time.time()) + 240, "jti": uuid.uuid4().hex}  # type: ignore[dict-item]
        headers = {"kid": client.key_id} if client.key_id else None
        return jwt.encode(claims, client.private_key, algorithm=client.algorithm, headers=headers)


def _answer(answer: Answer) -> dict[str, Any]:
    read = answer.json()
    if not isinstance(read, dict) or not isinstance(read.get("access_token"), str):
        raise Malformed("no access token")
    if not isinstance(read.get("expires_in", 0), int | float):
        raise Malformed("no life of the token")
    return read


def credentials(platform: str, written: str) -> dict[str, str]:
    """Of the environment variable that the settings name: a JSON object of strings, or `@` and a file that holds one.
    Raises SetupError that holds no value."""
    try:
        text = Path(written[1:]).read_bytes() if written.startswith("@") else written.encode()
        values = orjson.loads(text)
    except (OSError, orjson.JSONDecodeError):
        values = None
    if not isinstance(values, dict) or not all(isinstance(v, str) for v in values.values()):
        raise SetupError(
            f"platform {platform}: the credentials are not a JSON object of strings",
            hint='such as {"token_url": "…", "client_id": "…", "client_secret": "…"}',
        )
    return values
