"""Asynchronous batches: a job's lines in the database, and the step that has them coded."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from codeserve.audit.records import Record
from codeserve.audit.trail import append
from codeserve.errors import CodeserveError, Conflict, NotFound
from codeserve.intake.crash import crash_point
from codeserve.intake.gateway import Gateway
from codeserve.storage import threads
from codeserve.storage.crypto import KeyRing
from codeserve.storage.engine import Database
from codeserve.storage.sealing import seal_json, unseal_json
from codeserve.storage.tables import Job, JobLine, now

QUEUED, RUNNING, DONE, CANCELLED, FAILED = "queued", "running", "done", "cancelled", "failed"
UNSETTLED = (QUEUED, RUNNING)


def create(session: Session, keys: KeyRing, tenant: str, actor: str, requests: Sequence[Any]) -> Job:
    """A job of these bodies of /v1/extract-codes, with its record."""
    job = Job(tenant=tenant, created_by=actor, state=QUEUED, total=len(requests), done=0, failed=0)
    session.add(job)
    session.flush()
    for number, request in enumerate(requests, 1):
        line = JobLine(tenant=tenant, job_id=job.id, line=number)
        seal_json(keys, line, "request", request)
        session.add(line)
    append(session, keys, Record(tenant, actor, "JOB_CREATED", details={"job": job.id, "count": len(requests)}))
    return job


def of_tenant(session: Session, tenant: str, job_id: str) -> Job:
    """Raises NotFound."""
    job = session.get(Job, (tenant, job_id))
    if job is None:
        raise NotFound("There is no such job")
    return job


def cancel(session: Session, keys: KeyRing, tenant: str, actor: str, job_id: str) -> Job:
    """What is not coded yet will not be. Raises NotFound and Conflict."""
    job = session.get(Job, (tenant, job_id), with_for_update=True)
    if job is None:
        raise NotFound("There is no such job")
    if job.state == CANCELLED:
        return job
    if job.state not in UNSETTLED:
        raise Conflict(f"The job is {job.state}")
    job.state, job.finished_at = CANCELLED, now()
    left = update(JobLine).where(JobLine.tenant == tenant, JobLine.job_id == job_id, JobLine.state == QUEUED)
    session.execute(left.values(state=CANCELLED))
    append(session, keys, Record(tenant, actor, "JOB_CANCELLED", details={"job": job_id}))
    return job


def lines(session: Session, tenant: str, job_id: str, after: int, limit: int) -> list[JobLine]:
    """Those behind a line, in their order."""
    of_job = select(JobLine).where(JobLine.tenant == tenant, JobLine.job_id == job_id, JobLine.line > after)
    return list(session.scalars(of_job.order_by(JobLine.line).limit(limit)))


def waiting(session: Session, states: Sequence[str], limit: int) -> list[Job]:
    """The oldest jobs of these states, of all tenants."""
    return list(session.scalars(select(Job).where(Job.state.in_(states)).order_by(Job.created_at).limit(limit)))


@dataclass
class Batches:
    """`at_once`: lines of one job that the gateway is asked about at the same time."""

    database: Database
    gateway: Gateway
    at_once: int = 8

    async def run(self, tenant: str, job_id: str) -> str:
        """Have all lines coded that are not yet; the state of the job. A line that the gateway refuses fails alone;
        where the gateway does not answer the step is tried again, and goes on with what is left."""
        while await threads.write(self.database, lambda s: self._goes_on(s, tenant, job_id)):
            left = await threads.read(self.database, lambda s: self._left(s, tenant, job_id))
            if not left:
                return await self._finish(tenant, job_id, DONE)
            for ended in await asyncio.gather(*map(self._code, left), return_exceptions=True):
                if isinstance(ended, BaseException):
                    raise ended
        return CANCELLED

    async def fail(self, tenant: str, job_id: str) -> str:
        """The gateway did not answer for too long."""
        return await self._finish(tenant, job_id, FAILED)

    async def _code(self, line: JobLine) -> None:
        asked = unseal_json(self.database.keys, line, "request")
        try:
            state, answer = DONE, await self.gateway.code(asked, line.id)
        except CodeserveError as error:
            if error.retryable:
                raise
            state, answer = FAILED, {"type": error.type, "status": error.status, "field": error.field}
        crash_point("job:answered")
        await threads.write(self.database, lambda s: self._store(s, line, state, answer))

    def _store(self, session: Session, line: JobLine, state: str, answer: dict[str, Any]) -> None:
        job = session.get_one(Job, (line.tenant, line.job_id), with_for_update=True)
        stored = session.get_one(JobLine, (line.tenant, line.id))
        if stored.state != QUEUED:
            return
        seal_json(self.database.keys, stored, "response", answer)
        stored.state = state
        job.done, job.failed = job.done + (state == DONE), job.failed + (state == FAILED)

    def _goes_on(self, session: Session, tenant: str, job_id: str) -> bool:
        job = session.get_one(Job, (tenant, job_id), with_for_update=True)
        if job.state == QUEUED:
            job.state = RUNNING
        return job.state == RUNNING

    def _left(self, session: Session, tenant: str, job_id: str) -> list[JobLine]:
        queued = select(JobLine).where(JobLine.tenant == tenant, JobLine.job_id == job_id, JobLine.state == QUEUED)
        return list(session.scalars(queued.order_by(JobLine.line).limit(self.at_once)))

    async def _finish(self, tenant: str, job_id: str, state: str) -> str:
        def finish(session: Session) -> str:
            job = session.get_one(Job, (tenant, job_id), with_for_update=True)
            if job.state in UNSETTLED:
                job.state, job.finished_at = state, now()
            return job.state

        return await threads.write(self.database, finish)
