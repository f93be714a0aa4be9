"""A service with all its processes: started, looked at by kind, stopped. Every process carries a mark of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

ROOT = Path(__file__).parents[1]
MARK = "CODESERVE_RUN"
START_S = 900  # on a busy machine a start takes minutes
STOP_S = 120
GATEWAY, TAGGER, REASONER = (f"ServeReplica:codeserve:{name}" for name in ("Gateway", "EntityTagger", "Reasoner"))
ENGINE, PROXY, CONTROLLER, AGENT = "EngineCore", "ProxyActor", "ServeController", "ray::RuntimeEnvAgent"


@dataclass
class Running:
    """One started service. `find` gives its live processes whose title holds a word."""

    config: Path
    log: Path
    environment: dict[str, str] = field(default_factory=dict)
    port: int = 0
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> float:
        """Seconds until it is ready; one that ran before keeps its port. Raises RuntimeError with the end of its log
        where it is not."""
        begun, self.port = time.monotonic(), self.port or free_port()
        command = [str(Path(sys.executable).parent / "codeserve"), "serve", "--config", str(self.config)]
        environment = {**os.environ, **self.environment, MARK: self.mark}
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [*command, "--port", str(self.port)], cwd=ROOT, stdout=out, stderr=out, env=environment
            )
        while self.process.poll() is None and time.monotonic() - begun < START_S:
            if self.ready():
                return time.monotonic() - begun
            time.sleep(0.5)
        raise RuntimeError(f"the service did not start:\n{self.log.read_text()[-2000:]}")

    def ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", timeout=30, trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    def ended(self) -> int:
        """The exit code of one that ends by itself. Raises TimeoutExpired."""
        assert self.process is not None
        return self.process.wait(timeout=STOP_S)

    def stop(self) -> int:
        """The exit code after SIGTERM; what is left of it after that is killed."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=STOP_S)
        finally:
            for one in self.all():
                with suppress(psutil.NoSuchProcess):
                    one.kill()

    def all(self) -> list[psutil.Process]:
        """Every process that carries the mark, whoever its parent is now, and those of the family that hide theirs
        behind a long title."""
        family = self._family()
        return [one for one in psutil.process_iter() if _lives(one) and (one.pid in family or self._is_marked(one))]

    def _family(self) -> set[int]:
        """The service and what descends from it."""
        assert self.process is not None
        try:
            started = psutil.Process(self.process.pid)
            return {started.pid, *(one.pid for one in started.children(recursive=True))}
        except psutil.NoSuchProcess:
            return set()

    def _is_marked(self, one: psutil.Process) -> bool:
        try:
            return one.environ().get(MARK) == self.mark
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return False

    def find(self, title: str) -> list[psutil.Process]:
        return [one for one in self.all() if title in _title(one)]

    def orphans(self) -> list[str]:
        """Titles of processes that carry the mark and do not descend from the service."""
        family = self._family()
        return [_title(one) for one in self.all() if one.pid not in family]

    def memory_mib(self) -> float:
        """What the processes hold alone, shared pages left out."""
        total = 0
        for one in self.all():
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                total += one.memory_full_info().uss
        return total / 2**20


@contextmanager
def running(config: Path, log: Path, **environment: str) -> Iterator[Running]:
    service = Running(config, log, environment)
    try:
        service.start()
        yield service
    finally:
        if service.process is not None and service.process.poll() is None:
            service.stop()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _lives(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.status() != psutil.STATUS_ZOMBIE
    return False


def _title(process: psutil.Process) -> str:
    with suppress(psutil.NoSuchProcess):
        return f"{process.name()} {' '.join(process.cmdline())}"[:200]
    return ""
