from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeserve.adapters.errors import CannotTell, CredentialsRefused, Malformed, NotThere, TryLater, Uncertain
from codeserve.client import GatewayError
from codeserve.client.models import Problem
from codeserve.errors import InvalidNote, NotReady, Overloaded
from codeserve.intake.gateway import refusal
from codeserve.intake.patience import Failed, Schedule, failed, pause

SCHEDULE = Schedule(attempts=5, first_pause=1.0, longest_pause=60.0)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (TryLater("x", retry_after=7), Failed("platform-unavailable", True, 7)),
        (Uncertain("x"), Failed("platform-uncertain", True)),
        (Malformed("x"), Failed("platform-malformed", True)),
        (NotThere("x"), Failed("platform-not-there", False)),
        (CredentialsRefused("x"), Failed("platform-credentials", False)),
        (CannotTell("x"), Failed("platform-cannot-tell", False)),
        (InvalidNote("Mrs. Doe", field="encounter.payer"), Failed("invalid-request: encounter.payer", False)),
        (NotReady("x"), Failed("not-ready", True)),
        (RuntimeError("Mrs. Doe"), Failed("RuntimeError", True)),
    ],
)
def test_what_is_tried_again_and_what_is_said_of_it(error: Exception, expected: Failed) -> None:
    assert failed(error) == expected


@given(st.text(max_size=20), st.integers(1, 200), st.none() | st.floats(0, 1000))
def test_a_pause_is_the_same_when_it_is_played_again(seed: str, attempt: int, after: float | None) -> None:
    seconds = pause(SCHEDULE, seed, attempt, after)
    assert seconds == pause(SCHEDULE, seed, attempt, after)
    assert seconds >= (after or 0)
    limit = min(60.0, 2.0 ** (attempt - 1))
    assert limit / 2 <= seconds <= max(limit, after or 0)


def test_pauses_of_workflows_part() -> None:
    assert len({pause(SCHEDULE, f"workflow-{n}", 5, None) for n in range(50)}) == 50


def problem(field: str | None = None) -> Problem:
    errors = [{"field": field, "message": "no"}] if field else None
    values = {"type": "urn:x:invalid-request", "title": "t", "status": 422, "detail": "d", "request_id": "r"}
    return Problem.model_validate({**values, "retryable": False, "errors": errors})


@pytest.mark.parametrize(
    ("error", "kind", "retryable", "field"),
    [
        (GatewayError("unreachable", "", retryable=True), NotReady, True, ""),
        (GatewayError("overloaded", "", 429, retryable=True, retry_after=3.0), Overloaded, True, ""),
        (GatewayError("internal", "", 500), NotReady, True, ""),
        (GatewayError("unauthorized", "", 401, problem=problem()), NotReady, True, ""),
        (GatewayError("not-found", "", 404, problem=problem("model_version")), InvalidNote, False, "model_version"),
        (
            GatewayError("invalid-request", "", 422, problem=problem("encounter.payer")),
            InvalidNote,
            False,
            "encounter.payer",
        ),
    ],
)
def test_what_the_gateways_refusals_mean(error: GatewayError, kind: type, retryable: bool, field: str) -> None:
    told = refusal(error)
    assert (type(told), told.retryable, told.field) == (kind, retryable, field)
