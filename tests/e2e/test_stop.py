"""SIGTERM ends everything that was started; a killed replica takes its engine with it and is replaced."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.conftest import START_S, Service, start_service, stop_service

pytestmark = pytest.mark.e2e
GONE_S = 20


def family(service: Service) -> dict[int, str]:
    children = psutil.Process(service.process.pid).children(recursive=True)
    return {child.pid: " ".join(child.cmdline())[:60] for child in children}


def alive(pids: set[int]) -> set[int]:
    return {pid for pid in pids if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE}


def wait_gone(pids: set[int]) -> set[int]:
    deadline = time.monotonic() + GONE_S
    while (left := alive(pids)) and time.monotonic() < deadline:
        time.sleep(0.5)
    return left


def pids_of(service: Service, name: str) -> set[int]:
    found = set()
    for child in psutil.Process(service.process.pid).children(recursive=True):
        try:
            if name in " ".join(child.cmdline()) or name in child.name():
                found.add(child.pid)
        except psutil.NoSuchProcess:
            continue
    return found


def test_a_killed_reasoner_leaves_no_engine_behind_and_comes_back(tmp_path: Path) -> None:
    service = start_service(tmp_path / "log")
    try:
        engines = pids_of(service, "EngineCore")
        replicas = pids_of(service, "Reasoner")
        assert engines
        assert replicas
        for pid in replicas:
            os.kill(pid, signal.SIGKILL)
        assert wait_gone(engines) == set()
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            response = service.post({"document_id": "x", "text": "Assessment: gout"})
            assert response.status_code in (200, 503)
            if response.status_code == 200:
                break
            assert int(response.headers["Retry-After"]) > 0
            time.sleep(2)
        assert response.status_code == 200
        started = set(family(service))
    finally:
        code = stop_service(service)
    assert code == 0
    assert wait_gone(started) == set()


def test_a_taken_port_is_a_clear_message(service: Service) -> None:
    port = service.url.rsplit(":", 1)[1]
    command = [str(Path(sys.executable).parent / "codeserve"), "serve", "--port", port]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert f"port {port}" in done.stderr
    assert "Traceback" not in done.stderr
