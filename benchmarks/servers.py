"""Processes that a benchmark starts: until they answer, what they use, and their end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from codeserve.errors import SetupError

ROOT = Path(__file__).parents[1]
START_S = 300
# Words of a process's name or command line, most telling first.
KINDS = (
    "Gateway",
    "EntityTagger",
    "Reasoner",
    "VLLM::Worker",
    "EngineCore",
    "ProxyActor",
    "HTTPProxy",
    "ServeController",
    "raylet",
    "gcs_server",
    "benchmarks.arms",
    "vllm",
    "dashboard",
)
OTHER = "other"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def cpu_of(pids: Iterable[int]) -> float:
    """CPU seconds of these processes so far, to the nanosecond: as the scheduler counted each thread."""
    total = 0
    for pid in pids:
        try:
            for thread in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{thread}/schedstat", "rb") as file:
                    total += int(file.read().split()[0])
        except OSError:  # a thread or the process has ended
            continue
    return total / 1e9


@dataclass(frozen=True, slots=True)
class Server:
    """A running arm. Its children belong to it."""

    name: str
    url: str
    processes: tuple[subprocess.Popen[bytes], ...]
    startup_s: float

    def family(self) -> dict[str, list[int]]:
        """Process ids by kind."""
        found: dict[str, list[int]] = defaultdict(list)
        for process in self.processes:
            root = psutil.Process(process.pid)
            for one in (root, *root.children(recursive=True)):
                try:
                    found[_kind(one)].append(one.pid)
                except psutil.NoSuchProcess:
                    continue
        return dict(found)

    def cpu(self) -> dict[str, float]:
        """CPU seconds so far by kind of process."""
        return {kind: cpu_of(pids) for kind, pids in self.family().items()}

    def memory(self) -> dict[str, int]:
        """Resident MiB by kind of process, without what it shares with others' files being told apart."""
        return {kind: sum(_resident(pid) for pid in pids) // 2**20 for kind, pids in self.family().items()}

    def stop(self) -> None:
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(timeout=90)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def start(
    name: str, commands: Sequence[Sequence[str]], url: str, log: Path, environment: dict[str, str] | None = None
) -> Server:
    """Start the commands one after the other and wait for `url`/readyz. Raises SetupError where one ends early."""
    begun = time.monotonic()
    environment = {**os.environ, **(environment or {}), "PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(ROOT)))}
    with log.open("wb") as out:
        started = tuple(
            subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT, env=environment)
            for command in commands
        )
    server = Server(name, url, started, 0.0)
    while time.monotonic() - begun < START_S and all(process.poll() is None for process in started):
        if _answers(f"{url}/readyz"):
            return Server(name, url, started, time.monotonic() - begun)
        time.sleep(0.25)
    server.stop()
    raise SetupError(f"the arm {name} did not start", hint=f"see {log}")


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=30, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def _kind(process: psutil.Process) -> str:
    named = f"{process.name()} {' '.join(process.cmdline())}"
    return next((kind for kind in KINDS if kind in named), OTHER)


def _resident(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.NoSuchProcess:
        return 0
