"""A short form of `make faults`: the real service with a tiny LLM under clients, an engine that hangs, an update."""

from __future__ import annotations

import asyncio

import pytest

from benchmarks.causes import FAULTS
from benchmarks.faults import Session

pytestmark = pytest.mark.e2e
STALL_S = 10.0  # a busy machine may well be quiet for some seconds


def test_a_hung_engine_and_an_update_cost_no_note_and_a_stop_answers_what_is_inside() -> None:
    session = Session([FAULTS["stop-engine"], FAULTS["update"]], clients=8, stall_s=STALL_S)
    hung, updated, stopped = asyncio.run(session.run())
    for outcome in (hung, updated, stopped):
        assert outcome.passed, outcome
    # A hang is told with 503 and Retry-After; an update is not seen at all.
    assert set(updated.counts) == {"200"}
    assert (hung.left, updated.left, stopped.left) == ([], [], [])
