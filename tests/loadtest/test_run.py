"""Locust for real, as a process of its own: it replaces parts of the standard library, so it is never imported here."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import psutil
import pytest
import yaml

from tests.conftest import ROOT

DESK: dict[str, Any] = {"users": 3, "every_s": 2, "key": "desk", "slo": {"within_s": 60, "errors": 0, "goodput": 0.9}}
LEAVING: dict[str, Any] = {
    "users": 2,
    "every_s": 3,
    "key": "leaving",
    "misuse": ["hang-up", "half-sent", "malformed", "wrong-key"],
    "slo": {"within_s": 60},
}


def scenario(path: Path, minutes: float, **traffic: Any) -> Path:
    path.write_text(yaml.safe_dump({"about": "a test", "minutes": minutes, "traffic": traffic}))
    return path


def loadtest(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "loadtest", *arguments]
    told = {**os.environ, **environment}
    return subprocess.run(command, cwd=ROOT, env=told, capture_output=True, text=True, timeout=500, check=False)


def left(mark: str) -> list[str]:
    """Names of processes that still run with this in their environment."""
    found = []
    for one in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if one.environ().get("LOADTEST_MARK") == mark and one.status() != psutil.STATUS_ZOMBIE:
                found.append(one.name())
    return found


class Answering(BaseHTTPRequestHandler):
    """A service that answers every note properly and at once."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        sha256 = hashlib.sha256(asked["text"].encode()).hexdigest()
        body = json.dumps({"document_id": asked["document_id"], "note_sha256": sha256}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.mark.parametrize("workers", [0, 2])
def test_objectives_decide_the_exit_code(workers: int, url: str, tmp_path: Path) -> None:
    """What cannot be met is missed, with nothing else wrong, in one process and with two workers."""
    slo = {**DESK["slo"], "p95_s": 0.0001}
    path = scenario(tmp_path / "impossible.yaml", 0.15, desk={**DESK, "every_s": 1, "slo": slo})
    arguments = [str(path), "--url", url, "--out", str(tmp_path), "--workers", str(workers)]
    done = loadtest(*arguments, LOADTEST_KEYS='{"desk": "cs_anything"}')
    assert done.returncode == 1, done.stdout + done.stderr
    told = json.loads((tmp_path / "impossible/summary.json").read_text())
    assert told["traffic"]["desk"]["good"] == told["traffic"]["desk"]["sent"] > 0
    assert [one["objective"] for one in told["objectives"] if not one["met"]] == ["p95_s"]
    assert "MISSED" in done.stdout


def test_another_machine_is_not_loaded(tmp_path: Path) -> None:
    path = scenario(tmp_path / "s.yaml", 0.1, desk=DESK)
    done = loadtest(str(path), "--url", "http://192.0.2.1", "--out", str(tmp_path), LOADTEST_KEYS='{"desk": "cs_x"}')
    assert done.returncode == 2
    assert "--own-host" in done.stderr
    assert not (tmp_path / "s").exists()


@pytest.mark.e2e
def test_the_whole_way_with_a_service_of_its_own(tmp_path: Path) -> None:
    """The real proxy and gateway before stub models; every file is there, and nothing is left running."""
    path = scenario(tmp_path / "easy.yaml", 0.4, desk=DESK, leaving=LEAVING)
    mark = uuid.uuid4().hex
    done = loadtest(str(path), "--models", "stub", "--out", str(tmp_path), LOADTEST_MARK=mark)
    assert done.returncode == 0, done.stdout + done.stderr
    folder = tmp_path / "easy"
    told = json.loads((folder / "summary.json").read_text())
    assert told["met"]
    assert told["run"]["models"] == "stub"
    assert all(one["sent"] > 0 and one["unanswered"] == 0 for one in told["traffic"].values())
    assert "desk" in (folder / "report.html").read_text()
    assert "desk" in (folder / "stats_stats.csv").read_text()
    assert (folder / "stats_stats_history.csv").exists()
    assert not left(mark)
    assert "cs_" not in "".join(one.read_text() for one in folder.iterdir())
