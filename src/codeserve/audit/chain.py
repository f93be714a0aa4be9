"""The chain, pure: each record's hash covers the record and the hash of the one before, and a signed head says how many
records there are, so that a missing end is found too.

A hash is the SHA-256 of the record's canonical JSON: keys sorted, no blanks, ASCII, times in UTC with microseconds.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

FIRST = "0" * 64  # what the first record has before it


@dataclass(frozen=True, slots=True)
class Entry:
    """A record as it is stored, but for its own hash. `seq` counts from 1 in each tenant; `versions` and `details` are
    canonical JSON."""

    tenant: str
    seq: int
    at: datetime
    actor: str
    action: str
    encounter_id: str | None
    document_id: str | None
    suggestion_id: str | None
    item_id: str | None
    note_sha256: str | None
    versions: str
    details: str
    previous: str


@dataclass(frozen=True, slots=True)
class Head:
    """What the trail of a tenant should end with."""

    tenant: str
    count: int
    hash: str

    @property
    def message(self) -> bytes:
        """What is signed."""
        return canonical(asdict(self)).encode()


Link = tuple[Entry, str]  # a record with the hash that is stored beside it


def canonical(value: Any) -> str:
    """Equal for equal values. Raises ValueError for NaN and infinities, TypeError for what JSON has not."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(entry: Entry) -> str:
    moment = entry.at.astimezone(UTC).isoformat(timespec="microseconds")
    return hashlib.sha256(canonical({**asdict(entry), "at": moment}).encode()).hexdigest()


def holds(links: Iterable[Link], head: Head | None) -> tuple[bool, int]:
    """Whether the records are all there, in order and unchanged, and how many there are. One record in memory."""
    count, last = 0, FIRST
    sound = True
    for entry, stored in links:
        count += 1
        sound = sound and entry.seq == count and entry.previous == last and digest(entry) == stored
        last = stored
    expected = (head.count, head.hash) if head is not None else (0, FIRST)
    return sound and expected == (count, last), count
