from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from codeserve.access.issuer import Issuer
from codeserve.access.keyset import KeySet, fetch
from codeserve.access.principal import Principal
from codeserve.access.settings import OidcSettings
from codeserve.access.table import load_table
from codeserve.access.tokens import MAX_CHARS, Tokens
from codeserve.config import AppSettings, load_settings
from codeserve.errors import InvalidToken, SetupError

TABLE = load_table()
STRANGER = rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with Issuer() as started:
        yield started


def settings(issuer: Issuer, **changes: Any) -> OidcSettings:
    return OidcSettings.model_validate({**issuer.settings, **changes})


def principal(issuer: Issuer, token: str, **changes: Any) -> Principal:
    return asyncio.run(Tokens(settings(issuer, **changes), TABLE).principal(token))


def refused(issuer: Issuer, token: str, **changes: Any) -> str:
    """Why; no part of the token is told."""
    with pytest.raises(InvalidToken) as caught:
        principal(issuer, token, **changes)
    assert not any(part in str(caught.value) for part in token.split(".") if len(part) > 3)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return caught.value.detail


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_a_token_is_its_principal(issuer: Issuer) -> None:
    found = principal(issuer, issuer.token("u-17", "north", "coder", "auditor", "stranger"))
    assert (found.subject, found.tenant, found.kind) == ("u-17", "north", "token")
    assert found.roles == {"coder", "auditor"}
    assert found.permissions == TABLE.granted(["coder", "auditor"])
    assert "u-17" not in found.id


def test_callers_differ_by_practice_and_person(issuer: Issuer) -> None:
    made = [("u-1", "north"), ("u-1", "south"), ("u-2", "north"), ("u-1", "north")]
    ids = [principal(issuer, issuer.token(subject, tenant, "coder")).id for subject, tenant in made]
    assert len(set(ids)) == 3
    assert ids[0] == ids[3]


@pytest.mark.parametrize(
    ("claims", "told"),
    [
        ({"exp": 1_000_000_000}, "expired"),
        ({"nbf": 4_000_000_000}, "not valid yet"),
        ({"aud": "another"}, "another audience"),
        ({"iss": "https://evil.example"}, "another issuer"),
        *(({claim: None}, "lacks a claim") for claim in ("exp", "iss", "aud", "sub")),
        *(({"tenant": tenant}, "one practice") for tenant in (None, ["north", "south"], "", "a/b", "x" * 65, 7)),
        *(({"sub": subject}, "not acceptable") for subject in ("", "x" * 256, 7)),
        ({"exp": "soon"}, "not acceptable"),
        ({"exp": float("inf")}, "not acceptable"),
    ],
)
def test_what_a_token_may_not_say(issuer: Issuer, claims: dict[str, Any], told: str) -> None:
    assert told in refused(issuer, issuer.token("u-17", **{"tenant": "north", **claims}))


def test_clocks_may_differ_by_the_leeway(issuer: Issuer) -> None:
    late = issuer.token("u-1", "north", "coder", exp=int(time.time()) - 60)
    assert principal(issuer, late, leeway_s=300).subject == "u-1"
    assert "expired" in refused(issuer, late, leeway_s=0)


def test_a_signature_that_does_not_hold(issuer: Issuer) -> None:
    token = issuer.token("u-17", "north", "coder")
    header, claims, signature = token.split(".")
    more = part({**jwt.decode(token, options={"verify_signature": False}), "roles": ["auditor"]})
    forged = jwt.encode(jwt.decode(token, options={"verify_signature": False}), STRANGER, "RS256", {"kid": "key-1"})
    for wrong in (f"{header}.{more}.{signature}", f"{header}.{claims}.", f"{header}.{claims}.AAAA", forged):
        assert "signature" in refused(issuer, wrong)


@pytest.mark.parametrize("algorithm", ["none", "None", "HS256", "HS512", "ES256K", "", None, 7, ["RS256"]])
def test_an_algorithm_that_is_not_allowed_fetches_nothing(issuer: Issuer, algorithm: object) -> None:
    before = issuer.fetches
    claims = jwt.decode(issuer.token("u-17", "north", "coder"), options={"verify_signature": False})
    assert "algorithm" in refused(issuer, f"{part({'alg': algorithm, 'kid': 'key-1'})}.{part(claims)}.")
    assert issuer.fetches == before


