"""One real service for the session: started once, on a free port, with the models that the set-up prepared."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import settings

from codeserve.codesets import CodeSets, store
from tests.collector import Collector, spans  # noqa: F401
from tests.databases import database, database_url, empty_url, keys_file, migrated, postgresql, sqlite, template  # noqa: F401

# No test measures time; CI draws the same examples in every run, a developer's machine new ones.
settings.register_profile("codeserve", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("codeserve")

ROOT = Path(__file__).parents[1]
NOTES = ROOT / "examples" / "notes"
SHARED = ROOT.parent / "shared"
START_S = 240


@pytest.fixture(scope="session")
def codesets(tmp_path_factory: pytest.TempPathFactory) -> CodeSets:
    """The real code sets, built once."""
    folder = tmp_path_factory.mktemp("codesets")
    store.build(folder)
    return CodeSets.load(folder)


@dataclass(frozen=True)
class Service:
    """`collector` has the traces of the session's service."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path
    collector: Collector | None = None

    def post(self, body: dict[str, Any], path: str = "/v1/extract-codes", **headers: str) -> httpx.Response:
        return httpx.post(f"{self.url}{path}", json=body, headers=headers, timeout=300, trust_env=False)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start_service(log: Path, *arguments: str, **environment: str) -> Service:
    port = free_port()
    command = [str(Path(sys.executable).parent / "codeserve"), "serve", "--port", str(port), *arguments]
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT, env={**os.environ, **environment}
        )
    service = Service(f"http://127.0.0.1:{port}", process, log)
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{service.url}/readyz", timeout=30, trust_env=False).status_code == 200:
                return service
        except httpx.TransportError:
            pass
        time.sleep(1)
    process.send_signal(signal.SIGTERM)
    raise RuntimeError(f"the service did not start:\n{log.read_text()[-2000:]}")


def stop_service(service: Service) -> int:
    service.process.send_signal(signal.SIGTERM)
    return service.process.wait(timeout=90)


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    collector = Collector()
    log = tmp_path_factory.mktemp("service") / "log"
    traced = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.address, "NO_PROXY": "127.0.0.1"}
    running = replace(start_service(log, **traced), collector=collector)
    yield running
    if running.process.poll() is None:
        stop_service(running)
    collector.close()


@pytest.fixture(scope="session")
def examples() -> dict[str, dict[str, Any]]:
    """The project's own example notes as request bodies."""
    encounters = json.loads((NOTES.parent / "encounters.json").read_text())
    return {
        note.stem: {"document_id": note.stem, "text": note.read_text(), "encounter": encounters[note.stem]}
        for note in sorted(NOTES.glob("*.txt"))
    }
