from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from codeserve.access.keyset import KeySet, SigningKey, read_keys
from codeserve.access.settings import OidcSettings
from codeserve.errors import ProviderAway

SETTINGS = OidcSettings(
    issuer="https://i.example", audience="a", jwks_url="https://i.example/keys", refresh_s=30, keep_s=600, stale_s=3600
)
ALL = ("RS256", "PS256", "ES256", "ES384", "EdDSA")
EC_KEY = ec.generate_private_key(ec.SECP256R1()).public_key()
JWK = ECAlgorithm(ECAlgorithm.SHA256).to_jwk(EC_KEY, as_dict=True)


def key_set(*kids: str | None, **more: object) -> bytes:
    return json.dumps({"keys": [{**JWK, **({"kid": kid} if kid else {}), **more} for kid in kids]}).encode()


class Provider:
    """Answers with `keys`, or fails while that is an error; `now` is the clock."""

    def __init__(self, *kids: str | None) -> None:
        self.keys: bytes | Exception = key_set(*kids)
        self.fetches = 0
        self.now = 1000.0
        self.set = KeySet(SETTINGS, self.get, lambda: self.now)

    def get(self, url: str, seconds: float) -> bytes:
        self.fetches += 1
        assert (url, seconds) == (SETTINGS.jwks_url, SETTINGS.timeout_s)
        if isinstance(self.keys, Exception):
            raise self.keys
        return self.keys

    async def find(self, kid: str | None) -> SigningKey | None:
        """And what runs in the background is waited for."""
        found = await self.set.find(kid)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*others)
        return found


def run(play: Callable[[], Any]) -> Any:
    return asyncio.run(play())


def test_keys_are_fetched_once_and_kept() -> None:
    provider = Provider("a", "b")

    async def play() -> None:
        for kid in "abab":
            assert await provider.find(kid)
        assert provider.fetches == 1

    run(play)


def test_rotation_a_new_key_is_fetched_at_most_once_a_period() -> None:
    provider = Provider("a")

    async def play() -> None:
        assert await provider.find("a")
        provider.keys = key_set("a", "b")
        assert await provider.find("b") is None
        provider.now += SETTINGS.refresh_s
        assert await provider.find("b")
        assert provider.fetches == 2
        for n in range(50):
            assert await provider.find(f"made-up-{n}") is None
        assert provider.fetches == 2
        provider.now += SETTINGS.refresh_s
        for n in range(50):
            assert await provider.find(f"made-up-{n}") is None
        assert provider.fetches == 3
        assert await provider.find("a")

    run(play)


def test_a_key_that_was_taken_away_ends() -> None:
    provider = Provider("a", "b")

    async def play() -> None:
        assert await provider.find("a")
        provider.keys = key_set("b")
        provider.now += SETTINGS.keep_s
        assert await provider.find("a")
        assert await provider.find("a") is None
        assert await provider.find("b")
        assert provider.fetches == 2

    run(play)


@pytest.mark.parametrize("wrong", [OSError(), ValueError("status 500"), b"<html>", b"[]", b"{}", b"\xff"])
def test_a_provider_that_is_away(wrong: bytes | Exception) -> None:
    provider = Provider("a")

    async def play() -> None:
        provider.keys = wrong
        for _ in range(3):
            with pytest.raises(ProviderAway) as caught:
                await provider.find("a")
            assert caught.value.retry_after == 30
        assert provider.fetches == 1
        provider.now += 12.5
        with pytest.raises(ProviderAway) as caught:
            await provider.find("a")
        assert caught.value.retry_after == 18
        provider.now += 17.5
        provider.keys = key_set("a")
        assert await provider.find("a")

    run(play)


def test_known_keys_hold_for_a_while_when_the_provider_goes_away() -> None:
    provider = Provider("a")

    async def play() -> None:
        assert await provider.find("a")
        provider.keys = OSError()
        provider.now += SETTINGS.stale_s - 1
        assert await provider.find("a")
        with pytest.raises(ProviderAway):
            await provider.find("unknown")
        provider.now += 1
        with pytest.raises(ProviderAway):
            await provider.find("a")

    run(play)


def test_many_at_once_fetch_once_and_one_who_leaves_takes_nothing_away() -> None:
    provider, go = Provider("a"), threading.Event()
    answer = provider.get

    def slow(url: str, seconds: float) -> bytes:
        assert go.wait(60)
        return answer(url, seconds)

    async def play() -> None:
        keys = KeySet(SETTINGS, slow, lambda: provider.now)
        asking = [asyncio.create_task(keys.find("a")) for _ in range(20)]
        await asyncio.sleep(0)
        asking[0].cancel()
        go.set()
        found = await asyncio.gather(*asking, return_exceptions=True)
        assert isinstance(found[0], asyncio.CancelledError)
        assert all(isinstance(key, SigningKey) for key in found[1:])
        assert provider.fetches == 1

    run(play)


def test_a_token_that_names_no_key() -> None:
    async def play() -> None:
        assert await Provider("a").find(None)
        assert await Provider(None).find(None)
        assert await Provider("a", "b").find(None) is None

    run(play)


def test_which_keys_count() -> None:
    big = RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 2048).public_key(), as_dict=True)
    small = RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 1024).public_key(), as_dict=True)
    private = RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 2048), as_dict=True)
    p384 = ECAlgorithm(ECAlgorithm.SHA384).to_jwk(ec.generate_private_key(ec.SECP384R1()).public_key(), as_dict=True)
    okp = OKPAlgorithm.to_jwk(ed25519.Ed25519PrivateKey.generate().public_key(), as_dict=True)
    keys = [
        *({**jwk, "kid": kid} for kid, jwk in {"rsa": big, "p256": JWK, "p384": p384, "okp": okp}.items()),
        {**big, "kid": "rsa-named", "alg": "PS256"},
        {**big, "kid": "other", "alg": "RS512"},
        {**big, "kid": "encryption", "use": "enc"},
        {**small, "kid": "small"},
        {**private, "kid": "private"},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "secret"},
        {"kty": "EC", "crv": "P-999", "kid": "odd"},
        {"kid": "empty"},
        {**big, "kid": ["a"]},
        "text",
    ]
    found = read_keys(json.dumps({"keys": keys}).encode(), ALL)
    assert {kid: key.algorithms for kid, key in found.items()} == {
        "rsa": ("RS256", "PS256"),
        "p256": ("ES256",),
        "p384": ("ES384",),
        "okp": ("EdDSA",),
        "rsa-named": ("PS256",),
    }
    assert read_keys(b'{"keys": []}', ALL) == {}
