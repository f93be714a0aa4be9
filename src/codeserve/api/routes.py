"""The routes. Each is a few lines: what is asked, what the service answers. Who may call: data/access/routes.tsv."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response

from codeserve.api import limits, problems
from codeserve.api.admission import PRIORITIES
from codeserve.api.exchange import Answer, Asked, Exchange, Shell
from codeserve.api.guard import Guarded
from codeserve.api.observe import Call
from codeserve.api.schemas import Alive, CodeInfo, ExtractRequest, ExtractResponse, ModelList, Ready
from codeserve.api.schemas_checks import GapsRequest, GapsResponse, ValidateRequest, ValidateResponse
from codeserve.api.service import Timings
from codeserve.errors import NotFound

router = APIRouter(route_class=Guarded)
KEY: dict[str, Any] = {"security": [{"key": []}]}
HEADERS: dict[str, dict[str, Any]] = {
    limits.TIMEOUT_HEADER: {
        "schema": {"type": "integer", "minimum": 1},
        "description": "The deadline in milliseconds from now, up to the configured cap",
    },
    limits.PRIORITY_HEADER: {
        "schema": {"type": "string", "enum": list(PRIORITIES)},
        "description": "Interactive requests are let in before batch ones; the default is the API key's",
    },
    limits.IDEMPOTENCY_HEADER: {
        "schema": {"type": "string", "minLength": 1, "maxLength": 255},
        "description": "The same key and body get the same answer for a short time; another body is a conflict",
    },
}
PROBLEM_TITLES = {
    400: "Not JSON",
    401: "No valid API key or token",
    403: "The caller lacks the permission",
    404: "Unknown",
    409: "The Idempotency-Key stood for another request",
    413: "Too large",
    415: "Not application/json",
    422: "A field is not acceptable",
    429: "Too many requests at once, or more than the key may send",
    500: "Internal error",
    503: "A stage failed or is missing, or the identity provider does not answer",
    504: "Past the deadline",
}


def _problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """How the routes' errors are described in OpenAPI."""
    schema = {"$ref": "#/components/schemas/Problem"}
    content = {problems.MEDIA_TYPE: {"schema": schema}}
    return {status: {"description": PROBLEM_TITLES[status], "content": content} for status in statuses}


def _post(model: type[Asked]) -> dict[str, Any]:
    """How a route that reads its body itself is described in OpenAPI."""
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    body = {"required": True, "content": {"application/json": {"schema": schema}}}
    headers = [{"name": name, "in": "header", "required": False, **rest} for name, rest in HEADERS.items()]
    return {**KEY, "requestBody": body, "parameters": headers}


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

    return await _answered(request, ExtractRequest, extract, shell.metrics.coded)


@router.post(
    "/v1/validate-codes",
    response_model=ValidateResponse,
    responses=_problems(*PROBLEM_TITLES),
    openapi_extra=_post(ValidateRequest),
    summary="Check the codes of a claim, and with a note what its documentation supports",
)
async def validate_codes(request: Request) -> Response:
    shell = _shell(request)
    return await _answered(
        request, ValidateRequest, shell.service.validate, lambda answer: shell.metrics.found(answer.findings)
    )


@router.post(
    "/v1/documentation-gaps",
    response_model=GapsResponse,
    responses=_problems(*PROBLEM_TITLES),
    openapi_extra=_post(GapsRequest),
    summary="What a note, finished or not, leaves open",
)
async def documentation_gaps(request: Request) -> Response:
    return await _answered(request, GapsRequest, _shell(request).service.gaps, lambda _: None)


async def _answered(
    request: Request,
    model: type[Asked],
    work: Callable[[Asked, float], Awaitable[tuple[Answer, Timings]]],
    record: Callable[[Answer], None],
) -> Response:
    return await Exchange(request, _shell(request), model, work, record).respond()


@router.get(
    "/v1/models",
    response_model=ModelList,
    responses=_problems(401, 403, 429, 503),
    openapi_extra=KEY,
    summary="The served model sets",
)
async def models(request: Request) -> Response:
    return _json(ModelList(models=list(_shell(request).service.models())).model_dump())


@router.get(
    "/v1/codes/{code}",
    response_model=CodeInfo,
    responses=_problems(401, 403, 404, 429, 503),
    openapi_extra=KEY,
    summary="What a code is",
)
async def code(request: Request, code: str) -> Response:
    info = _shell(request).service.describe(code)
    if info is None:
        raise NotFound("There is no such code")
    return _json(info.model_dump())


@router.get("/livez", response_model=Alive, summary="Whether the gateway answers")
async def livez() -> Response:
    return _json({"alive": True})


@router.get("/readyz", response_model=Ready, responses=_problems(503), summary="Whether every stage answers a probe")
async def readyz(request: Request) -> Response:
    shell = _shell(request)
    shell.drain.require_open()
    readiness = await shell.service.ready()
    if readiness.ready:
        return _json({"ready": True})
    problem = problems.not_ready(readiness.missing, _call(request).request_id)
    return problems.respond(problem, {"Retry-After": str(problems.RETRY_AFTER_S[503])})


@router.get("/metrics", summary="Figures of all replicas for Prometheus", response_class=Response)
async def metrics(request: Request) -> Response:
    return Response(await _shell(request).figures(), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _shell(request: Request) -> Shell:
    shell: Shell = request.app.state.shell
    return shell


def _call(request: Request) -> Call:
    call: Call = request.state.call
    return call


def _json(content: object, headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(content), media_type="application/json", headers=headers)
