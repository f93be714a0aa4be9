"""The whole way in small: a simulated platform, the real HTTP application over a coder that codes nothing real, a
database, and the worker as a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
import yaml
from sqlalchemy import func, select
from starlette.requests import Request
from starlette.responses import Response

from codeserve.adapters.simulators.base import NoteOnFile, Simulator
from codeserve.adapters.simulators.fhir import FhirSimulator
from codeserve.adapters.simulators.tokens import credentials
from codeserve.api.app import create_app
from codeserve.api.stored import Stored
from codeserve.config import AppSettings, load_settings
from codeserve.intake.crash import VARIABLE
from codeserve.intake.platforms import open_platforms
from codeserve.storage.engine import Database
from codeserve.storage.opening import open_database
from codeserve.storage.tables import AuditRow, Charge, Document, Event, Suggestion, WorklistItem
from tests.api.fakes import FakeService
from tests.conftest import free_port

NOTE = NoteOnFile("Seen for chest pain since Monday. ECG done and read today: normal.")
PATIENCE_S = 120  # on a busy machine; what is waited for comes in a second
TENANT = "north"


class Forgetful(FhirSimulator):
    """A server without conditional create: whoever posts twice has two."""

    async def _create(self, request: Request) -> Response:
        request.scope["headers"] = [pair for pair in request.scope["headers"] if pair[0] != b"if-none-exist"]
        return await super()._create(request)


@dataclass
class Scene:
    """`coder`: what codes; `config`: a configuration file as the worker reads it."""

    simulator: Simulator
    coder: FakeService
    database: Database
    settings: AppSettings
    config: Path
    url: str
    environment: dict[str, str]

    def announce(self, document_id: str) -> int:
        """The platform sends its webhook; the status of the answer."""
        self.simulator.webhook_url = f"{self.url}/v1/webhooks/clinic"
        status = asyncio.run(self.simulator.announce(document_id))
        assert status is not None
        return status

    def ask(self, method: str, path: str, **rest: Any) -> httpx.Response:
        return httpx.request(method, f"{self.url}{path}", timeout=60, trust_env=False, **rest)

    def count(self, table: Any, *where: Any) -> int:
        with self.database.read() as session:
            return int(session.scalar(select(func.count()).select_from(table).where(*where)) or 0)

    def states(self, table: Any = Event) -> list[str]:
        with self.database.read() as session:
            return [str(state) for state in session.scalars(select(table.state).order_by(table.id))]

    def settled(self) -> bool:
        return set(self.states()) <= {"done", "dead"}

    def references(self) -> list[str]:
        with self.database.read() as session:
            return list(session.scalars(select(Charge.reference).order_by(Charge.id)))

    def event(self) -> tuple[str, str]:
        """The id of the only event, and why it was given up."""
        with self.database.read() as session:
            event = session.scalars(select(Event)).one()
            return event.id, event.last_error or ""

    def trail(self) -> list[str]:
        with self.database.read() as session:
            return list(session.scalars(select(AuditRow.action).order_by(AuditRow.seq)))

    def command(self, *words: str) -> str:
        """What a command prints."""
        told = [str(Path(sys.executable).parent / "codeserve"), *words, "--config", str(self.config)]
        environment = {**os.environ, **self.environment, "COLUMNS": "200"}
        return subprocess.run(told, check=True, capture_output=True, text=True, env=environment, timeout=120).stdout

    def figures(self) -> dict[str, int]:
        """Of each thing that must be there once: how many there are, here and in the platform."""
        suggested = self.count(AuditRow, AuditRow.action == "AI_SUGGESTED")
        return {
            "documents": self.count(Document),
            "suggestions": self.count(Suggestion),
            "AI_SUGGESTED": suggested,
            "charges": self.count(Charge, Charge.state == "posted"),
            "DRAFT_POSTED": self.count(AuditRow, AuditRow.action == "DRAFT_POSTED"),
            "drafts in the platform": sum(len(self.simulator.drafts(r)) for r in self.references()),
            "items": self.count(WorklistItem),
            "tasks in the platform": len(self.simulator.tasks()),
        }

    @contextmanager
    def worker(self, crash_at: str = "") -> Iterator[subprocess.Popen[bytes]]:
        """Runs until the block ends; killed there if it has not ended by itself."""
        command = [str(Path(sys.executable).parent / "codeserve"), "worker", "--config", str(self.config)]
        environment = {**os.environ, **self.environment, **({VARIABLE: crash_at} if crash_at else {})}
        with (self.config.parent / "worker.log").open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.wait(timeout=30)

    def log(self) -> str:
        path = self.config.parent / "worker.log"
        return path.read_text() if path.exists() else ""

    def wait(self, until: Callable[[], bool], process: subprocess.Popen[bytes] | None = None) -> None:
        """Until a condition holds; fails with the worker's log."""
        deadline = time.monotonic() + PATIENCE_S
        while not until():
            ended = process is not None and process.poll() is not None
            if ended or time.monotonic() > deadline:
                pytest.fail(f"it did not come to that:\n{self.log()[-3000:]}")
            time.sleep(0.05)


@contextmanager
def scene(folder: Path, database_url: str, keys_file: Path, schedule: str | None = None) -> Iterator[Scene]:
    """On a migrated database. `schedule`: of pulls."""
    simulator, port = Forgetful(), free_port()
    with simulator.serving():
        platform = {
            "adapter": "fhir",
            "base_url": simulator.base_url,
            "tenant": TENANT,
            "credentials_env": "CLINIC_CREDENTIALS",
            "webhook_secret_env": "CLINIC_SECRET",
            "schedule": schedule,
        }
        args = {
            "storage": {"url": database_url, "keys_file": str(keys_file)},
            "platforms": {"clinic": platform},
            "worker": {"gateway": f"http://127.0.0.1:{port}", "poll_s": 0.05, "first_pause_s": 0.05},
        }
        config = folder / "serve_config.yaml"
        config.write_text(yaml.safe_dump({"applications": [{"name": "codeserve", "args": args}]}))
        known = credentials(token_url=f"{simulator.root}/oauth/token")
        secrets = {"CLINIC_CREDENTIALS": json.dumps(known), "CLINIC_SECRET": simulator.webhook_secret}
        environment = {**secrets, "CODESERVE_HOME": str(folder / "home")}
        settings = load_settings(args)
        assert settings.storage is not None
        stored = Stored(open_database(settings.storage), open_platforms(settings.platforms, secrets))
        coder = FakeService()
        with serving(create_app(coder, settings.gateway, stored=stored), port) as url:
            yield Scene(simulator, coder, stored.database, settings, config, url, environment)
        stored.database.close()


@contextmanager
def serving(app: Any, port: int) -> Iterator[str]:
    """An application on loopback, from a thread."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", access_log=False, lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        deadline = time.monotonic() + PATIENCE_S
        while not server.started and thread.is_alive() and time.monotonic() < deadline:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{port}"
        server.should_exit = True
        thread.join(30)
