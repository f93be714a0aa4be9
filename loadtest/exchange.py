"""What is sent, ready as bytes, and how what comes back is judged."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from benchmarks import notes
from loadtest.misuse import CANARY, MISUSES, Misuse
from loadtest.scenario import Traffic
from loadtest.tally import FAILED, GOOD, REFUSED, SLOW

PATH = "/v1/extract-codes"
PROBLEM = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Request:
    """`misuse` is none for a proper one. `document_id` and `sha256`: what the answer must say of the note."""

    body: bytes
    headers: Mapping[str, str]
    document_id: str = ""
    sha256: str = ""
    misuse: Misuse | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """What a client saw. `status` 0: no answer, and `broken` says how."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    broken: str = ""


def headers_of(traffic: Traffic, secret: str) -> dict[str, str]:
    headers = {
        "Authorization": f"Bearer {secret}",
        "Content-Type": "application/json",
        "X-Request-Timeout-Ms": str(int(traffic.timeout_s * 1000)),
    }
    return headers | ({"X-Priority": traffic.priority} if traffic.priority else {})


@cache
def _bodies(characters: tuple[int, ...]) -> Sequence[notes.Body]:
    return [notes.of_length(n) for n in characters] if characters else notes.bodies()


def draw(traffic: Traffic, secret: str, rng: random.Random) -> Request:
    """The next request of a user."""
    body = rng.choice(_bodies(traffic.characters))
    headers = headers_of(traffic, secret)
    if traffic.misuse:
        misuse = MISUSES[rng.choice(traffic.misuse)]
        kept = {name: value for name, value in {**headers, **misuse.headers}.items() if value}
        return Request(misuse.make(body), kept, misuse=misuse)
    sha256 = hashlib.sha256(body["text"].encode()).hexdigest()
    return Request(json.dumps(body).encode(), headers, body["document_id"], sha256)


def outcome(request: Request, seen: Seen, seconds: float, within_s: float) -> tuple[str, str]:
    """One of tally.OUTCOMES, and the reason of a failure. A proper answer to misuse is its refusal."""
    if seen.status in (429, 503):
        waits = seen.headers.get("retry-after", "").isdigit()
        return (REFUSED, "") if waits else (FAILED, f"{seen.status} without Retry-After")
    why = _wrong_refusal(request.misuse, seen) if request.misuse else _wrong_answer(request, seen)
    return (FAILED, why) if why else (GOOD if seconds <= within_s else SLOW, "")


def _wrong_answer(request: Request, seen: Seen) -> str:
    if seen.status != 200:
        return seen.broken or str(seen.status)
    try:
        answer: dict[str, Any] = json.loads(seen.content)
        of_this_note = (answer["document_id"], answer["note_sha256"]) == (request.document_id, request.sha256)
    except (ValueError, KeyError, TypeError):
        return "200 that is no answer"
    return "" if of_this_note else "200 for another note"


def _wrong_refusal(misuse: Misuse, seen: Seen) -> str:
    if misuse.status is None:
        return seen.broken
    if seen.status != misuse.status:
        return f"{seen.status or seen.broken} instead of {misuse.status}"
    if not seen.headers.get("content-type", "").startswith(PROBLEM):
        return f"{seen.status} that is no problem document"
    return f"{seen.status} that quotes what was sent" if CANARY.encode() in seen.content else ""
