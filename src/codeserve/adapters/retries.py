"""What an answer means for a further try (data/adapters/statuses.tsv), and how long to wait before it."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum

from codeserve.adapters.tables import column

# What happened where no answer came that has a status.
UNCONNECTED, TIMEOUT, BROKEN, MALFORMED = "unconnected", "timeout", "broken", "malformed"


class Verdict(StrEnum):
    OK = "ok"
    RETRY = "retry"
    REFRESH = "refresh"
    GIVE_UP = "give_up"
    UNCERTAIN = "uncertain"


def verdict(happened: int | str, writing: bool) -> Verdict:
    """Of an HTTP status, or of what happened instead of an answer. An unknown status counts as its class does."""
    if isinstance(happened, int) and 200 <= happened < 300:
        return Verdict.OK
    table = column("statuses.tsv", "status", "writing" if writing else "reading")
    return Verdict(table.get(str(happened)) or table.get(f"{str(happened)[:1]}xx", Verdict.GIVE_UP))


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a call is tried, in seconds. A `Retry-After` longer than `longest_pause` is left to the caller.
    `answer`: between two parts of an answer, `whole`: for all of one try."""

    tries: int = 4
    first_pause: float = 0.5
    longest_pause: float = 20.0
    connect: float = 5.0
    answer: float = 30.0
    whole: float = 120.0


def pause(patience: Patience, tries: int, retry_after: float | None) -> float:
    """Seconds before the next try, after `tries` of them (1 or more). The random part parts callers that failed
    together: "full jitter", between nothing and a limit that doubles. A Retry-After is kept, with jitter on top."""
    limit = min(patience.longest_pause, patience.first_pause * 2 ** (tries - 1))
    jitter = random.uniform(0, limit)
    return jitter if retry_after is None else retry_after + min(jitter, patience.first_pause)


def retry_after(value: str | None, now: datetime | None = None) -> float | None:
    """Seconds of a Retry-After header, which is a number or a date (RFC 9110 10.2.3); None where it is neither."""
    if not value:
        return None
    if re.fullmatch(r"\s*[0-9]{1,9}\s*", value):
        return float(value)
    try:
        at = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, (at - (now or datetime.now(UTC))).total_seconds())