def test_the_public_key_is_no_shared_secret(issuer: Issuer) -> None:
    """The classic confusion: the key that everybody has, used as the secret of an HMAC."""
    jwk = json.loads(issuer.key_set())["keys"][0]
    public = jwt.PyJWK(jwk).key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    claims = jwt.decode(issuer.token("u-17", "north", "coder"), options={"verify_signature": False})
    signed = f"{part({'alg': 'HS256', 'kid': 'key-1'})}.{part(claims)}"
    mac = base64.urlsafe_b64encode(hmac.new(public, signed.encode(), hashlib.sha256).digest()).rstrip(b"=").decode()
    assert "algorithm" in refused(issuer, f"{signed}.{mac}")


def test_an_allowed_algorithm_that_is_not_the_keys(issuer: Issuer) -> None:
    claims = part(jwt.decode(issuer.token("u-17", "north"), options={"verify_signature": False}))
    assert "not acceptable" in refused(issuer, f"{part({'alg': 'ES256', 'kid': 'key-1'})}.{claims}.AAAA")


def test_too_long(issuer: Issuer) -> None:
    assert "too long" in refused(issuer, "a.b." + "c" * MAX_CHARS)


@given(
    st.one_of(
        st.text(),
        st.lists(st.binary(), min_size=3, max_size=3).map(
            lambda parts: ".".join(base64.urlsafe_b64encode(p).decode().rstrip("=") for p in parts)
        ),
    )
)
def test_anything_else_is_refused_without_a_fetch(token: str) -> None:
    def never(url: str, seconds: float) -> bytes:
        raise AssertionError

    own = OidcSettings(issuer="https://i.example", audience="a", jwks_url="https://i.example/keys")
    with pytest.raises(InvalidToken):
        asyncio.run(Tokens(own, TABLE, KeySet(own, never)).principal(token))


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (["coder", "stranger", 7, ["auditor"]], {"coder"}),
        ("coder auditor", {"coder", "auditor"}),
        *((none, set()) for none in (None, {}, 7, [], "", {"coder": True})),
    ],
)
def test_roles_are_told_as_a_list_or_as_words(issuer: Issuer, told: object, expected: set[str]) -> None:
    found = principal(issuer, issuer.token("u", "north", **{"roles": told}))
    assert found.roles == expected
    assert found.permissions == TABLE.granted(expected)


def test_the_providers_own_names(issuer: Issuer) -> None:
    token = issuer.token(
        "u", "north", **{"https://x.example/practice": "south", "realm_access": {"roles": ["HIM Coding", "auditor"]}}
    )
    names = {"tenant_claim": "https://x.example/practice", "roles_claim": "realm_access.roles"}
    found = principal(issuer, token, **names, roles={"HIM Coding": "senior_coder"})
    assert (found.tenant, found.roles) == ("south", {"senior_coder"})


def test_settings_that_cannot_work() -> None:
    base = {"issuer": "https://i.example", "audience": "a", "jwks_url": "https://i.example/keys"}
    assert load_settings({"access": {"oidc": base}}).access.oidc is not None
    assert AppSettings().access.oidc is None
    for wrong in (
        {"jwks_url": "http://i.example/keys"},
        {"jwks_url": "file:///keys"},
        {"jwks_url": "http://127.0.0.1.evil.example/"},
        {"algorithms": ["none"]},
        {"algorithms": ["HS256"]},
        {"algorithms": []},
        {"audience": ""},
        {"roles": {"x": "boss"}},
        {"keep_s": 10, "stale_s": 5},
    ):
        with pytest.raises(SetupError):
            load_settings({"access": {"oidc": {**base, **wrong}}})


def test_keys_come_over_http(issuer: Issuer) -> None:
    assert fetch(f"{issuer.url}/keys", 10) == issuer.key_set()
    with pytest.raises(ValueError, match="404"):
        fetch(f"{issuer.url}/elsewhere", 10)
