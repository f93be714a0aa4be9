"""Notes with planted identifiers go every way through the running service; afterwards none is to be found."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
import pytest
import yaml

from codeserve.config import home
from tests.collector import Collector
from tests.conftest import ROOT, Service, start_service, stop_service

pytestmark = pytest.mark.e2e
NAME, MRN, PHONE, WORD = "Zyxwvut Qponmlk", "99887766", "555-867-5309", "glorbiflex"
CANARIES = tuple(one.encode() for one in (NAME, *NAME.split(), MRN, PHONE, WORD))
NOTE = f"Patient: {NAME}. MRN: {MRN}. Phone {PHONE}.\nHPI: Says her knee feels {WORD}.\nASSESSMENT:\n1. Gout, {WORD}\n"
SESSION = re.compile(r"/\S*?/session_\d{4}-\d\d-\d\d_[\w-]+")
COMES_S = 120  # until something is there, on a busy machine


def body(text: str = NOTE, **more: Any) -> dict[str, Any]:
    return {"document_id": "x", "text": text, "encounter": {"patient": {"identifiers": [NAME]}}, **more}


def hang_up(service: Service) -> None:
    """Sends a whole request and closes the connection before the answer."""
    with sent(service, body()):
        pass


def sent(service: Service, asked: dict[str, Any]) -> socket.socket:
    """A connection with a whole request on it."""
    at = urlsplit(service.url)
    content = json.dumps(asked).encode()
    head = f"POST /v1/extract-codes HTTP/1.1\r\nHost: {at.netloc}\r\nContent-Type: application/json\r\n"
    connection = socket.create_connection((str(at.hostname), int(at.port or 80)), timeout=30)
    connection.sendall(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)
    return connection


def every_way(service: Service) -> list[httpx.Response]:
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
    return answers


def sessions(service: Service) -> set[Path]:
    """Ray's session folders of the service's processes."""
    processes = psutil.Process(service.process.pid).children(recursive=True)
    return {Path(found[0]) for one in processes if (found := SESSION.search(" ".join(one.cmdline())))}


def written(service: Service, folders: set[Path]) -> Iterator[tuple[str, bytes]]:
    """Everything that the service may have written: its log, Ray's session with what was spilled, the cache folder."""
    yield service.log.name, service.log.read_bytes()
    begun = psutil.Process(service.process.pid).create_time()
    for folder in (*folders, home()):
        for path in (p for p in folder.rglob("*") if p.is_file() and not p.is_symlink()):
            if path.stat().st_mtime >= begun:
                yield path.name, path.read_bytes()


def shown(service: Service, answers: list[httpx.Response]) -> Iterator[tuple[str, bytes]]:
    """The metrics' page, the problem documents, and what was sent to the collector of traces."""
    yield "/metrics", httpx.get(f"{service.url}/metrics", timeout=60, trust_env=False).content
    for answer in answers:
        if answer.status_code >= 400:
            yield f"problem {answer.status_code}", repr(answer.headers).encode() + answer.content
    assert service.collector is not None
    for path, sent_body in service.collector.received:
        yield f"traces {path}", sent_body


def found(places: Iterator[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    """(where, which) of every identifier."""
    return [(name, one) for name, content in places for one in CANARIES if one in content]


def wait_for(there: Callable[[], object]) -> None:
    deadline = time.monotonic() + COMES_S
    while not there():
        assert time.monotonic() < deadline
        time.sleep(0.5)


def traced(service: Service) -> set[object]:
    """The statuses of the requests whose traces have come."""
    assert service.collector is not None
    return {one.attributes.get("http.response.status_code") for one in service.collector.spans()}


def test_identifiers_are_nowhere(service: Service) -> None:
    answers = every_way(service)
    statuses = [answer.status_code for answer in answers]
    assert statuses == [200, 200, 200, 200, 422, 413, 404, 404, 504, 400, 415]
    wait_for(lambda: traced(service) >= set(statuses))
    folders = sessions(service)
    assert folders
    # A 422 names the field that is not known, which here is a canary; it goes to the one who sent it.
    assert found(shown(service, [answer for answer in answers if answer.status_code != 422])) == []
    assert len(list(written(service, folders))) > 5
    assert found(written(service, folders)) == []


@pytest.fixture(scope="module")
def breaking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The application of breaking.py, with one slot and no line before it."""
    folder, collector = tmp_path_factory.mktemp("breaking"), Collector()
    config = yaml.safe_load((ROOT / "serve_config.yaml").read_text())
    application = config["applications"][0]
    application["import_path"] = "tests.observability.breaking:build"
    application["args"]["gateway"] |= {"max_in_flight": 1, "admission": {"max_waiting": 0, "max_waiting_batch": 0}}
    application["args"]["tracing"] = {"endpoint": collector.address}
    application["deployments"] = [{"name": "Gateway", "graceful_shutdown_timeout_s": 5}]
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump(config))
    path = f"{ROOT / 'src'}:{ROOT}"
    running = start_service(folder / "log", "--config", str(file), PYTHONPATH=path, NO_PROXY="127.0.0.1")
    yield replace(running, collector=collector)
    if running.process.poll() is None:
        stop_service(running)
    collector.close()


def test_errors_that_hold_identifiers_show_none(breaking: Service) -> None:
    answers = [breaking.post(body(document_id=kind)) for kind in ("500", "503")]

    def refused() -> bool:
        answers.append(breaking.post(body(document_id="503")))
        return answers[-1].status_code == 429

    with sent(breaking, body(document_id="wait")):
        wait_for(refused)
    assert {answer.status_code for answer in answers} == {500, 503, 429}
    assert all(answer.headers["content-type"] == "application/problem+json" for answer in answers)
    wait_for(lambda: traced(breaking) >= {500, 503, 429, 499})
    folders = sessions(breaking)
    told = b"".join(content for _, content in written(breaking, folders))
    assert told.count(b"ValueError at tests.observability.breaking") >= 2  # by kind and place
    assert found(shown(breaking, answers)) == []
    assert found(written(breaking, folders)) == []


def test_the_search_finds_what_is_there(breaking: Service, tmp_path: Path) -> None:
    """A leak in each place that is searched. A request id is the caller's and is told: it stands for one in traces."""
    (folder,) = sessions(breaking)
    for planted in (folder / "logs" / "planted.log", home() / "planted"):
        try:
            planted.write_text(f"about {NAME}")
            assert planted.name in {name for name, _ in found(written(breaking, {folder}))}
        finally:
            planted.unlink()
    log = tmp_path / "its log"
    log.write_text(WORD)
    assert (log.name, WORD.encode()) in found(written(replace(breaking, log=log), {folder}))
    answer = breaking.post(body(document_id="503"), **{"X-Request-Id": MRN})
    assert ("problem 503", MRN.encode()) in found(shown(breaking, [answer]))
    wait_for(lambda: ("traces /v1/traces", MRN.encode()) in found(shown(breaking, [])))


def test_identifiers_reach_no_core_dump(service: Service) -> None:
    for process in psutil.Process(service.process.pid).children(recursive=True):
        assert process.rlimit(psutil.RLIMIT_CORE) == (0, 0)
