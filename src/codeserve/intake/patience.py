"""What becomes of a step that failed: again after a pause, or to the dead letters. Pure but for its own table.

kind of failure                                    again?
CodeserveError that is retryable, Uncertain        yes, until the attempts are used up
any other CodeserveError                           no: the same call would fail again
what nobody raised on purpose (database, network)  yes, until the attempts are used up
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from codeserve.adapters.errors import Malformed, Uncertain
from codeserve.errors import CodeserveError

WORTH_ANOTHER_TRY = (Uncertain, Malformed)  # an answer that cannot be read may be a proxy's page


@dataclass(frozen=True, slots=True)
class Failed:
    """`kind` is the error's stable name, never its message."""

    kind: str
    again: bool
    after: float | None = None


@dataclass(frozen=True, slots=True)
class Schedule:
    """`attempts` of one step, pauses in seconds."""

    attempts: int = 10
    first_pause: float = 1.0
    longest_pause: float = 300.0


def failed(error: Exception) -> Failed:
    if isinstance(error, CodeserveError):
        again = error.retryable or isinstance(error, WORTH_ANOTHER_TRY)
        kind = error.type if not error.field else f"{error.type}: {error.field}"
        return Failed(kind[:200], again, error.retry_after)
    return Failed(type(error).__name__, True)


def pause(schedule: Schedule, seed: str, attempt: int, after: float | None) -> float:
    """Seconds before the try behind `attempt` (1 or more): a limit that doubles, of which a share of a half to the
    whole is waited. The share comes from `seed`, so that a workflow that is played again waits as before, and differs
    between workflows. What the other side asked for (`after`) is kept as the least."""
    limit = min(schedule.longest_pause, schedule.first_pause * 2 ** min(attempt - 1, 30))
    digest = hashlib.sha256(f"{seed}/{attempt}".encode()).digest()
    share = 0.5 + int.from_bytes(digest[:4], "big") / 2**33
    return max(limit * share, after or 0.0)
