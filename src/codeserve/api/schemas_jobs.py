"""Bodies of the routes of asynchronous batches."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from codeserve.api.schemas import ExtractRequest, ExtractResponse, Request, Response

MOST_LINES = 1000


class JobRequest(Request):
    """Notes to code, each as for /v1/extract-codes."""

    requests: list[ExtractRequest] = Field(min_length=1, max_length=MOST_LINES)


class JobStatus(Response):
    job_id: str
    state: Literal["queued", "running", "done", "cancelled", "failed"]
    total: int
    done: int = Field(description="Notes that were coded")
    failed: int = Field(description="Notes that were refused")
    created_at: datetime
    finished_at: datetime | None


class LineProblem(Response):
    type: str
    status: int
    field: str = Field(description="Empty where the problem is of no field")


class JobResult(Response):
    line: int = Field(description="From 1, in the order of the request")
    document_id: str
    state: Literal["queued", "running", "done", "failed", "cancelled"]
    response: ExtractResponse | None
    problem: LineProblem | None


class JobResults(Response):
    results: list[JobResult]
    next_cursor: str | None = Field(description="For the next page; null at the end")
