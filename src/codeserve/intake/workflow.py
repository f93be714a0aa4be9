"""The durable workflows: steps in their order, each tried again with growing pauses, on DBOS.

    event      fetch ─► document (a workflow of its own, one for each version of a note) ─► settle
    document   code ─► draft ─► enlist ─► tell
    pull       by a cron expression: store what changed
    job        the lines of a batch

A workflow's id is made of what it works on, so a second event of the same version starts no second job. A step's
outcome is written down when it ends; after a crash the workflow goes on behind the last one. Nothing but ids, states
and kinds of errors is written there: a step's error is turned into its kind inside the step.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Coroutine
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import count
from typing import Any

from dbos import DBOS, Serializer, SetEnqueueOptions, SetWorkflowID, WorkflowHandleAsync

from codeserve.intake import patience
from codeserve.intake.batches import Batches
from codeserve.intake.steps import Steps

logger = logging.getLogger(__name__)
# Of the workflows below: raise it when steps or their order change. What an older version began, an older worker ends.
VERSION = "1"
QUEUE, JOBS = "events", "jobs"
SETTLE = "settle"
DOCUMENT_STEPS = ("code", "draft", "enlist", "tell")
ENDED_BADLY = frozenset({"ERROR", "MAX_RECOVERY_ATTEMPTS_EXCEEDED", "CANCELLED"})


class GivenUp(Exception):
    """A step that is not tried again; the message is the kind of its failure."""


class PlainJson(Serializer):
    """Instead of pickle, which would run what somebody wrote into the database. Of an error only its kind is kept."""

    def serialize(self, data: Any) -> str:
        return json.dumps(data, default=_plain)

    def deserialize(self, serialized_data: str) -> Any:
        return json.loads(serialized_data, object_hook=_error)

    def name(self) -> str:
        return "codeserve_json"


def _plain(value: Any) -> Any:
    if isinstance(value, BaseException):
        return {"_error": type(value).__name__}
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"a workflow keeps plain values, no {type(value).__name__}")


def _error(found: dict[str, Any]) -> Any:
    return GivenUp(found["_error"]) if set(found) == {"_error"} else found


@dataclass(frozen=True, slots=True)
class Workflows:
    event: Callable[[str, str, int], Coroutine[Any, Any, str]]
    pull: Callable[[datetime, str], Coroutine[Any, Any, None]]
    job: Callable[[str, str], Coroutine[Any, Any, str]]

    async def enqueue(self, tenant: str, platform: str, event_id: str, attempts: int) -> str:
        """Hand an event over, once; the state of its workflow."""
        options = SetEnqueueOptions(queue_partition_key=f"{tenant}/{platform}")
        with SetWorkflowID(f"event-{event_id}-{attempts}"), options:
            handle: WorkflowHandleAsync[str] = await DBOS.enqueue_workflow_async(
                QUEUE, self.event, tenant, event_id, attempts
            )
        return str((await handle.get_status()).status)

    async def enqueue_job(self, tenant: str, job_id: str) -> None:
        """Hand a batch over, once."""
        with SetWorkflowID(f"job-{job_id}"):
            await DBOS.enqueue_workflow_async(JOBS, self.job, tenant, job_id)


@dataclass(frozen=True, slots=True)
class Persistence:
    """Tries a step until it succeeds or is given up. Each try and each pause is written down."""

    steps: Steps | Batches
    schedule: patience.Schedule

    async def __call__(self, step: str, *ids: Any) -> Any:
        """The step's value. Raises GivenUp."""
        for number in count(1):
            outcome = await DBOS.run_step_async({"name": step}, self._attempt, step, *ids)
            if "value" in outcome:
                return outcome["value"]
            # An event must be settled, however long the database is away.
            if step != SETTLE and (not outcome["again"] or number >= self.schedule.attempts):
                raise GivenUp(f"{step}: {outcome['kind']}")
            seed = f"{DBOS.workflow_id}/{step}"
            await DBOS.sleep_async(patience.pause(self.schedule, seed, number, outcome["after"]))

    async def _attempt(self, step: str, *ids: Any) -> dict[str, Any]:
        try:
            return {"value": await getattr(self.steps, step)(*ids)}
        except Exception as error:
            failure = patience.failed(error)
            fields = {"step": step, "workflow": DBOS.workflow_id, "kind": failure.kind, "again": failure.again}
            logger.warning("step failed", extra={"fields": fields}, exc_info=error)
            return asdict(failure)


def register(steps: Steps, batches: Batches, schedule: patience.Schedule) -> Workflows:
    """Make the workflows known to DBOS: once in a process, before its launch."""
    persist = Persistence(steps, schedule)

    @DBOS.workflow(name="document")
    async def document(tenant: str, document_id: str) -> str:
        """Empty, or why it was given up."""
        try:
            for step in DOCUMENT_STEPS:
                await persist(step, tenant, document_id)
        except GivenUp as failure:
            if step == "draft":
                await persist("abandon", tenant, document_id, str(failure))
            return str(failure)
        return ""

    @DBOS.workflow(name="event")
    async def event(tenant: str, event_id: str, attempts: int) -> str:
        dead = ""
        try:
            document_id = await persist("fetch", tenant, event_id)
            if document_id:
                with SetWorkflowID(f"document-{document_id}-{attempts}"):
                    handle = await DBOS.start_workflow_async(document, tenant, document_id)
                dead = await handle.get_result()
        except GivenUp as failure:
            dead = str(failure)
        return str(await persist(SETTLE, tenant, event_id, dead))

    @DBOS.workflow(name="pull")
    async def pull(_: datetime, platform: str) -> None:
        await persist("pull", platform)

    return Workflows(event, pull, _job(Persistence(batches, schedule)))


def _job(persist: Persistence) -> Callable[[str, str], Coroutine[Any, Any, str]]:
    @DBOS.workflow(name="job")
    async def job(tenant: str, job_id: str) -> str:
        try:
            return str(await persist("run", tenant, job_id))
        except GivenUp:
            return str(await persist("fail", tenant, job_id))

    return job
