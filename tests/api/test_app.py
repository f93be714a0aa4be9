from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from codeserve.api import limits
from codeserve.api.auth import add_key
from codeserve.errors import Overloaded, SetupError, StageFailed
from tests.api.fakes import FakeService, make_app, post, request, with_client

EXAMPLE = {
    "document_id": "enc_12345",
    "text": "Patient presents with acute chest pain radiating to left arm...",
    "model_version": "icd10-extractor-v3",
}
JSON = {"Content-Type": "application/json"}


def problem(response: httpx.Response, status: int, kind: str) -> dict[str, Any]:
    """The body, once it is seen to be a problem document of this kind."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert (body["status"], body["type"]) == (status, f"urn:codeserve:problem:{kind}")
    assert body["request_id"] == response.headers["x-request-id"]
    assert body["title"]
    assert body["detail"]
    return body


def fields(body: dict[str, Any]) -> list[str]:
    return [error["field"] for error in body["errors"]]


def test_the_example_call() -> None:
    response = post(make_app(), EXAMPLE)
    assert response.status_code == 200
    body = response.json()
    assert (body["encounter_id"], body["document_id"]) == ("enc_12345", "enc_12345")
    (code,) = body["diagnosis_codes"]
    assert (code["code"], code["description"], code["confidence"]) == ("R07.9", "Chest pain, unspecified", 0.87)
    assert [EXAMPLE["text"][e["start"] : e["end"]] for e in code["evidence"]] == [e["text"] for e in code["evidence"]]
    assert set(code) == {
        *("code", "description", "confidence", "evidence", "alternatives", "assertion"),
        *("decided_by", "role", "rationale", "sequence"),
    }
    assert body["procedure_codes"] == []
    assert body["em"] is None
    assert body["comparison"] is None
    assert set(body) == {
        *("encounter_id", "document_id", "diagnosis_codes", "procedure_codes", "em", "findings", "route"),
        "documentation_gaps",
        *("risk_adjustment", "comparison", "model", "note_sha256"),
    }


def test_a_procedure_and_a_visit() -> None:
    body = post(
        make_app(), {"document_id": "d", "text": "chest pain, ECG done", "encounter": {"setting": "office"}}
    ).json()
    assert body["procedure_codes"][0]["code"] == "93000"
    assert body["procedure_codes"][0]["diagnosis_pointers"] == [1]
    assert body["em"]["problems"]["items"][0]["evidence"][0]["text"] == "chest pain"


def test_nothing_billable_is_an_answer() -> None:
    response = post(make_app(), {"document_id": "d", "text": "Paperwork was filled in."})
    assert response.status_code == 200
    assert response.json()["diagnosis_codes"] == []


def test_time_is_split_by_stage_and_nothing_is_cached() -> None:
    headers = post(make_app(), EXAMPLE).headers
    names = [part.split(";dur=")[0] for part in headers["server-timing"].split(", ")]
    assert names == ["admission", "prepare", "tag", "total"]
    assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize("text", ["", " \n\t"])
def test_a_note_without_words_is_refused(text: str) -> None:
    assert fields(problem(post(make_app(), {**EXAMPLE, "text": text}), 422, "invalid-request")) == ["text"]


def test_an_unknown_field_is_named() -> None:
    body = {**EXAMPLE, "encounter": {"patient": {"weight": 80}}}
    assert fields(problem(post(make_app(), body), 422, "invalid-request")) == ["encounter.patient.weight"]


def test_an_unknown_model_is_not_found() -> None:
    service = FakeService()
    problem(post(make_app(service), {**EXAMPLE, "model_version": "gone"}), 404, "not-found")
    assert service.asked == []


@pytest.mark.parametrize("content", [b"", b"not json", b'{"document_id": "d"'])
def test_what_is_not_json(content: bytes) -> None:
    problem(request(make_app(), "POST", "/v1/extract-codes", content=content, headers=JSON), 400, "bad-request")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/json; charset=latin-1"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
def test_only_plain_json_is_taken(headers: dict[str, str]) -> None:
    response = request(make_app(), "POST", "/v1/extract-codes", content=json.dumps(EXAMPLE), headers=headers)
    problem(response, 415, "unsupported-media-type")


def test_json_may_name_its_charset() -> None:
    headers = {"Content-Type": "Application/JSON; charset=UTF-8"}
    response = request(make_app(), "POST", "/v1/extract-codes", content=json.dumps(EXAMPLE), headers=headers)
    assert response.status_code == 200


def test_a_note_over_the_limit_is_too_large() -> None:
    app = make_app(max_text_chars=1000)
    assert post(app, {"document_id": "d", "text": "x" * 1000}).status_code == 200
    problem(post(app, {"document_id": "d", "text": "x" * 1001}), 413, "too-large")


def test_the_longest_note_fits_however_it_is_escaped() -> None:
    body = json.dumps({"document_id": "d", "text": "🩺" * 1000}, ensure_ascii=True)
    response = request(make_app(max_text_chars=1000), "POST", "/v1/extract-codes", content=body, headers=JSON)
    assert response.status_code == 200


def test_a_declared_body_over_the_limit_is_not_read() -> None:
    headers = {**JSON, "Content-Length": str(limits.body_limit(1000) + 1)}
    response = request(make_app(max_text_chars=1000), "POST", "/v1/extract-codes", content=b"{}", headers=headers)
    problem(response, 413, "too-large")


def test_a_streamed_body_is_cut_off_at_the_limit() -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 65536
            yield b" " * 65536

    response = request(make_app(max_text_chars=1000), "POST", "/v1/extract-codes", content=endless(), headers=JSON)
    problem(response, 413, "too-large")
    assert read <= limits.body_limit(1000) + 2 * 65536


def test_a_caller_that_leaves_early_is_no_failure_of_ours() -> None:
    app, sent = make_app(), []

    async def main() -> None:
        parts = iter([{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}])

        async def receive() -> Any:
            return next(parts)

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            **{"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http"},
            **{"path": "/v1/extract-codes", "raw_path": b"/v1/extract-codes", "query_string": b"", "root_path": ""},
            **{"headers": [(b"content-type", b"application/json")], "client": ("127.0.0.1", 1), "server": ("x", 1)},
        }
        await app(scope, receive, send)

    asyncio.run(main())
    assert sent[0]["status"] == 400


def test_past_the_deadline() -> None:
    response = post(make_app(FakeService(delay_s=30)), EXAMPLE, headers={"X-Request-Timeout-Ms": "20"})
    assert problem(response, 504, "deadline-exceeded")["retryable"] is True


def test_the_default_deadline() -> None:
    response = post(make_app(FakeService(delay_s=30), default_timeout_s=0.02), EXAMPLE)
    problem(response, 504, "deadline-exceeded")


def test_a_time_out_of_the_service_itself_is_not_the_deadline() -> None:
    problem(post(make_app(FakeService(fail=TimeoutError("socket"))), EXAMPLE), 500, "internal")


@pytest.mark.parametrize("wish", ["0", "-1", "1.5", "soon", "600001", "9" * 30, "٣"])
def test_a_wrong_deadline_is_refused(wish: str) -> None:
    response = post(make_app(), EXAMPLE, headers={"X-Request-Timeout-Ms": wish.encode()})
    assert fields(problem(response, 422, "invalid-request")) == ["X-Request-Timeout-Ms"]


def test_a_failed_stage() -> None:
    response = post(make_app(FakeService(fail=StageFailed("Reasoner failed", retry_after=7))), EXAMPLE)
    assert problem(response, 503, "stage-failed")["retryable"] is True
    assert response.headers["retry-after"] == "7"


@pytest.mark.parametrize("error", [StageFailed(), Overloaded()])
def test_come_again_later_always_says_when(error: Exception) -> None:
    assert int(post(make_app(FakeService(fail=error)), EXAMPLE).headers["retry-after"]) >= 1


def test_what_nobody_expected_says_nothing() -> None:
    response = post(make_app(FakeService(fail=RuntimeError("chest pain of Jane Roe"))), EXAMPLE)
    body = problem(response, 500, "internal")
    assert "Jane" not in json.dumps(body)


def test_a_wrong_setting_found_late_is_not_told_to_the_caller() -> None:
    response = post(make_app(FakeService(fail=SetupError("no weights in /models/a"))), EXAMPLE)
    assert "/models" not in json.dumps(problem(response, 500, "internal"))


def test_over_the_limit_requests_are_turned_away() -> None:
    app = make_app(FakeService(delay_s=0.2), max_in_flight=2, admission={"max_waiting": 0})

    async def burst(http: httpx.AsyncClient) -> list[httpx.Response]:
        return list(await asyncio.gather(*(http.post("/v1/extract-codes", json=EXAMPLE) for _ in range(5))))

    responses = with_client(app, burst)
    assert sorted(r.status_code for r in responses) == [200, 200, 429, 429, 429]
    refused = next(r for r in responses if r.status_code == 429)
    problem(refused, 429, "overloaded")
    assert refused.headers["retry-after"] == "1"
    assert post(app, EXAMPLE).status_code == 200


def test_no_more_than_one_place_is_lost_to_a_failure() -> None:
    app = make_app(FakeService(fail=StageFailed()), max_in_flight=1)
    assert [post(app, EXAMPLE).status_code for _ in range(3)] == [503] * 3


def test_the_request_id_is_taken_and_echoed() -> None:
    service = FakeService()
    response = post(make_app(service), EXAMPLE, headers={"X-Request-Id": "abc-1.2_3"})
    assert response.headers["x-request-id"] == "abc-1.2_3"
    assert service.request_ids == ["abc-1.2_3"]


@pytest.mark.parametrize("sent", ["", "a b", "x" * 129, "jane@example.org", "é"])
def test_an_unusable_request_id_is_replaced(sent: str) -> None:
    made = post(make_app(), EXAMPLE, headers={"X-Request-Id": sent.encode()}).headers["x-request-id"]
    assert len(made) == 36


@pytest.mark.parametrize("path", ["/livez", "/nowhere", "/v1/extract-codes"])
def test_every_response_has_one_request_id(path: str) -> None:
    assert len(request(make_app(), "GET", path).headers.get_list("x-request-id")) == 1


def test_unknown_route_and_method() -> None:
    problem(request(make_app(), "GET", "/v1/patients/Jane"), 404, "not-found")
    response = request(make_app(), "GET", "/v1/extract-codes")
    problem(response, 405, "method-not-allowed")
    assert response.headers["allow"] == "POST"


def test_models() -> None:
    (card,) = request(make_app(), "GET", "/v1/models").json()["models"]
    assert (card["name"], card["aliases"], card["default"]) == ("fake-1", ["icd10-extractor-v3"], True)


def test_what_a_code_is() -> None:
    body = request(make_app(), "GET", "/v1/codes/R07.9").json()
    assert (body["billable"], body["parents"][0]["code"]) == (True, "R07")
    problem(request(make_app(), "GET", "/v1/codes/R99.99"), 404, "not-found")


def test_alive_and_ready() -> None:
    assert request(make_app(), "GET", "/livez").json() == {"alive": True}
    assert request(make_app(), "GET", "/readyz").json() == {"ready": True}
    response = request(make_app(FakeService(missing={"Reasoner": "starting"})), "GET", "/readyz")
    told = problem(response, 503, "not-ready")
    assert (told["missing"], told["detail"]) == (["Reasoner"], "Reasoner: starting")
    assert response.headers["retry-after"]


def test_docs() -> None:
    assert request(make_app(), "GET", "/docs").status_code == 200
    assert "/v1/extract-codes" in request(make_app(), "GET", "/openapi.json").json()["paths"]


def test_keys(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    secret = add_key(keys, "adapter")
    narrow = add_key(keys, "reader", ["read"])
    app = make_app(keys_file=keys, host="0.0.0.0")
    assert post(app, EXAMPLE, headers={"Authorization": f"Bearer {secret}"}, client="10.0.0.7").status_code == 200
    for headers in ({}, {"Authorization": "Bearer cs_wrong"}, {"Authorization": f"Basic {secret}"}):
        response = post(app, EXAMPLE, headers=headers)
        problem(response, 401, "unauthorized")
        assert response.headers["www-authenticate"].startswith("Bearer")
    problem(post(app, EXAMPLE, headers={"Authorization": f"Bearer {narrow}"}), 403, "forbidden")
    headers = {"Authorization": f"Bearer {narrow}"}
    assert request(app, "GET", "/v1/models", headers=headers).status_code == 200


def test_probes_need_no_key(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    add_key(keys, "adapter")
    app = make_app(keys_file=keys)
    assert [request(app, "GET", path).status_code for path in ("/livez", "/readyz", "/metrics")] == [200] * 3
    assert [request(app, "GET", path).status_code for path in ("/v1/models", "/v1/codes/R07.9")] == [401] * 2


def test_without_keys_only_loopback_is_taken() -> None:
    app = make_app()
    assert post(app, EXAMPLE, client="127.0.0.1").status_code == 200
    assert post(app, EXAMPLE, client="::1").status_code == 200
    problem(post(app, EXAMPLE, client="10.0.0.7"), 401, "unauthorized")


def test_without_keys_the_service_listens_on_loopback_only() -> None:
    with pytest.raises(SetupError):
        make_app(host="0.0.0.0")


def test_a_wrong_key_costs_no_place_and_reads_no_body(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    add_key(keys, "adapter")

    async def never() -> AsyncIterator[bytes]:
        raise AssertionError("the body was read")
        yield b""

    assert request(make_app(keys_file=keys), "POST", "/v1/extract-codes", content=never()).status_code == 401


def test_metrics() -> None:
    app = make_app()
    post(app, {**EXAMPLE, "text": "chest pain, ECG"})
    post(app, {**EXAMPLE, "text": ""})
    request(app, "GET", "/nobody/knows")
    request(app, "GET", "/v1/codes/R07.9")
    text = request(app, "GET", "/metrics").text
    for line in (
        'codeserve_requests_total{route="/v1/extract-codes",status="200"} 1.0',
        'codeserve_requests_total{route="/v1/extract-codes",status="422"} 1.0',
        'codeserve_requests_total{route="unmatched",status="404"} 1.0',
        'codeserve_requests_total{route="/v1/codes/{code}",status="200"} 1.0',
        "codeserve_requests_in_flight 1.0",
        'codeserve_stage_seconds_count{stage="tag"} 1.0',
        'codeserve_codes_total{decided_by="lexicon",system="ICD-10-CM"} 1.0',
        'codeserve_codes_total{decided_by="llm",system="CPT"} 1.0',
        'codeserve_findings_total{rule="unspecified-code",severity="warning"} 1.0',
        'codeserve_routes_total{decision="review"} 1.0',
    ):
        assert line in text
    assert "nobody" not in text


IDEMPOTENT = {"Idempotency-Key": "k-1"}


def test_the_same_key_and_body_get_the_same_answer() -> None:
    service = FakeService(delay_s=0.05)
    app = make_app(service)

    async def twice(http: httpx.AsyncClient) -> list[httpx.Response]:
        first = [http.post("/v1/extract-codes", json=EXAMPLE, headers=IDEMPOTENT) for _ in range(2)]
        return [*await asyncio.gather(*first), await http.post("/v1/extract-codes", json=EXAMPLE, headers=IDEMPOTENT)]

    responses = with_client(app, twice)
    assert [response.status_code for response in responses] == [200] * 3
    assert len({response.content for response in responses}) == 1
    assert sorted(response.headers.get("idempotency-replayed", "") for response in responses) == ["", "true", "true"]
    assert len(service.asked) == 1


def test_the_same_key_for_another_request_is_a_conflict() -> None:
    app = make_app()
    assert post(app, EXAMPLE, headers=IDEMPOTENT).status_code == 200

    async def others(http: httpx.AsyncClient) -> list[httpx.Response]:
        await http.post("/v1/extract-codes", json=EXAMPLE, headers=IDEMPOTENT)
        body = {**EXAMPLE, "text": "gout"}
        return [
            await http.post("/v1/extract-codes", json=body, headers=IDEMPOTENT),
            await http.post("/v1/documentation-gaps", json=EXAMPLE, headers=IDEMPOTENT),
        ]

    for response in with_client(app, others):
        problem(response, 409, "idempotency-conflict")


def test_a_repeated_request_needs_no_slot() -> None:
    app = make_app(FakeService(delay_s=0.2), max_in_flight=1, admission={"max_waiting": 0})

    async def join(http: httpx.AsyncClient) -> list[httpx.Response]:
        first = asyncio.create_task(http.post("/v1/extract-codes", json=EXAMPLE, headers=IDEMPOTENT))
        await asyncio.sleep(0.05)
        return [
            *await asyncio.gather(
                http.post("/v1/extract-codes", json=EXAMPLE, headers=IDEMPOTENT),
                http.post("/v1/extract-codes", json=EXAMPLE, headers={"Idempotency-Key": "k-2"}),
            ),
            await first,
        ]

    assert [response.status_code for response in with_client(app, join)] == [200, 429, 200]


def test_headers_that_ask_for_something_unknown() -> None:
    for headers in ({"X-Priority": "now"}, {"Idempotency-Key": "a b"}):
        body = problem(post(make_app(), EXAMPLE, headers=headers), 422, "invalid-request")
        assert fields(body) == list(headers)


def test_those_who_wait_are_answered_in_turn_interactive_first() -> None:
    service = FakeService(delay_s=0.02)
    app = make_app(service, max_in_flight=1)

    async def mixed(http: httpx.AsyncClient) -> list[httpx.Response]:
        asked = [
            http.post("/v1/extract-codes", json={**EXAMPLE, "document_id": name}, headers={"X-Priority": priority})
            for name, priority in (("1", "batch"), ("2", "batch"), ("3", "interactive"))
        ]
        return list(await asyncio.gather(*asked))

    assert [response.status_code for response in with_client(app, mixed)] == [200] * 3
    assert [asked.document_id for asked in service.asked] == ["1", "3", "2"]


def test_a_key_over_its_rate() -> None:
    app = make_app(admission={"default": {"rate": 0.01, "burst": 1}})

    async def burst(http: httpx.AsyncClient) -> list[httpx.Response]:
        return [await http.post("/v1/extract-codes", json=EXAMPLE) for _ in range(2)] + [await http.get("/metrics")]

    first, second, metrics = with_client(app, burst)
    assert first.status_code == 200
    problem(second, 429, "overloaded")
    assert second.headers["retry-after"] == "60"
    for line in ('codeserve_refused_total{reason="rate"} 1.0', "codeserve_slots_held 0.0"):
        assert line in metrics.text


def test_one_who_hangs_up_frees_its_slot() -> None:
    service = FakeService(delay_s=30)
    app = make_app(service, max_in_flight=1)
    left = asyncio.Event()

    async def main() -> None:
        parts = [{"type": "http.request", "body": json.dumps(EXAMPLE).encode(), "more_body": False}]

        async def receive() -> dict[str, Any]:
            if parts:
                return parts.pop()
            await left.wait()
            return {"type": "http.disconnect"}

        async def send(_: Any) -> None:
            """Nobody listens."""

        scope = {
            **{"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http"},
            **{"path": "/v1/extract-codes", "raw_path": b"/v1/extract-codes", "query_string": b"", "root_path": ""},
            **{"headers": [(b"content-type", b"application/json")], "client": ("127.0.0.1", 1), "server": ("x", 1)},
        }
        answering = asyncio.create_task(app(scope, receive, send))
        while not service.asked:
            await asyncio.sleep(0)
        left.set()
        await answering

    asyncio.run(main())
    assert service.cancelled == 1
    service.delay_s = 0
    assert post(app, EXAMPLE).status_code == 200
    assert 'status="499"} 1.0' in request(app, "GET", "/metrics").text


def test_without_storage_no_database_and_no_adapter_is_loaded() -> None:
    """The synchronous way is as it was."""
    code = (
        "import sys; from codeserve.api.app import create_app; from codeserve.config import GatewaySettings;"
        "create_app(None, GatewaySettings());"
        "names = 'sqlalchemy alembic dbos psycopg codeserve.adapters codeserve.intake';"
        "print(sorted(set(names.split()) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "[]"
