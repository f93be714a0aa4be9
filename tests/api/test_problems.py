"""Every error is a problem document, and no error body and no log line repeats what was sent."""

from __future__ import annotations

import io
import json
import logging
import pickle
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from codeserve import errors
from codeserve.api.logs import JsonFormatter
from codeserve.api.parse import InvalidFields
from codeserve.api.problems import problem_of, respond
from codeserve.api.schemas import FieldError
from tests.api.fakes import FakeService, make_app, post, request

PLANTED = "Quillon Vexworthy 555-0199"
FULL: dict[str, Any] = {
    "document_id": "d",
    "text": "chest pain",
    "model_version": "fake-1",
    "encounter": {
        "encounter_id": "v",
        "date_of_service": "2026-01-01",
        "place_of_service": "11",
        "patient_status": "new",
        "setting": "office",
        "service": "initial",
        "modality": "video",
        "note_type": "progress",
        "specialty": "cardiology",
        "payer": "medicare",
        "provider_npi": "1234567893",
        "minutes": 10,
        "prior_diagnoses": ["I10"],
        "existing_codes": ["I10"],
        "patient": {"age": 40, "birth_date": "1985-06-01", "sex": "female", "identifiers": ["Jane"]},
    },
    "options": {"max_alternatives": 1, "include_rationale": True},
}


def error_classes(root: type[errors.CodeserveError] = errors.CodeserveError) -> list[type[errors.CodeserveError]]:
    below = [kind for child in root.__subclasses__() for kind in error_classes(child)]
    return [kind for kind in (root, *below) if kind is not InvalidFields]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value in a body, the body itself first."""
    yield path
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield from places(part, (*path, key))


def put(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = value.copy()
    copy[path[0]] = put(value[path[0]], path[1:], new)
    return copy


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What is logged, as it is written."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    logger = logging.getLogger("codeserve")
    logger.addHandler(handler)
    yield stream
    logger.removeHandler(handler)


@pytest.mark.parametrize("kind", error_classes())
def test_every_error_has_its_problem(kind: type[errors.CodeserveError]) -> None:
    document = problem_of(kind("what happened", hint="what to do"), "r1")
    assert document.status == kind.status
    assert document.retryable is kind.retryable
    assert document.request_id == "r1"
    if kind.status == 500:
        assert (document.type, document.detail) == ("urn:codeserve:problem:internal", "Internal error")
    else:
        assert document.type == f"urn:codeserve:problem:{kind.type}"
        assert (document.detail, document.hint) == ("what happened", "what to do")
    response = respond(document)
    assert response.media_type == "application/problem+json"
    assert json.loads(bytes(response.body))["status"] == kind.status


def test_no_two_errors_share_a_type() -> None:
    types = [kind.type for kind in error_classes()]
    assert len(types) == len(set(types))


def test_wrong_fields_survive_the_way_between_processes() -> None:
    error = InvalidFields((FieldError(field="text", message="Should not be empty"),))
    assert pickle.loads(pickle.dumps(error)).errors == error.errors


def test_an_answer_that_breaks_the_contract_is_our_fault() -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(int).validate_python(PLANTED)
    response = post(make_app(FakeService(fail=caught.value)), FULL)
    assert response.status_code == 500
    assert PLANTED not in response.text


VALUES = st.sampled_from([PLANTED, [PLANTED], {PLANTED: PLANTED}, {"name": PLANTED}, [[PLANTED] * 3]])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(st.sampled_from(list(places(FULL))), VALUES, st.booleans())
def test_what_was_sent_is_never_repeated(lines: io.StringIO, path: tuple[Any, ...], value: Any, fails: bool) -> None:
    fail = RuntimeError(PLANTED) if fails else errors.StageFailed()
    response = post(make_app(FakeService(fail=fail)), put(FULL, path, value))
    assert response.status_code >= 400
    for word in PLANTED.split():
        assert word not in response.text
        assert word not in lines.getvalue()


@pytest.mark.parametrize("content", [PLANTED, f'{{"text": "{PLANTED}', f'{{"{PLANTED}": 1}}', f'["{PLANTED}"]'])
def test_broken_bodies_are_not_repeated(lines: io.StringIO, content: str) -> None:
    headers = {"Content-Type": "application/json"}
    response = request(make_app(), "POST", "/v1/extract-codes", content=content, headers=headers)
    assert response.status_code in (400, 422)
    assert "Vexworthy" not in response.text + lines.getvalue()


@pytest.mark.parametrize("path", ["/v1/codes/{}", "/v1/patients/{}", "/livez?name={}"])
def test_paths_are_neither_repeated_nor_logged(lines: io.StringIO, path: str) -> None:
    response = request(make_app(), "GET", path.format("Vexworthy"))
    assert "Vexworthy" not in response.text + lines.getvalue()


@pytest.mark.parametrize("name", ["X-Request-Id", "X-Request-Timeout-Ms", "Authorization", "Content-Type"])
def test_headers_are_not_repeated(lines: io.StringIO, name: str) -> None:
    response = post(make_app(), FULL, headers={name: PLANTED})
    assert "Vexworthy" not in str(response.headers) + lines.getvalue()
    assert response.status_code == 200 or "Vexworthy" not in response.text


def test_the_log_line_of_a_request(lines: io.StringIO) -> None:
    post(make_app(), FULL, headers={"X-Request-Id": "r-1"})
    entry = json.loads(lines.getvalue().splitlines()[-1])
    assert (entry["request_id"], entry["route"], entry["status"]) == ("r-1", "/v1/extract-codes", 200)
    assert entry["stages"].keys() == {"admission", "prepare", "tag"}
    assert entry["bytes_in"] == len(json.dumps(FULL, separators=(",", ":")))
    assert entry["bytes_out"] > 0
    assert entry["caller"] == "loopback"


def test_the_log_names_the_kind_and_place_of_an_unexpected_error(lines: io.StringIO) -> None:
    post(make_app(FakeService(fail=KeyError(PLANTED))), FULL)
    entry = json.loads(lines.getvalue().splitlines()[-1])
    assert entry["error"].startswith("KeyError at tests.api.fakes:")
    assert entry["status"] == 500


def test_a_logged_exception_loses_its_message(lines: io.StringIO) -> None:
    try:
        raise ValueError(PLANTED)
    except ValueError:
        logging.getLogger("codeserve.any").exception("a stage failed")
    assert "Vexworthy" not in lines.getvalue()
    assert "ValueError at tests.api.test_problems:" in lines.getvalue()
