"""The routes. Each is a few lines: what is asked, what the service answers. Who may call: data/access/routes.tsv."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response

from codeserve.api import problems
from codeserve.api.exchange import Answer, Asked, Exchange
from codeserve.api.guard import Guarded
from codeserve.api.parts import KEY, PROBLEM_TITLES, call_of, described, json_response, problem_responses, shell_of
from codeserve.api.schemas import Alive, CodeInfo, ExtractRequest, ExtractResponse, ModelList, Ready
from codeserve.api.schemas_checks import GapsRequest, GapsResponse, ValidateRequest, ValidateResponse
from codeserve.api.service import Timings
from codeserve.errors import NotFound

router = APIRouter(route_class=Guarded)


@router.post(
    "/v1/extract-codes",
    response_model=ExtractResponse,
    responses=problem_responses(*PROBLEM_TITLES),
    openapi_extra=described(ExtractRequest),
    summary="Code a signed clinical note",
)
async def extract_codes(request: Request) -> Response:
    shell, call = shell_of(request), call_of(request)

    async def extract(asked: ExtractRequest, deadline: float) -> tuple[ExtractResponse, Timings]:
        if asked.model_version is not None and asked.model_version not in shell.service.known_models():
            raise NotFound("No such model_version is served", field="model_version", hint="GET /v1/models lists them")
        return await shell.service.extract(asked, request_id=call.request_id, deadline=deadline)

    return await _answered(request, ExtractRequest, extract, shell.metrics.coded)


@router.post(
    "/v1/validate-codes",
    response_model=ValidateResponse,
    responses=problem_responses(*PROBLEM_TITLES),
    openapi_extra=described(ValidateRequest),
    summary="Check the codes of a claim, and with a note what its documentation supports",
)
async def validate_codes(request: Request) -> Response:
    shell = shell_of(request)
    return await _answered(
        request, ValidateRequest, shell.service.validate, lambda answer: shell.metrics.found(answer.findings)
    )


@router.post(
    "/v1/documentation-gaps",
    response_model=GapsResponse,
    responses=problem_responses(*PROBLEM_TITLES),
    openapi_extra=described(GapsRequest),
    summary="What a note, finished or not, leaves open",
)
async def documentation_gaps(request: Request) -> Response:
    return await _answered(request, GapsRequest, shell_of(request).service.gaps, lambda _: None)


async def _answered(
    request: Request,
    model: type[Asked],
    work: Callable[[Asked, float], Awaitable[tuple[Answer, Timings]]],
    record: Callable[[Answer], None],
) -> Response:
    return await Exchange(request, shell_of(request), model, work, record).respond()


@router.get(
    "/v1/models",
    response_model=ModelList,
    responses=problem_responses(401, 403, 429, 503),
    openapi_extra=KEY,
    summary="The served model sets",
)
async def models(request: Request) -> Response:
    return json_response(ModelList(models=list(shell_of(request).service.models())).model_dump())


@router.get(
    "/v1/codes/{code}",
    response_model=CodeInfo,
    responses=problem_responses(401, 403, 404, 429, 503),
    openapi_extra=KEY,
    summary="What a code is",
)
async def code(request: Request, code: str) -> Response:
    info = shell_of(request).service.describe(code)
    if info is None:
        raise NotFound("There is no such code")
    return json_response(info.model_dump())


@router.get("/livez", response_model=Alive, summary="Whether the gateway answers")
async def livez() -> Response:
    return json_response({"alive": True})


@router.get(
    "/readyz", response_model=Ready, responses=problem_responses(503), summary="Whether every stage answers a probe"
)
async def readyz(request: Request) -> Response:
    shell = shell_of(request)
    shell.drain.require_open()
    readiness = await shell.service.ready()
    if readiness.ready:
        return json_response({"ready": True})
    problem = problems.not_ready(readiness.missing, call_of(request).request_id)
    return problems.respond(problem, {"Retry-After": str(problems.RETRY_AFTER_S[503])})


@router.get("/metrics", summary="Figures of all replicas for Prometheus", response_class=Response)
async def metrics(request: Request) -> Response:
    return Response(await shell_of(request).figures(), headers={"Content-Type": CONTENT_TYPE_LATEST})
