"""Asynchronous batches: hand many notes in, watch, cancel, fetch the answers page by page. A worker codes them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from codeserve.api.guard import Guarded, principal_of
from codeserve.api.parts import KEY, body_of, described, json_response, problem_responses, shell_of, stored_of
from codeserve.api.schemas import ExtractResponse
from codeserve.api.schemas_jobs import JobRequest, JobResult, JobResults, JobStatus, LineProblem
from codeserve.audit.records import Record
from codeserve.audit.trail import append
from codeserve.errors import TooLarge
from codeserve.intake import batches
from codeserve.storage.crypto import KeyRing
from codeserve.storage.sealing import unseal_json
from codeserve.storage.tables import Job, JobLine

router = APIRouter(route_class=Guarded)
MOST_BYTES = 64 * 1024 * 1024


@router.post(
    "/v1/jobs",
    response_model=JobStatus,
    status_code=202,
    responses=problem_responses(400, 401, 403, 413, 415, 422),
    openapi_extra=described(JobRequest, deadline=False),
    summary="Hand in many notes to be coded later",
)
async def create(request: Request) -> Response:
    caller, stored = principal_of(request), stored_of(request)
    asked = await body_of(request, JobRequest, MOST_BYTES)
    most = shell_of(request).settings.max_text_chars
    for number, one in enumerate(asked.requests):
        if len(one.text) > most:
            raise TooLarge(f"The note has more than {most} characters", field=f"requests.{number}.text")
    bodies = [one.model_dump(mode="json", exclude_none=True) for one in asked.requests]

    def work(session: Session) -> JobStatus:
        return _status(batches.create(session, stored.database.keys, caller.tenant, caller.subject, bodies))

    return json_response(await stored.write(work), 202)


@router.get(
    "/v1/jobs/{job_id}",
    response_model=JobStatus,
    responses=problem_responses(401, 403, 404),
    openapi_extra=KEY,
    summary="How far a job is",
)
async def status(request: Request, job_id: str) -> Response:
    tenant = principal_of(request).tenant
    return json_response(await stored_of(request).read(lambda s: _status(batches.of_tenant(s, tenant, job_id))))


@router.post(
    "/v1/jobs/{job_id}/cancel",
    response_model=JobStatus,
    responses=problem_responses(401, 403, 404, 409),
    openapi_extra=KEY,
    summary="Code no more of a job; what is coded stays",
)
async def cancel(request: Request, job_id: str) -> Response:
    caller, stored = principal_of(request), stored_of(request)

    def work(session: Session) -> JobStatus:
        return _status(batches.cancel(session, stored.database.keys, caller.tenant, caller.subject, job_id))

    return json_response(await stored.write(work))


@router.get(
    "/v1/jobs/{job_id}/results",
    response_model=JobResults,
    responses=problem_responses(401, 403, 404, 422),
    openapi_extra=KEY,
    summary="The answers of a job, in the order of its notes",
)
async def results(
    request: Request,
    job_id: str,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[int, Query(ge=0, description="next_cursor of the page before")] = 0,
) -> Response:
    caller, stored = principal_of(request), stored_of(request)
    keys = stored.database.keys

    def work(session: Session) -> JobResults:
        batches.of_tenant(session, caller.tenant, job_id)
        found = batches.lines(session, caller.tenant, job_id, cursor, limit + 1)
        append(session, keys, Record(caller.tenant, caller.subject, "VIEWED", details={"what": "job", "job": job_id}))
        following = str(found[limit - 1].line) if len(found) > limit else None
        return JobResults(results=[_result(keys, line) for line in found[:limit]], next_cursor=following)

    return json_response(await stored.write(work))


def _status(job: Job) -> JobStatus:
    return JobStatus(
        job_id=job.id,
        state=job.state,
        total=job.total,
        done=job.done,
        failed=job.failed,
        created_at=job.created_at,
        finished_at=job.finished_at,
    )


def _result(keys: KeyRing, line: JobLine) -> JobResult:
    told = unseal_json(keys, line, "response")
    return JobResult(
        line=line.line,
        document_id=unseal_json(keys, line, "request")["document_id"],
        state=line.state,
        response=ExtractResponse.model_validate(told) if line.state == batches.DONE else None,
        problem=LineProblem(**told) if line.state == batches.FAILED else None,
    )
