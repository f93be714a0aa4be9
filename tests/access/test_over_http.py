"""Tokens through the application: what its callers get, and what its log holds."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from codeserve.access.issuer import Issuer
from codeserve.access.settings import AccessSettings
from codeserve.api import logs
from tests.api.fakes import make_app, with_client


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with Issuer() as started:
        yield started


def app_of(issuer: Issuer, **oidc: Any) -> Any:
    return make_app(host="0.0.0.0", callers=AccessSettings.model_validate({"oidc": {**issuer.settings, **oidc}}))


def ask(app: Any, token: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"}
    body = {"document_id": "d1", "text": "chest pain"}
    sent: httpx.Response = with_client(
        app, lambda http: http.post("/v1/extract-codes", json=body, headers=headers), "10.0.0.7"
    )
    return sent


def test_a_token_lets_in_or_not(issuer: Issuer) -> None:
    app = app_of(issuer)
    assert ask(app, issuer.token("u", "north", "coder")).status_code == 200
    refused = ask(app, issuer.token("u", "north", "manager"))
    assert (refused.status_code, refused.json()["type"]) == (403, "urn:codeserve:problem:forbidden")
    expired = ask(app, issuer.token("u", "north", "coder", seconds=-100))
    assert (expired.status_code, expired.json()["detail"]) == (401, "The token has expired")
    assert expired.headers["www-authenticate"] == 'Bearer realm="codeserve", error="invalid_token"'
    for other in ("", "cs_key"):
        assert ask(app, other).headers["www-authenticate"] == 'Bearer realm="codeserve"'


def test_rotation(issuer: Issuer) -> None:
    app = app_of(issuer, refresh_s=0.001)
    old = issuer.token("u", "north", "coder")
    assert ask(app, old).status_code == 200
    issuer.rotate()
    assert ask(app, issuer.token("u", "north", "coder")).status_code == 200
    assert ask(app, old).status_code == 200
    assert issuer.fetches == 2
    issuer.rotate()
    issuer.retire()
    assert ask(app, issuer.token("u", "north", "coder")).status_code == 200
    assert ask(app, old).status_code == 401


def test_an_issuer_that_does_not_answer(issuer: Issuer) -> None:
    app = app_of(issuer)
    issuer.down = True
    away = ask(app, issuer.token("u", "north", "coder"))
    assert (away.status_code, away.json()["type"]) == (503, "urn:codeserve:problem:provider-away")
    assert away.json()["retryable"] is True
    assert 1 <= int(away.headers["retry-after"]) <= 30


def test_the_rate_is_the_persons(issuer: Issuer) -> None:
    settings = AccessSettings.model_validate({"oidc": issuer.settings})
    app = make_app(callers=settings, admission={"default": {"rate": 0.001, "burst": 1}})
    tokens = [issuer.token(*who, "coder") for who in (("u", "north"), ("u", "north"), ("u", "south"), ("v", "north"))]
    assert [ask(app, token).status_code for token in tokens] == [200, 429, 200, 200]


def test_no_token_is_in_the_log(issuer: Issuer, caplog: pytest.LogCaptureFixture) -> None:
    app = app_of(issuer)
    logging.getLogger(logs.ROOT).addHandler(caplog.handler)
    secrets = []
    for claims in ({}, {"exp": 1}, {"aud": "elsewhere-audience"}, {"tenant": ["planted-practice"]}):
        token = issuer.token("planted-subject", **{"tenant": "north", "roles": ["coder"], **claims})
        ask(app, token)
        secrets += token.split(".")
    lines = [logs.JsonFormatter().format(record) for record in caplog.records]
    entries = [json.loads(line) for line in lines if json.loads(line)["event"] == "request"]
    assert [entry["status"] for entry in entries] == [200, 401, 401, 401]
    assert entries[0]["caller"].startswith("user:")
    for told in (*secrets, "planted", "elsewhere"):
        assert not any(told in line for line in lines)
