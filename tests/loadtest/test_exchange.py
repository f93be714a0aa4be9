from __future__ import annotations

import hashlib
import json
import random
from pathlib import Path
from typing import Any

import pytest

from codeserve.errors import SetupError
from loadtest.exchange import PROBLEM, Request, Seen, draw, outcome
from loadtest.misuse import CANARY, MISUSES
from loadtest.scenario import FOLDER, Traffic
from loadtest.tally import FAILED, GOOD, REFUSED, SLOW
from loadtest.target import Order, read_keys, refuse_foreign


def traffic(**changed: Any) -> Traffic:
    return Traffic.model_validate({"users": 1, "every_s": 1, "key": "desk", "slo": {"within_s": 5}, **changed})


def proper() -> Request:
    return draw(traffic(), "cs_secret", random.Random(1))


def answer(request: Request, **changed: Any) -> Seen:
    told = {"document_id": request.document_id, "note_sha256": request.sha256, **changed}
    return Seen(200, {}, json.dumps(told).encode())


def test_a_note_goes_with_its_key_its_deadline_and_its_class() -> None:
    request = draw(traffic(priority="batch", timeout_s=7), "cs_secret", random.Random(1))
    assert request.headers["Authorization"] == "Bearer cs_secret"
    assert request.headers["X-Request-Timeout-Ms"] == "7000"
    assert request.headers["X-Priority"] == "batch"
    assert hashlib.sha256(json.loads(request.body)["text"].encode()).hexdigest() == request.sha256


def test_long_notes_have_about_the_length_that_was_asked_for() -> None:
    body = json.loads(draw(traffic(characters=[16_000]), "", random.Random(1)).body)
    assert 15_000 < len(body["text"]) <= 16_000


def test_an_answer_in_time_is_good_and_a_late_one_slow() -> None:
    request = proper()
    assert outcome(request, answer(request), 4.9, 5)[0] == GOOD
    assert outcome(request, answer(request), 5.1, 5)[0] == SLOW


@pytest.mark.parametrize("changed", [{"document_id": "another"}, {"note_sha256": "0" * 64}])
def test_an_answer_about_another_note_is_a_failure(changed: dict[str, str]) -> None:
    request = proper()
    assert outcome(request, answer(request, **changed), 1, 5) == (FAILED, "200 for another note")


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"not json"])
def test_a_200_without_an_answer_is_a_failure(content: bytes) -> None:
    assert outcome(proper(), Seen(200, {}, content), 1, 5) == (FAILED, "200 that is no answer")


def test_a_refusal_must_say_when_to_come_again() -> None:
    assert outcome(proper(), Seen(429, {"retry-after": "2"}, b""), 1, 5) == (REFUSED, "")
    assert outcome(proper(), Seen(503, {}, b""), 1, 5) == (FAILED, "503 without Retry-After")


def test_what_broke_and_other_statuses_are_told() -> None:
    assert outcome(proper(), Seen(0, {}, b"", "ConnectionRefusedError"), 1, 5) == (FAILED, "ConnectionRefusedError")
    assert outcome(proper(), Seen(504, {}, b""), 1, 5) == (FAILED, "504")


@pytest.mark.parametrize("name", [name for name, misuse in MISUSES.items() if misuse.status])
def test_misuse_must_be_refused_as_it_should(name: str) -> None:
    request = draw(traffic(misuse=[name]), "cs_secret", random.Random(1))
    status, headers = MISUSES[name].status or 0, {"content-type": PROBLEM}
    assert outcome(request, Seen(status, headers, b"{}"), 1, 5)[0] == GOOD
    assert outcome(request, Seen(200, headers, b"{}"), 1, 5)[0] == FAILED
    assert outcome(request, Seen(status, {"content-type": "text/html"}, b"{}"), 1, 5)[0] == FAILED
    assert outcome(request, Seen(status, headers, CANARY.encode()), 1, 5)[0] == FAILED


def test_every_misuse_is_in_a_scenario() -> None:
    known = (FOLDER / "bad-clients.yaml").read_text()
    assert all(name in known for name in MISUSES)


def test_those_who_leave_expect_nothing_but_a_connection() -> None:
    request = draw(traffic(misuse=["hang-up"]), "cs_secret", random.Random(1))
    assert outcome(request, Seen(0, {}, b""), 0.2, 5)[0] == GOOD
    assert outcome(request, Seen(0, {}, b"", "ConnectionRefusedError"), 0.2, 5)[0] == FAILED


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8000", "http://localhost:1", "http://[::1]:8000", "https://127.9.9.9"]
)
def test_this_machine_may_be_loaded(url: str) -> None:
    refuse_foreign(url, own_host=False)


@pytest.mark.parametrize(
    "url", ["http://10.0.0.1", "https://example.org", "http://127.0.0.1.example.org", "ftp://[::1]"]
)
def test_another_one_may_not(url: str) -> None:
    with pytest.raises(SetupError):
        refuse_foreign(url, own_host=False)


def test_unless_its_owner_says_so() -> None:
    refuse_foreign("https://staging.example.org", own_host=True)
    with pytest.raises(SetupError):
        refuse_foreign("staging.example.org", own_host=True)


def test_locust_reads_what_it_was_told() -> None:
    order = Order(FOLDER / "clinic-day.yaml", 0.5, {"desk": "cs_x"}, Path("/x/summary.json"), False)
    assert Order.read(order.environment()) == order


@pytest.mark.parametrize("keys", ["", "[]", '{"a": 1}', "{"])
def test_keys_that_are_none_are_refused(keys: str) -> None:
    with pytest.raises(SetupError):
        read_keys({"LOADTEST_KEYS": keys})
