"""The wire and the tokens, beyond what the contract walks through."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from codeserve.adapters.errors import CredentialsRefused, Malformed, Refused, TryLater, Uncertain
from codeserve.adapters.http import Ask, Wire
from codeserve.adapters.oauth import FileStore, MemoryStore, OAuth, OAuthClient, credentials
from codeserve.adapters.opening import Opening
from codeserve.adapters.registry import open_adapter
from codeserve.adapters.retries import Patience
from codeserve.adapters.simulators import tokens
from codeserve.adapters.simulators.fhir import FhirSimulator
from codeserve.config import PlatformSettings
from codeserve.errors import SetupError

PATIENCE = Patience(tries=2, first_pause=0.01)


@pytest.mark.parametrize("address", ["http://ehr.example/", "ftp://ehr.example/", "ehr.example", "http://10.0.0.1/"])
def test_an_address_in_the_clear_is_refused(address: str) -> None:
    with pytest.raises(SetupError):
        Wire("fhir", address)


@pytest.mark.parametrize("named", ["https://other.example/x", "//other.example/x", "http://ehr.example/x", "http://["])
def test_an_address_that_leads_elsewhere_is_malformed(named: str) -> None:
    with pytest.raises(Malformed):
        Wire("fhir", "https://ehr.example/fhir").within(named)


def test_an_address_within_is_made_whole() -> None:
    wire = Wire("fhir", "https://ehr.example/fhir")
    assert wire.within("Patient/1") == "https://ehr.example/fhir/Patient/1"
    assert wire.within("https://ehr.example/other?page=2") == "https://ehr.example/other?page=2"


def test_a_redirect_is_not_followed() -> None:
    with FhirSimulator().serving() as simulator:
        simulator.faults.add("status", 302)

        async def read() -> Any:
            wire = Wire("fhir", simulator.base_url, patience=PATIENCE)
            return await wire.send(Ask("look", "GET", "Patient/1", lambda answer: answer.json()))

        with pytest.raises(Refused, match="302"):
            asyncio.run(read())


@pytest.mark.parametrize(("writing", "error"), [(False, Malformed), (True, Uncertain)])
def test_an_answer_of_another_shape_counts_as_malformed(writing: bool, error: type[Exception]) -> None:
    with FhirSimulator().serving() as simulator:

        async def read() -> Any:
            wire = Wire("fhir", simulator.base_url, patience=PATIENCE)
            ask = Ask("look", "GET", "metadata", lambda answer: answer.json()["rest"]["server"], writing=writing)
            return await wire.send(ask)

        with pytest.raises(error):
            asyncio.run(read())


@pytest.mark.parametrize(("writing", "error"), [(False, TryLater), (True, Uncertain)])
def test_an_answer_that_drips_comes_to_an_end(writing: bool, error: type[Exception]) -> None:
    patience = Patience(tries=1, answer=20, whole=1.5)
    with FhirSimulator().serving() as simulator:
        simulator.faults.add("drip", seconds=0.3)

        async def read() -> Any:
            wire = Wire("fhir", simulator.base_url, patience=patience)
            return await wire.send(Ask("look", "GET", "metadata", lambda answer: answer.json(), writing=writing))

        with pytest.raises(error, match="timeout"):
            asyncio.run(read())


def exchange(simulator: FhirSimulator, *calls: str, store: Any = None, **client: str) -> list[Mapping[str, str]]:
    """The headers of a run of calls; "refuse" marks the last as refused, "later" turns the clock to its end."""

    async def main() -> list[Mapping[str, str]]:
        now = [0.0]
        wire = Wire("fhir", simulator.base_url, patience=PATIENCE)
        oauth = OAuth(wire, OAuthClient.of("fhir", tokens.credentials(**client)), store, clock=lambda: now[0])
        given: list[Mapping[str, str]] = []
        for call in calls:
            if call == "refuse":
                await oauth.refused(given[-1])
            elif call == "later":
                now[0] += simulator.tokens.life_s - 59
            else:
                given.append(await oauth.headers())
        return given

    return asyncio.run(main())


def test_a_token_is_kept_until_shortly_before_its_end() -> None:
    with FhirSimulator().serving() as simulator:
        first, second, third = exchange(simulator, "ask", "ask", "later", "ask")
    assert first == second != third


def test_a_refused_token_is_not_used_again() -> None:
    with FhirSimulator().serving() as simulator:
        first, second = exchange(simulator, "ask", "refuse", "ask")
    assert first != second


def test_an_exchanged_refresh_token_outlives_the_process(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "platform.token")
    with FhirSimulator().serving() as simulator:
        exchange(simulator, "ask", store=store, refresh_token=tokens.FIRST_REFRESH)
        exchange(simulator, "ask", "refuse", "ask", store=store, refresh_token=tokens.FIRST_REFRESH)
        assert simulator.tokens.issued == 3
        assert store.load() == simulator.tokens.refresh_token
    assert (tmp_path / "platform.token").stat().st_mode & 0o077 == 0


def test_what_another_worker_exchanged_is_used() -> None:
    class Raced(MemoryStore):
        """Another worker exchanges the token between the look and the use."""

        def load(self) -> str | None:
            before, self.token = self.token, simulator.tokens.refresh_token
            return before

    with FhirSimulator().serving() as simulator:
        simulator.tokens.refresh_token = "newer"
        assert exchange(simulator, "ask", store=Raced(), refresh_token=tokens.FIRST_REFRESH)


def test_a_new_consent_is_used_where_the_kept_token_is_spent(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "platform.token")
    store.save("spent")
    with FhirSimulator().serving() as simulator:
        assert exchange(simulator, "ask", store=store, refresh_token=tokens.FIRST_REFRESH)
        assert store.load() == simulator.tokens.refresh_token


@pytest.mark.parametrize("wrong", [{"client_secret": "guessed"}, {"refresh_token": "spent"}])
def test_wrong_credentials_are_said(wrong: dict[str, str]) -> None:
    with FhirSimulator().serving() as simulator, pytest.raises(CredentialsRefused) as raised:
        exchange(simulator, "ask", **wrong)
    assert not [value for value in wrong.values() if value in repr(raised.value)]


def test_an_assertion_is_signed_for_the_endpoint() -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    client = OAuthClient.of(
        "fhir", {"token_url": "https://ehr.example/token", "client_id": "us", "private_key": pem, "key_id": "k1"}
    )
    form = OAuth(Wire("fhir", "https://ehr.example/fhir"), client)._form("")
    assert "client_secret" not in form
    read = jwt.decode(form["client_assertion"], key.public_key(), ["RS384"], audience="https://ehr.example/token")
    assert read["iss"] == read["sub"] == "us"
    assert jwt.get_unverified_header(form["client_assertion"])["kid"] == "k1"


@pytest.mark.parametrize("written", ["", "{", "[]", '{"client_id": 7}', "@/no/such/file"])
def test_credentials_that_are_none_are_refused_without_their_value(written: str) -> None:
    with pytest.raises(SetupError) as raised:
        credentials("fhir", written)
    assert not written or written not in str(raised.value)


def test_credentials_can_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text('{"client_id": "us"}')
    assert credentials("fhir", f"@{tmp_path}/c.json") == {"client_id": "us"}


@pytest.mark.parametrize(
    "values", [{}, {"token_url": "t", "client_id": "c"}, {"token_url": "t", "client_id": "c", "secret": "s"}]
)
def test_missing_and_unknown_credentials_are_named(values: dict[str, str]) -> None:
    with pytest.raises(SetupError, match="missing or unknown"):
        OAuthClient.of("fhir", values)


def settings(**rest: Any) -> PlatformSettings:
    base = {"adapter": "fhir", "base_url": "https://ehr.example/fhir", "tenant": "north", "credentials_env": "EHR"}
    return PlatformSettings.model_validate(base | rest)


CREDENTIALS = '{"token_url": "/t", "client_id": "c", "client_secret": "s"}'


def test_the_settings_open_an_adapter(tmp_path: Path) -> None:
    environ = {"EHR": CREDENTIALS, "HOOK": "secret"}
    asked = settings(webhook_secret_env="HOOK", options={"page": 5})
    assert open_adapter("ehr", asked, environ, tmp_path).name == "fhir"


@pytest.mark.parametrize(
    ("rest", "environ", "named"),
    [
        ({}, {}, "EHR"),
        ({"webhook_secret_env": "HOOK"}, {"EHR": CREDENTIALS}, "HOOK"),
        ({"options": {"pages": 5}}, {"EHR": CREDENTIALS}, "pages"),
        ({"options": {"page": "5"}}, {"EHR": CREDENTIALS}, "page"),
    ],
)
def test_what_is_missing_is_named(rest: dict[str, Any], environ: dict[str, str], named: str) -> None:
    with pytest.raises(SetupError, match=named):
        open_adapter("ehr", settings(**rest), environ)


def test_required_credentials_are_exactly_those() -> None:
    opening = Opening("ehr", "https://ehr.example", {"user": "u", "password": "p"})
    assert opening.required("user", "password") == ["u", "p"]
    with pytest.raises(SetupError, match="office"):
        opening.required("user", "password", "office")
