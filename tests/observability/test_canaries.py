"""Notes with planted identifiers go every way through the running service; afterwards none is to be found."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from codeserve.config import home
from tests.conftest import Service

pytestmark = pytest.mark.e2e
NAME, MRN, PHONE, WORD = "Zyxwvut Qponmlk", "99887766", "555-867-5309", "glorbiflex"
CANARIES = tuple(one.encode() for one in (NAME, *NAME.split(), MRN, PHONE, WORD))
NOTE = f"Patient: {NAME}. MRN: {MRN}. Phone {PHONE}.\nHPI: Says her knee feels {WORD}.\nASSESSMENT:\n1. Gout, {WORD}\n"
SESSION = re.compile(r"/\S*?/session_\d{4}-\d\d-\d\d_[\w-]+")


def body(text: str = NOTE, **more: Any) -> dict[str, Any]:
    return {"document_id": "x", "text": text, "encounter": {"patient": {"identifiers": [NAME]}}, **more}


def hang_up(service: Service) -> None:
    """Sends a whole request and closes the connection before the answer."""
    at = urlsplit(service.url)
    content = json.dumps(body()).encode()
    head = f"POST /v1/extract-codes HTTP/1.1\r\nHost: {at.netloc}\r\nContent-Type: application/json\r\n"
    with socket.create_connection((str(at.hostname), int(at.port or 80)), timeout=30) as connection:
        connection.sendall(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)


def every_way(service: Service) -> list[int]:
    """The statuses."""
    long = NOTE + f"Denies {WORD}. The patient is resting comfortably.\n" * 5000
    raw = {"content": NOTE.encode(), "timeout": 60, "trust_env": False}
    url = f"{service.url}/v1/extract-codes"
    answers = [
        service.post(body()),
        service.post(body(long[:200_000])),
        service.post({"text": NOTE}, "/v1/documentation-gaps"),
        service.post({"text": NOTE, "diagnosis_codes": [{"code": "M10.9"}]}, "/v1/validate-codes"),
        service.post(body(**{WORD: NAME})),
        service.post(body(NOTE * 2000)),
        service.post(body(model_version=WORD)),
        service.post(body(), f"/v1/{WORD}"),
        service.post(body(long[:200_000]), **{"X-Request-Timeout-Ms": "1"}),
        httpx.post(url, headers={"Content-Type": "application/json"}, **raw),
        httpx.post(url, headers={"Content-Type": "text/plain"}, **raw),
    ]
    hang_up(service)
    return [answer.status_code for answer in answers]


def files(service: Service) -> Iterator[Path]:
    """Everything that the service may have written: its log, Ray's session with what was spilled, the cache folder."""
    yield service.log
    processes = psutil.Process(service.process.pid).children(recursive=True)
    sessions = {found[0] for one in processes if (found := SESSION.search(" ".join(one.cmdline())))}
    assert sessions
    begun = psutil.Process(service.process.pid).create_time()
    for folder in (*map(Path, sessions), home()):
        yield from (p for p in folder.rglob("*") if p.is_file() and not p.is_symlink() and p.stat().st_mtime >= begun)


def test_identifiers_are_nowhere(service: Service) -> None:
    assert every_way(service) == [200, 200, 200, 200, 422, 413, 404, 404, 504, 400, 415]
    metrics = httpx.get(f"{service.url}/metrics", timeout=60, trust_env=False).content
    assert not [one for one in CANARIES if one in metrics]
    looked_at = list(files(service))
    assert len(looked_at) > 5
    found = [(path.name, one) for path in looked_at for one in CANARIES if one in path.read_bytes()]
    assert found == []


def test_identifiers_reach_no_core_dump(service: Service) -> None:
    for process in psutil.Process(service.process.pid).children(recursive=True):
        assert process.rlimit(psutil.RLIMIT_CORE) == (0, 0)
