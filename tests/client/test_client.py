"""The client against the real application, and its models against the description that they are made from."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import httpx
import pytest

from codeserve.client import Client, GatewayError, models
from codeserve.client.models import ClaimDiagnosis, Encounter, ExtractRequest, GapsRequest, ValidateRequest
from codeserve.errors import Overloaded
from tests.api.fakes import FakeService, make_app

T = TypeVar("T")
ROOT = Path(__file__).parents[2]
NOTE = ExtractRequest(document_id="d-1", text="chest pain, ECG done", encounter=Encounter(setting="office"))


def use(app: Any, call: Callable[[Client], Awaitable[T]], key: str = "") -> T:
    async def main() -> T:
        async with Client("http://codeserve", key, transport=httpx.ASGITransport(app=app)) as client:
            return await call(client)

    return asyncio.run(main())


def refused(app: Any, call: Callable[[Client], Awaitable[Any]]) -> GatewayError:
    with pytest.raises(GatewayError) as raised:
        use(app, call)
    return raised.value


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_client", ROOT / "scripts" / "make_client.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_models_are_made_from_the_description_as_it_is() -> None:
    made = generator()
    head = made.TARGET.read_text(encoding="utf-8").splitlines()[:6]
    assert f"# schemas: {made.digest(made.schemas())}" in head, "the API changed: run `make client`"


def test_every_schema_has_its_model_with_its_fields() -> None:
    for name, schema in generator().schemas().items():
        model = getattr(models, name)
        wanted, required = set(schema["properties"]), set(schema.get("required", ()))
        fields = {field.alias or key: field for key, field in model.model_fields.items()}
        assert set(fields) == wanted, name
        assert {key for key, field in fields.items() if field.is_required()} == required, name


def test_a_note_is_coded() -> None:
    service = FakeService()
    answer = use(make_app(service), lambda c: c.extract_codes(NOTE, timeout_s=30, priority="batch"))
    assert [code.code for code in answer.diagnosis_codes] == ["R07.9"]
    evidence = answer.diagnosis_codes[0].evidence[0]
    assert NOTE.text[evidence.start : evidence.end] == evidence.text == "chest pain"
    assert service.asked[0].encounter.setting == "office"


def test_the_same_key_gets_the_same_answer() -> None:
    service = FakeService()

    async def twice(client: Client) -> bool:
        first = await client.extract_codes(NOTE, idempotency_key="k-1")
        return first == await client.extract_codes(NOTE, idempotency_key="k-1")

    assert use(make_app(service), twice)
    assert len(service.asked) == 1


def test_the_other_operations() -> None:
    app = make_app()
    claim = ValidateRequest(diagnosis_codes=[ClaimDiagnosis(code="R07.9")])
    assert use(app, lambda c: c.validate_codes(claim)).tables[0].name == "ncci-ptp"
    assert use(app, lambda c: c.documentation_gaps(GapsRequest(text="ankle pain"))).documentation_gaps[0].id == "G1"
    assert use(app, lambda c: c.models()).models[0].name == "fake-1"
    assert use(app, lambda c: c.code("R07.9")).billable


def test_a_problem_is_an_error_with_its_fields() -> None:
    error = refused(make_app(), lambda c: c.extract_codes(ExtractRequest(document_id="d-1", text=" ")))
    assert (error.type, error.status, error.retryable) == ("invalid-request", 422, False)
    assert error.problem is not None
    assert error.problem.errors is not None
    assert error.problem.errors[0].field == "text"
    assert refused(make_app(), lambda c: c.code("no such/../code")).status == 404


def test_an_overloaded_gateway_says_when_to_come_again() -> None:
    error = refused(make_app(FakeService(fail=Overloaded())), lambda c: c.extract_codes(NOTE))
    assert (error.type, error.status, error.retryable, error.retry_after) == ("overloaded", 429, True, 1.0)


@pytest.mark.parametrize(("status", "retryable"), [(502, True), (504, True), (400, False)])
def test_what_is_no_problem_document_is_told_by_its_status(status: int, retryable: bool) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": [(b"retry-after", b"soon")]})
        await send({"type": "http.response.body", "body": b"<html>"})

    error = refused(app, lambda c: c.models())
    assert (error.type, error.status, error.retryable, error.retry_after) == ("http-error", status, retryable, None)


def test_an_answer_of_something_else_is_malformed() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b'{"models": [{}]}'})

    assert refused(app, lambda c: c.models()).type == "malformed"


def test_no_gateway_leaks_nothing() -> None:
    class Broken(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            raise httpx.ConnectError("refused", request=request)

    async def main() -> None:
        async with Client("http://codeserve", "secret-key", transport=Broken()) as client:
            await client.extract_codes(NOTE)

    with pytest.raises(GatewayError) as raised:
        asyncio.run(main())
    assert (raised.value.type, raised.value.status, raised.value.retryable) == ("unreachable", 0, True)
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None
