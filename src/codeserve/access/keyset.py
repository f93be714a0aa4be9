"""The identity provider's signing keys (a JSON Web Key Set, RFC 7517), kept for a while and fetched anew when one is
missing: at most once a period, however many tokens name keys that nobody has."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
import jwt

from codeserve.access.settings import OidcSettings
from codeserve.errors import ProviderAway
from codeserve.loopback import is_loopback

logger = logging.getLogger(__name__)
MAX_BYTES = 256 * 1024
FAMILIES = {"RSA": ("RS", "PS")}  # an RSA key that names no algorithm serves all of these; other kinds of key, one each


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A public key, and the algorithms that a token signed with it may name."""

    key: Any
    algorithms: tuple[str, ...]


def read_keys(data: bytes, allowed: Sequence[str]) -> dict[str | None, SigningKey]:
    """By their ids. Keys that are for something else, too short or of another algorithm are left out. Raises ValueError
    for what is not a key set."""
    document = json.loads(data)
    if not isinstance(document, dict) or not isinstance(document.get("keys"), list):
        raise ValueError("not a key set")
    found: dict[str | None, SigningKey] = {}
    for jwk in document["keys"]:
        kid = jwk.get("kid") if isinstance(jwk, dict) else 0
        if isinstance(kid, str | None) and (key := _signing_key(jwk, allowed)):
            found[kid] = key
    return found


def _signing_key(jwk: Mapping[str, Any], allowed: Sequence[str]) -> SigningKey | None:
    if jwk.get("kty") not in ("RSA", "EC", "OKP") or jwk.get("use", "sig") != "sig" or "d" in jwk:
        return None
    try:
        read = jwt.PyJWK(dict(jwk))
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    if read.Algorithm.check_key_length(read.key):
        return None
    families: tuple[str, ...] = () if "alg" in jwk else FAMILIES.get(jwk["kty"], ())
    algorithms = tuple(a for a in allowed if a == read.algorithm_name or a.startswith(families))
    return SigningKey(read.key, algorithms) if algorithms else None


def fetch(url: str, seconds: float) -> bytes:
    """Blocking. Raises ValueError or httpx.HTTPError for anything but a whole small answer of 200 in time; follows
    no redirect. No proxy is asked for an address of this machine."""
    begun, data = time.monotonic(), bytearray()
    trust = not is_loopback(urlsplit(url).hostname or "")
    with httpx.Client(timeout=seconds, trust_env=trust) as client, client.stream("GET", url) as answer:
        if answer.status_code != httpx.codes.OK:
            raise ValueError(f"status {answer.status_code}")
        for part in answer.iter_bytes():
            data += part
            if len(data) > MAX_BYTES or time.monotonic() - begun > seconds:
                raise ValueError("too large or too slow")
    return bytes(data)


class KeySet:
    """Used from one event loop. Keys older than `keep_s` are fetched anew in the background; while the provider does
    not answer they hold until `stale_s`."""

    def __init__(
        self,
        settings: OidcSettings,
        get: Callable[[str, float], bytes] = fetch,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._get, self._clock = settings, get, clock
        self._keys: dict[str | None, SigningKey] = {}
        self._fetched = self._tried = -math.inf
        self._failed = False
        self._task: asyncio.Task[None] | None = None

    async def find(self, kid: str | None) -> SigningKey | None:
        """None where the provider has no such key. Raises ProviderAway where that cannot be told."""
        key = self._known(kid)
        if key is not None and self._age < self._settings.keep_s:
            return key
        fetching = self._refresh()
        if key is not None and self._age < self._settings.stale_s:
            return key
        if fetching is not None:
            # Shielded: a caller who hangs up must not take the keys from the others.
            await asyncio.shield(fetching)
        key = self._known(kid)
        if key is not None and self._age < self._settings.stale_s:
            return key
        if self._failed:
            left = self._settings.refresh_s - (self._clock() - self._tried)
            raise ProviderAway(retry_after=max(1, math.ceil(left)))
        return None

    @property
    def _age(self) -> float:
        return self._clock() - self._fetched

    def _known(self, kid: str | None) -> SigningKey | None:
        """A token that names no key may have been signed with the only one."""
        if kid is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(kid) if kid is not None else None

    def _refresh(self) -> asyncio.Task[None] | None:
        """The fetch that runs or begins; None where the last one was less than a period ago."""
        if self._task is not None and not self._task.done():
            return self._task
        if self._clock() - self._tried < self._settings.refresh_s:
            return None
        self._tried = self._clock()
        self._task = asyncio.create_task(self._fetch())
        return self._task

    async def _fetch(self) -> None:
        begun, self._failed = self._clock(), True
        try:
            data = await asyncio.to_thread(self._get, self._settings.jwks_url, self._settings.timeout_s)
            self._keys = read_keys(data, self._settings.algorithms)
        except (httpx.HTTPError, ValueError, OSError) as error:
            fields = {"error": type(error).__name__}
            logger.warning("the identity provider's keys cannot be fetched", extra={"fields": fields})
            return
        self._failed, self._fetched = False, begun
        logger.info("the identity provider's keys were fetched", extra={"fields": {"keys": len(self._keys)}})
