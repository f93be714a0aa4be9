"""Every error that codeserve raises on purpose.

    CodeserveError
    ├── BadRequest           400  what came in is not JSON
    ├── InvalidNote          422  understood, but not acceptable; `field` names where
    ├── Unauthorized         401
    │   └── InvalidToken     401  a token that does not hold
    ├── Forbidden            403
    ├── NotFound             404
    ├── IdempotencyConflict  409
    ├── Conflict             409  what is stored is in another state, or somebody else's
    ├── TooLarge             413
    ├── UnsupportedMediaType 415
    ├── Overloaded           429  retryable
    ├── CallerLeft           499  the caller hung up; nobody receives it
    ├── NotReady             503  retryable: starting, or stopping
    ├── StageFailed          503  retryable: a model or a stage failed
    ├── StorageUnavailable   503  retryable: the database does not answer, or is busy for too long
    ├── ProviderAway         503  retryable: the identity provider's keys cannot be had
    ├── DeadlineExceeded     504  retryable
    ├── StoredDataBroken     500  what is stored was changed, or cannot be opened
    ├── InvalidRecord        500  an audit record lacks a field, or has one too many
    ├── InvalidTable              an official file cannot be read or taken
    └── SetupError           what is installed or configured cannot work; `hint` says what to do

No message may hold text of a note or an identifier.
"""

from __future__ import annotations

from typing import ClassVar


class CodeserveError(Exception):
    """`type` is stable and part of the API's contract; `status` its HTTP status; `hint` says what to do next."""

    type: ClassVar[str] = "internal"
    title: ClassVar[str] = "Internal error"
    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False

    def __init__(self, detail: str = "", *, hint: str = "", field: str = "", retry_after: int | None = None) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.hint = hint
        self.field = field
        self.retry_after = retry_after

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword arguments must survive the way between replicas.
        return _rebuild, (type(self), self.detail, self.hint, self.field, self.retry_after)


def _rebuild(kind: type[CodeserveError], detail: str, hint: str, field: str, retry_after: int | None) -> CodeserveError:
    return kind(detail, hint=hint, field=field, retry_after=retry_after)


class BadRequest(CodeserveError):
    type, title, status = "bad-request", "The body is not JSON", 400


class InvalidNote(CodeserveError):
    type, title, status = "invalid-request", "The request is not acceptable", 422


class Unauthorized(CodeserveError):
    type, title, status = "unauthorized", "A valid API key or token is needed", 401


class InvalidToken(Unauthorized):
    """`detail` says what is wrong in fixed words, nothing that the token holds."""

    type, title = "invalid-token", "The token does not hold"


class Forbidden(CodeserveError):
    type, title, status = "forbidden", "This caller may not do this", 403


class NotFound(CodeserveError):
    type, title, status = "not-found", "There is no such thing here", 404


class IdempotencyConflict(CodeserveError):
    type, title, status = "idempotency-conflict", "This Idempotency-Key stood for another request", 409


class Conflict(CodeserveError):
    type, title, status = "conflict", "This does not go with the present state", 409


class TooLarge(CodeserveError):
    type, title, status = "too-large", "The request is too large", 413


class UnsupportedMediaType(CodeserveError):
    type, title, status = "unsupported-media-type", "The body must be application/json", 415


class Overloaded(CodeserveError):
    type, title, status, retryable = "overloaded", "Too many requests at once", 429, True


class CallerLeft(CodeserveError):
    type, title, status = "caller-left", "The caller hung up", 499


class NotReady(CodeserveError):
    type, title, status, retryable = "not-ready", "The service is starting or stopping", 503, True


class StageFailed(CodeserveError):
    type, title, status, retryable = "stage-failed", "A model or stage failed", 503, True


class ProviderAway(CodeserveError):
    type, title, status, retryable = "provider-away", "The identity provider does not answer", 503, True


class StorageUnavailable(CodeserveError):
    type, title, status, retryable = "storage-unavailable", "The database does not answer", 503, True


class DeadlineExceeded(CodeserveError):
    type, title, status, retryable = "deadline-exceeded", "The request took too long", 504, True


class StoredDataBroken(CodeserveError):
    type, title = "stored-data-broken", "What is stored cannot be trusted"


class InvalidRecord(CodeserveError):
    type, title = "invalid-record", "An audit record is not acceptable"


class SetupError(CodeserveError):
    type, title = "setup", "The installation or the configuration cannot work"


class InvalidTable(CodeserveError):
    type, title = "invalid-table", "An official file cannot be taken"
