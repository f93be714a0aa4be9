"""Requests of clients that do it wrong, each with the status that it must get (none: nobody waits for an answer)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

# Stands in what is sent wrongly: an answer that holds it quotes what it should not.
CANARY = "zzloadtestcanary"
TOO_MANY = 210_000  # characters; the limit is 200,000
Headers = dict[str, str]
Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Misuse:
    """`hang_up_s`: close the connection so long after sending. `sent`: the share of the body that is sent at all."""

    status: int | None
    make: Callable[[Body], bytes]
    headers: Headers = field(default_factory=dict)
    hang_up_s: float | None = None
    sent: float = 1.0


def _whole(body: Body) -> bytes:
    return json.dumps(dict(body)).encode()


def _with(**changed: Any) -> Callable[[Body], bytes]:
    return lambda body: _whole({**body, **changed})


def _cut(body: Body) -> bytes:
    return _whole({"document_id": CANARY, **body})[:-20]


def _oversize(body: Body) -> bytes:
    text = str(body["text"]) + "\n"
    return _whole({**body, "text": text * (TOO_MANY // len(text) + 1)})


MISUSES: dict[str, Misuse] = {
    "malformed": Misuse(400, _cut),
    "wrong-key": Misuse(401, _whole, {"Authorization": f"Bearer cs_{CANARY}"}),
    "no-key": Misuse(401, _whole, {"Authorization": ""}),
    "oversize": Misuse(413, _oversize),
    "wrong-type": Misuse(415, _whole, {"Content-Type": "text/plain"}),
    "unknown-field": Misuse(422, _with(priority=CANARY)),
    "blank-note": Misuse(422, _with(text=" \n ")),
    "hang-up": Misuse(None, _whole, hang_up_s=0.2),
    "half-sent": Misuse(None, _whole, hang_up_s=0.2, sent=0.5),
}
