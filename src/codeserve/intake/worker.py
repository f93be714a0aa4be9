"""The worker's process: hands stored events to their workflows and runs them, until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path

from dbos import DBOS, DBOSConfig
from sqlalchemy import create_engine
from sqlalchemy import event as sql_event
from sqlalchemy.orm import Session

from codeserve.config import WorkerSettings
from codeserve.errors import SetupError
from codeserve.intake import batches, events, patience, workflow
from codeserve.intake.batches import Batches
from codeserve.intake.crash import crash_point
from codeserve.intake.steps import Steps
from codeserve.intake.workflow import Workflows
from codeserve.storage import threads
from codeserve.storage.engine import BUSY_S, Database

logger = logging.getLogger(__name__)
AT_ONCE = 100  # events, and jobs, that are handed over in one round
JOBS_AT_ONCE = 2


async def work(steps: Steps, batches: Batches, settings: WorkerSettings) -> None:
    """Until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with alone(steps.database):
        async with running(steps, batches, settings) as workflows:
            logger.info("worker runs", extra={"fields": {"platforms": len(steps.platforms.scheduled)}})
            await HandOver(steps.database, workflows).until(stop, settings.poll_s)


@asynccontextmanager
async def running(steps: Steps, batches: Batches, settings: WorkerSettings) -> AsyncIterator[Workflows]:
    """DBOS with our workflows, in the running event loop."""
    DBOS(config=_config(steps.database, settings))
    workflows = workflow.register(steps, batches, _schedule(settings))
    DBOS.launch()
    try:
        await DBOS.register_queue_async(
            workflow.QUEUE, partition_worker_concurrency=settings.concurrency, polling_interval_sec=settings.poll_s
        )
        await DBOS.register_queue_async(
            workflow.JOBS, worker_concurrency=JOBS_AT_ONCE, polling_interval_sec=settings.poll_s
        )
        await asyncio.to_thread(_apply_schedules, steps, workflows)
        yield workflows
    finally:
        await asyncio.to_thread(DBOS.destroy, workflow_completion_timeout_sec=0)


class HandOver:
    """Starts the workflow of each stored event and job. The first round takes those of a worker that died as well: a
    workflow that is there already is not started again."""

    def __init__(self, database: Database, workflows: Workflows) -> None:
        self._database = database
        self._workflows = workflows
        self._events, self._jobs = ["received", "running"], ["queued", "running"]
        self._handed: set[str] = set()  # jobs, which wait for their turn as "queued"

    async def until(self, stop: asyncio.Event, poll_s: float) -> None:
        while not stop.is_set():
            try:
                await self._round()
                self._events, self._jobs = ["received"], ["queued"]
            except Exception as error:  # the database is away: the next round tries again
                logger.error("nothing could be handed over", exc_info=error)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), poll_s)

    async def _round(self) -> None:
        for event in await threads.read(self._database, lambda s: events.waiting(s, self._events, AT_ONCE)):
            state = await self._workflows.enqueue(event.tenant, event.platform, event.id, event.attempts)
            crash_point("handover:enqueued", event.external_document_id or "")
            tenant, event_id, keys = event.tenant, event.id, self._database.keys
            work: Callable[[Session], None] = partial(events.started, tenant=tenant, event_id=event_id)
            if state in workflow.ENDED_BADLY:
                dead = f"workflow: {state.lower()}"
                work = partial(events.settle, keys=keys, tenant=tenant, event_id=event_id, dead=dead)
            await threads.write(self._database, work)
        for job in await threads.read(self._database, lambda s: batches.waiting(s, self._jobs, AT_ONCE)):
            if job.id not in self._handed:
                await self._workflows.enqueue_job(job.tenant, job.id)
                self._handed.add(job.id)


def _schedule(settings: WorkerSettings) -> patience.Schedule:
    return patience.Schedule(settings.attempts, settings.first_pause_s, settings.longest_pause_s)


def _apply_schedules(steps: Steps, workflows: Workflows) -> None:
    wanted = {f"pull-{one.name}": one for one in steps.platforms.scheduled}
    for schedule in DBOS.list_schedules(schedule_name_prefix="pull-"):
        if schedule["schedule_name"] not in wanted:
            DBOS.delete_schedule(schedule["schedule_name"])
    DBOS.apply_schedules(
        [
            {"schedule_name": name, "workflow_fn": workflows.pull, "schedule": one.schedule or "", "context": one.name}
            for name, one in wanted.items()
        ]
    )


def _config(database: Database, settings: WorkerSettings) -> DBOSConfig:
    """On PostgreSQL a schema of its own in our database, on SQLite a file of its own beside ours: one file has one
    writer at a time, and DBOS writes often."""
    config = DBOSConfig(
        name="codeserve",
        application_version=workflow.VERSION,
        executor_id=settings.name or ("worker" if database.is_sqlite else socket.gethostname()),
        serializer=workflow.PlainJson(),
        console_log_level="ERROR",
        log_level="ERROR",
        notification_listener_polling_interval_sec=settings.poll_s,
        enable_otlp=False,
    )
    url = database.engine.url
    if database.is_sqlite:
        engine = create_engine(f"sqlite:///{_beside(database, '.workflows')}", connect_args={"timeout": BUSY_S})
        sql_event.listen(engine, "connect", _configure_sqlite)
        config["system_database_engine"] = engine
        config["system_database_url"] = str(engine.url)
    else:
        config["system_database_url"] = url.render_as_string(hide_password=False)
    return config


def _configure_sqlite(connection: object, _: object) -> None:
    connection.isolation_level = "IMMEDIATE"  # type: ignore[attr-defined]  # as DBOS's own engine is
    for pragma in (f"busy_timeout={BUSY_S * 1000}", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")  # type: ignore[attr-defined]


def _beside(database: Database, suffix: str) -> Path:
    return Path(f"{database.engine.url.database}{suffix}").absolute()


@contextmanager
def alone(database: Database) -> Iterator[None]:
    """The only worker of a database file: a second one would run the same workflows. Raises SetupError. PostgreSQL
    takes several, each under a name of its own."""
    if not database.is_sqlite:
        yield
        return
    handle = os.open(_beside(database, ".worker"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise SetupError(
            "another worker uses this SQLite database", hint="SQLite takes one worker; PostgreSQL takes several"
        ) from None
    finally:
        os.close(handle)
