"""Every error as an RFC 9457 problem document, in this one place. No body repeats what was sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from codeserve.api.parse import InvalidFields
from codeserve.api.schemas import FieldError, Problem
from codeserve.errors import (
    CodeserveError,
    InvalidToken,
    NotFound,
    NotReady,
    Overloaded,
    StageFailed,
    Unauthorized,
)

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:codeserve:problem:"
RETRY_AFTER_S = {Overloaded.status: 1, StageFailed.status: 2}
HTTP_PROBLEMS = {
    404: (NotFound.type, "There is no such route"),
    405: ("method-not-allowed", "This route does not take this method"),
}


def problem_of(error: BaseException, request_id: str) -> Problem:
    """The problem document of any error; one that was not raised on purpose becomes `internal` and says nothing."""
    if isinstance(error, HTTPException):
        kind, title = HTTP_PROBLEMS.get(error.status_code, ("http-error", "The request was refused"))
        return _problem(kind, title, error.status_code, title, request_id)
    if isinstance(error, RequestValidationError):
        error = InvalidFields(tuple(_parameter(one) for one in error.errors()))
    if not isinstance(error, CodeserveError) or error.status == CodeserveError.status:
        # What went wrong inside (a path, a setting) is for the log, not for the caller.
        error = CodeserveError()
    return _problem(
        error.type,
        error.title,
        error.status,
        error.detail,
        request_id,
        retryable=error.retryable,
        hint=error.hint or None,
        errors=_field_errors(error),
    )


def not_ready(missing: Mapping[str, str], request_id: str) -> Problem:
    """`missing`: why, by stage."""
    detail = "; ".join(f"{stage}: {why}" for stage, why in missing.items())
    title, stages = "Some stages do not answer yet", list(missing)
    return _problem(NotReady.type, title, 503, detail, request_id, retryable=True, missing=stages)


def respond(problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    content = orjson.dumps(problem.model_dump(exclude_none=True))
    return Response(content, status_code=problem.status, media_type=MEDIA_TYPE, headers=dict(headers or {}))


def headers_of(error: BaseException) -> dict[str, str]:
    """The headers that go with the problem: when to come again, how to authenticate, which methods there are."""
    if isinstance(error, HTTPException):
        return {name: value for name, value in (error.headers or {}).items() if name.lower() == "allow"}
    if isinstance(error, Unauthorized):
        # RFC 6750, section 3.1: the error only where a token was sent.
        wrong = ', error="invalid_token"' if isinstance(error, InvalidToken) else ""
        return {"WWW-Authenticate": f'Bearer realm="codeserve"{wrong}'}
    if isinstance(error, CodeserveError) and error.status in RETRY_AFTER_S:
        return {"Retry-After": str(error.retry_after or RETRY_AFTER_S[error.status])}
    return {}


def _parameter(wrong: Any) -> FieldError:
    """Of a query or path parameter, whose name is ours; what was sent is not repeated."""
    return FieldError(field=str(wrong["loc"][-1]), message=wrong["msg"])


def _field_errors(error: CodeserveError) -> list[FieldError] | None:
    if isinstance(error, InvalidFields):
        return list(error.errors)
    return [FieldError(field=error.field, message=error.detail)] if error.field else None


def _problem(
    kind: str,
    title: str,
    status: int,
    detail: str,
    request_id: str,
    *,
    retryable: bool = False,
    hint: str | None = None,
    errors: list[FieldError] | None = None,
    missing: list[str] | None = None,
) -> Problem:
    return Problem(
        type=TYPE_PREFIX + kind,
        title=title,
        status=status,
        detail=detail,
        request_id=request_id,
        retryable=retryable,
        hint=hint,
        errors=errors,
        missing=missing,
    )
