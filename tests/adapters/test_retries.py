"""The table of statuses, and the pauses between tries."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeserve.adapters.retries import Patience, Verdict, pause, retry_after, verdict
from codeserve.adapters.tables import rows


@pytest.mark.parametrize(
    ("happened", "reading", "writing"),
    [
        (200, "ok", "ok"),
        (201, "ok", "ok"),
        (302, "give_up", "give_up"),
        (400, "give_up", "give_up"),
        (401, "refresh", "refresh"),
        (404, "give_up", "give_up"),
        (409, "give_up", "uncertain"),
        (429, "retry", "retry"),
        (500, "retry", "uncertain"),
        (503, "retry", "uncertain"),
        (599, "retry", "uncertain"),
        (501, "give_up", "give_up"),
        (700, "give_up", "give_up"),
        ("unconnected", "retry", "retry"),
        ("timeout", "retry", "uncertain"),
        ("malformed", "retry", "uncertain"),
    ],
)
def test_what_a_status_means(happened: int | str, reading: str, writing: str) -> None:
    assert (verdict(happened, False), verdict(happened, True)) == (Verdict(reading), Verdict(writing))


def test_every_row_has_verdicts_a_reason_and_a_source() -> None:
    for row in rows("statuses.tsv"):
        assert Verdict(row["reading"])
        assert Verdict(row["writing"])
        assert row["why"]
        assert row["source"]


@given(st.integers(100, 999), st.booleans())
def test_only_2xx_is_ok_and_a_read_is_never_uncertain(status: int, writing: bool) -> None:
    means = verdict(status, writing)
    assert (means is Verdict.OK) == (200 <= status < 300)
    assert writing or means is not Verdict.UNCERTAIN


@given(st.integers(500, 599).filter(lambda s: s != 501))
def test_a_write_that_failed_there_is_never_sent_again_blindly(status: int) -> None:
    assert verdict(status, True) is Verdict.UNCERTAIN


@given(st.integers(1, 40), st.none() | st.floats(0, 100))
def test_a_pause_is_bounded_and_keeps_what_was_asked(tries: int, asked: float | None) -> None:
    patience = Patience(first_pause=0.5, longest_pause=20)
    seconds = pause(patience, tries, asked)
    low = asked or 0
    high = min(20, 0.5 * 2 ** (tries - 1)) if asked is None else asked + 0.5
    assert low <= seconds <= high


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("7", 7),
        (" 7 ", 7),
        ("Mon, 02 Mar 2026 08:00:30 GMT", 30),
        ("Mon, 02 Mar 2026 07:00:00 GMT", 0),
        ("soon", None),
        ("-1", None),
        ("²", None),
        ("9" * 400, None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_a_number_or_a_date(written: str | None, seconds: float | None) -> None:
    assert retry_after(written, datetime(2026, 3, 2, 8, tzinfo=UTC)) == seconds
