"""How many reasoners a load needs: by prompt tokens that wait, by time to the first token, by requests. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

QUEUED_TOKENS, FIRST_TOKEN_S = "queued_tokens", "first_token_s"  # what a replica reports
CALM = 0.5  # of the target for the first token: above it no replica is taken away
Sample = tuple[float, float]  # (time in seconds, value)


@dataclass(frozen=True, slots=True)
class Targets:
    """Of one replica. `tokens`: prompt tokens that may wait; `first_token_s`: seconds to the first token; `requests`:
    notes at once; `stale_s`: a reading older than this says nothing."""

    tokens: float
    first_token_s: float
    requests: float
    stale_s: float = 30.0


def desired_replicas(
    current: int,
    target: int,
    ongoing: float,
    readings: Mapping[str, Mapping[str, Sequence[Sample]]],
    now: float,
    targets: Targets,
) -> float:
    """Replicas that the load asks for. `current` run, `target` were asked for before, `ongoing` notes are in the stage,
    `readings` by what is measured and by replica.

    Where a running replica has no fresh reading the answer is `target`: half a picture must neither add nor take away.
    One more replica at most for a slow first token, which lags behind what caused it.
    """
    tokens = _fresh(readings.get(QUEUED_TOKENS, {}), now, targets.stale_s)
    waits = _fresh(readings.get(FIRST_TOKEN_S, {}), now, targets.stale_s)
    if current == 0 or min(len(tokens), len(waits)) < current:
        return float(target)
    slowest = max(waits)
    wanted = max(sum(tokens) / targets.tokens, ongoing / targets.requests)
    if slowest > targets.first_token_s:
        return max(wanted, current + 1.0)
    if wanted < current and slowest > CALM * targets.first_token_s:
        return float(current)
    return wanted


def _fresh(by_replica: Mapping[str, Sequence[Sample]], now: float, stale_s: float) -> list[float]:
    """The newest value of each replica that has one young enough."""
    newest = (max(samples) for samples in by_replica.values() if samples)
    return [value for when, value in newest if now - when <= stale_s]
