"""The routes. Each is a few lines: who calls, what is asked, what the service answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson
from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response

from codeserve.api import limits, problems
from codeserve.api.auth import EXTRACT, READ, Keys
from codeserve.api.metrics import Metrics
from codeserve.api.observe import Call
from codeserve.api.parse import parse
from codeserve.api.schemas import Alive, CodeInfo, ExtractRequest, ExtractResponse, ModelList, Ready
from codeserve.api.schemas import Request as Body
from codeserve.api.schemas import Response as Answered
from codeserve.api.schemas_checks import GapsRequest, GapsResponse, ValidateRequest, ValidateResponse
from codeserve.api.service import Service, Timings
from codeserve.config import GatewaySettings
from codeserve.errors import DeadlineExceeded, NotFound

Asked = TypeVar("Asked", bound=Body)
Answer = TypeVar("Answer", bound=Answered)
router = APIRouter()
KEY: dict[str, Any] = {"security": [{"key": []}]}
PROBLEM_TITLES = {
    400: "Not JSON",
    401: "No valid API key",
    403: "The key lacks the scope",
    404: "Unknown",
    413: "Too large",
    415: "Not application/json",
    422: "A field is not acceptable",
    429: "Too many requests at once",
    500: "Internal error",
    503: "A stage failed or is missing",
    504: "Past the deadline",
}


@dataclass(frozen=True, slots=True)
class Shell:
    """What the routes share; `app.state.shell`."""

    service: Service
    settings: GatewaySettings
    keys: Keys
    metrics: Metrics
    admission: limits.Admission


def _problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """How the routes' errors are described in OpenAPI."""
    schema = {"$ref": "#/components/schemas/Problem"}
    content = {problems.MEDIA_TYPE: {"schema": schema}}
    return {status: {"description": PROBLEM_TITLES[status], "content": content} for status in statuses}


def _post(model: type[Asked]) -> dict[str, Any]:
    """How a route that reads its body itself is described in OpenAPI."""
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    timeout = {
        "name": limits.TIMEOUT_HEADER,
        "in": "header",
        "required": False,
        "schema": {"type": "integer", "minimum": 1},
        "description": "The deadline in milliseconds from now, up to the configured cap",
    }
    body = {"required": True, "content": {"application/json": {"schema": schema}}}
    return {**KEY, "requestBody": body, "parameters": [timeout]}


@router.post(
    "/v1/extract-codes",
    response_model=ExtractResponse,
    responses=_problems(*PROBLEM_TITLES),
    openapi_extra=_post(ExtractRequest),
    summary="Code a signed clinical note",
)
async def extract_codes(request: Request) -> Response:
    shell, call = _shell(request), _call(request)

    async def extract(asked: ExtractRequest, deadline: float) -> tuple[ExtractResponse, Timings]:
        if asked.model_version is not None and asked.model_version not in shell.service.known_models():
            raise NotFound("No such model_version is served", field="model_version", hint="GET /v1/models lists them")
        return await shell.service.extract(asked, request_id=call.request_id, deadline=deadline)

    answer, response = await _answered(request, ExtractRequest, extract)
    shell.metrics.coded(answer)
    return response


@router.post(
    "/v1/validate-codes",
    response_model=ValidateResponse,
    responses=_problems(*PROBLEM_TITLES),
    openapi_extra=_post(ValidateRequest),
    summary="Check the codes of a claim, and with a note what its documentation supports",
)
async def validate_codes(request: Request) -> Response:
    service = _shell(request).service
    answer, response = await _answered(request, ValidateRequest, lambda asked, _: service.validate(asked))
    _shell(request).metrics.found(answer.findings)
    return response


@router.post(
    "/v1/documentation-gaps",
    response_model=GapsResponse,
    responses=_problems(*PROBLEM_TITLES),
    openapi_extra=_post(GapsRequest),
    summary="What a note, finished or not, leaves open",
)
async def documentation_gaps(request: Request) -> Response:
    service = _shell(request).service
    _, response = await _answered(request, GapsRequest, lambda asked, _: service.gaps(asked))
    return response


async def _answered(
    request: Request, model: type[Asked], work: Callable[[Asked, float], Awaitable[tuple[Answer, Timings]]]
) -> tuple[Answer, Response]:
    """Admit the caller, read the body, and do the work before the deadline."""
    shell, call = _shell(request), _call(request)
    _admit(request, EXTRACT)
    limits.require_json(request.headers)
    settings = shell.settings
    timeout = limits.timeout_s(request.headers, settings.default_timeout_s, settings.max_timeout_s)
    deadline = asyncio.get_running_loop().time() + timeout
    with shell.admission.enter():
        clock = asyncio.timeout_at(deadline)
        try:
            async with clock:
                limit = settings.max_text_chars
                asked = parse(model, await limits.read_body(request, limits.body_limit(limit)), limit)
                answer, timings = await work(asked, deadline)
        except TimeoutError:
            if not clock.expired():
                raise
            raise DeadlineExceeded(f"Not done within {timeout:g} s") from None
    call.stages.update(timings.seconds)
    shell.metrics.timed(timings.seconds)
    headers = {"Server-Timing": _server_timing(call), "Cache-Control": "no-store"}
    return answer, _json(answer.model_dump(), headers)


@router.get(
    "/v1/models",
    response_model=ModelList,
    responses=_problems(401, 403),
    openapi_extra=KEY,
    summary="The served model sets",
)
async def models(request: Request) -> Response:
    _admit(request, READ)
    return _json(ModelList(models=list(_shell(request).service.models())).model_dump())


@router.get(
    "/v1/codes/{code}",
    response_model=CodeInfo,
    responses=_problems(401, 403, 404),
    openapi_extra=KEY,
    summary="What a code is",
)
async def code(request: Request, code: str) -> Response:
    _admit(request, READ)
    info = _shell(request).service.describe(code)
    if info is None:
        raise NotFound("There is no such code")
    return _json(info.model_dump())


@router.get("/livez", response_model=Alive, summary="Whether the gateway answers")
async def livez() -> Response:
    return _json({"alive": True})


@router.get("/readyz", response_model=Ready, responses=_problems(503), summary="Whether every stage answers a probe")
async def readyz(request: Request) -> Response:
    readiness = await _shell(request).service.ready()
    if readiness.ready:
        return _json({"ready": True})
    problem = problems.not_ready(readiness.missing, _call(request).request_id)
    return problems.respond(problem, {"Retry-After": str(problems.RETRY_AFTER_S[503])})


@router.get("/metrics", summary="Figures of this replica for Prometheus", response_class=Response)
async def metrics(request: Request) -> Response:
    return Response(_shell(request).metrics.text(), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _admit(request: Request, scope: str) -> None:
    client = request.client.host if request.client else None
    _call(request).caller = _shell(request).keys.admit(request.headers.get("authorization"), client, scope)


def _shell(request: Request) -> Shell:
    shell: Shell = request.app.state.shell
    return shell


def _call(request: Request) -> Call:
    call: Call = request.state.call
    return call


def _server_timing(call: Call) -> str:
    """W3C Server Timing; durations in milliseconds."""
    stages = {**call.stages, "total": call.seconds}
    return ", ".join(f"{name};dur={seconds * 1000:.2f}" for name, seconds in stages.items())


def _json(content: object, headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(content), media_type="application/json", headers=headers)
